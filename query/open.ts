/**
 * Puts the query layer together: the read sides of serving and speed, the log's end for the lag, and the routes. `swa
 * start` opens it on its one endpoint, `startQuery` on an endpoint of its own, and a program that only asks needs
 * no endpoint at all.
 */
import type { Clock } from '../lib/time/clock.js';
import { openAll } from '../lib/process/closers.js';
import type { Config } from '../lib/config/config.js';
import { makeRules } from '../facts/rules.js';
import { sameRules } from '../facts/rules-versions.js';
import { projectVersion } from '../lib/files/package-version.js';
import type { HttpEndpoint } from '../lib/http/endpoint.js';
import type { ApiInfo } from '../lib/http/openapi.js';
import { openLog } from '../log/open-log.js';
import type { RoleContext } from '../lib/process/role.js';
import { StatusReporter, readStatus } from '../lib/process/status.js';
import { CurrentWatch } from '../serving/current.js';
import { openView } from '../serving/store.js';
import { openRealtime } from '../speed/store/read-side.js';
import { dashboardHandler } from './http/dashboard-files.js';
import { openBatchControl } from './batch-control.js';
import { Engine } from './engine/engine.js';
import { Generations } from './engine/generations.js';
import { LagWatch, unknownLag, type LagSource } from './engine/lag.js';
import { Metrics } from './http/metrics.js';
import { queryRoutes } from './http/routes.js';

export interface OpenEngine {
  readonly engine: Engine;
  close(): Promise<void>;
}

export interface OpenQuery extends OpenEngine {
  /** Says on the status board where the routes are served. */
  listening(url: string): void;
  /** Call when no question can come any more. */
  close(): Promise<void>;
}

/** The engine alone, over a data directory: for asking in process. */
export function openEngine(config: Config, clock: Clock, lag: LagSource = unknownLag): OpenEngine {
  const { dataDir } = config;
  const current = new CurrentWatch(dataDir);
  const realtime = openRealtime(dataDir);
  const { url: urls, versions: rules, dimensions } = makeRules(config);
  const generations = new Generations(
    { current: () => current.current(), open: (id) => openView(dataDir, id) },
    realtime,
    (batch) => sameRules(batch.rules, rules),
  );
  const engine = new Engine({
    generations,
    lgK: config.lgK,
    urls,
    dimensions: dimensions.kept,
    rules,
    lag,
    clock,
  });
  return {
    engine,
    async close() {
      engine.edges.close();
      generations.close();
      await realtime.close();
    },
  };
}

/** Opens the query layer and mounts its routes. When it throws, nothing stays open. */
export async function openQuery(context: RoleContext, endpoint: HttpEndpoint): Promise<OpenQuery> {
  return openAll(async (closers) => {
    const { config, clock } = context;
    const log = await openLog(config, clock);
    closers.add(() => log.close());
    const lag = new LagWatch(log, () => performance.now());
    closers.add(() => lag.close());
    await lag.start();
    const opened = openEngine(config, clock, lag);
    closers.add(() => opened.close());
    const { engine } = opened;
    const batches = openBatchControl(config.dataDir, clock);
    closers.add(() => batches.close());
    const status = () => readStatus(config.dataDir);
    const ownStatus = new StatusReporter({ dataDir: config.dataDir, role: 'query', clock });
    const metrics = new Metrics({
      engine,
      status,
      runs: () => batches.runs(),
      active: () => endpoint.active,
      clock,
    });
    closers.add(() => metrics.close());
    endpoint.onAnswered((answered) => metrics.observe(answered));
    endpoint.mount(
      queryRoutes({
        engine,
        status,
        batches,
        metrics: () => metrics.render(),
        draining: () => endpoint.draining,
        mounted: () => endpoint.routes,
        info: apiInfo(),
      }),
    );
    endpoint.use(await dashboardHandler());
    return {
      engine,
      listening: (url) => ownStatus.report({ state: 'running', details: { url } }),
      async close() {
        ownStatus.report({ state: 'stopped' });
        await closers.close();
      },
    };
  });
}

export function apiInfo(): ApiInfo {
  return {
    title: 'SuperWebAnalytics',
    version: projectVersion(),
    description:
      'Unique visitors, pageviews and bounce rates over any range of hours, history and the last second alike.',
  };
}
