/** The start function of each role, loaded only when the role runs, and what `ways-in/` and `cluster/` add to it. */
import { existsSync } from 'node:fs';
import type { FormatOf } from '../ingest/line-format.js';
import type { AroundCore } from '../ingest/role.js';
import type { Config } from '../lib/config/config.js';
import { dayScopePath } from '../lib/files/data-dir.js';
import type { EngineDependencies } from '../query/open.js';
import type { StartRole } from '../lib/process/role.js';
import type { Role } from '../lib/process/status.js';
import { startWithShared, startWithViews } from './shared.js';
import { engineOf } from './engine.js';

/** The formats of web servers' logs, which the core does not know; loaded when an import needs them. */
export const formatOfLogs: FormatOf = async (stored, addressKey) =>
  (await import('../ways-in/logs/log-files.js')).formatOf(stored, addressKey);

/** The parts of `ways-in/` that the collector uses; loaded only if the configuration or an import needs them. */
export const aroundCore: AroundCore = {
  formatOf: formatOfLogs,
  openWayIn: async (context, intake) =>
    context.config.sites === ''
      ? undefined
      : (await import('../ways-in/sites/way-in.js')).openSites(context, intake),
};

/** The parts of `ways-in/` that the query layer uses, if sites are or ever were configured. */
export async function aroundQuery({
  sites,
  dataDir,
}: Pick<Config, 'sites' | 'dataDir'>): Promise<Pick<EngineDependencies, 'visitorScopes'>> {
  const path = dayScopePath(dataDir);
  if (sites === '' && !existsSync(path)) return {};
  const { DayScopes } = await import('../ways-in/sites/scopes.js');
  return { visitorScopes: new DayScopes(path) };
}

export const startOf: Readonly<Record<Role, () => Promise<StartRole>>> = {
  collector: async () => {
    const { startCollector } = await import('../ingest/role.js');
    return (context) => startCollector(context, aroundCore);
  },
  sink: async () => {
    const { startSink } = await import('../master-data/role.js');
    return (context) => startWithShared((of, shared) => startSink(of, shared?.master), context);
  },
  batch: async () => {
    const { startBatch } = await import('../batch/role.js');
    return (context) => startWithViews((of, shared) => startBatch(of, shared, engineOf(of.config)), context);
  },
  speed: async () => {
    const { startSpeed } = await import('../speed/role.js');
    return (context) => startWithViews((of, shared) => startSpeed(of, shared?.speedNode(of.logger)), context);
  },
  query: async () => {
    const { startQuery } = await import('../query/role.js');
    return (context) =>
      startWithViews(
        async (of, shared) =>
          startQuery(of, {
            ...(await aroundQuery(of.config)),
            realtime: await shared?.realtime(of.logger),
          }),
        context,
      );
  },
};
