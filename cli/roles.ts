/** Where each role's start function is; loaded only when the role is asked for. */
import type { StartRole } from '../lib/role.js';
import type { Role } from '../lib/status.js';

export const startOf: Readonly<Record<Role, () => Promise<StartRole>>> = {
  collector: async () => (await import('../ingest/collector-role.js')).startCollector,
  sink: async () => (await import('../master-data/sink.js')).startSink,
  batch: async () => (await import('../batch/start.js')).startBatch,
  speed: async () => (await import('../speed/speed.js')).startSpeed,
  query: async () => (await import('../query/role.js')).startQuery,
};
