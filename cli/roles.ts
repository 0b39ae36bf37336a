/** Where each role's start function is; loaded only when the role is asked for. */
import type { StartRole } from '../lib/process/role.js';
import type { Role } from '../lib/process/status.js';

export const startOf: Readonly<Record<Role, () => Promise<StartRole>>> = {
  collector: async () => (await import('../ingest/role.js')).startCollector,
  sink: async () => (await import('../master-data/role.js')).startSink,
  batch: async () => (await import('../batch/role.js')).startBatch,
  speed: async () => (await import('../speed/role.js')).startSpeed,
  query: async () => (await import('../query/role.js')).startQuery,
};
