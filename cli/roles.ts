/** Where each role's start function is; loaded only when the role is asked for. */
import type { FormatOf } from '../ingest/line-format.js';
import type { StartRole } from '../lib/process/role.js';
import type { Role } from '../lib/process/status.js';

/** The formats of web servers' logs, which the core does not know; loaded when an import needs them. */
export const formatOfLogs: FormatOf = async (stored) =>
  (await import('../ways-in/logs/log-files.js')).formatOf(stored);

export const startOf: Readonly<Record<Role, () => Promise<StartRole>>> = {
  collector: async () => {
    const { startCollector } = await import('../ingest/role.js');
    return (context) => startCollector(context, formatOfLogs);
  },
  sink: async () => (await import('../master-data/role.js')).startSink,
  batch: async () => (await import('../batch/role.js')).startBatch,
  speed: async () => (await import('../speed/role.js')).startSpeed,
  query: async () => (await import('../query/role.js')).startQuery,
};
