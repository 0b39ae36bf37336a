/**
 * Puts the query layer together: the read sides of serving and speed, the log's end for the lag, and the routes. `swa start` mounts it on its one
 * endpoint, `startQuery` on its own endpoint; programs that only ask in process use `openEngine`.
 */
import type { Clock } from '../lib/time/clock.js';
import { widthOf } from '../lib/time/buckets.js';
import { openAll } from '../lib/process/closers.js';
import type { Config } from '../lib/config/config.js';
import { erasureReport, listErasures, requestErasure, type ErasureRecord } from '../facts/erasure-records.js';
import { overdueErasures, type OverdueErasure } from '../facts/overdue-erasures.js';
import { makeRules } from '../facts/rules.js';
import { sameRules } from '../facts/rules-versions.js';
import { projectVersion } from '../lib/files/package-version.js';
import { hasCode, isOfDisk } from '../lib/errors/errors.js';
import type { AnsweredRequest, HttpEndpoint } from '../lib/http/endpoint.js';
import type { ApiInfo } from '../lib/http/openapi.js';
import { openExistingLog, openLog } from '../log/open-log.js';
import type { RoleContext } from '../lib/process/role.js';
import { StatusReporter, readStatus } from '../lib/process/status.js';
import { ActiveErrors } from '../lib/process/active-errors.js';
import { CurrentWatch } from '../serving/current.js';
import { openView } from '../serving/store.js';
import { openRealtime } from '../speed/store/read-side.js';
import { dashboardHandler } from './http/dashboard-files.js';
import { openBatchControl } from './batch-control.js';
import { Engine } from './engine/engine.js';
import { Generations, type RealtimeViews } from './engine/generations.js';
import { LagWatch, unknownLag, type LagSource } from './engine/lag.js';
import { Metrics } from './http/metrics.js';
import { queryRoutes } from './http/routes.js';
import { LogTail } from './now/log-tail.js';
import type { VisitorScopes } from './visitor-scopes.js';

export interface OpenEngine {
  readonly engine: Engine;
  close(): Promise<void>;
}

export interface OpenQuery extends OpenEngine {
  /** Reports on the status board where the routes are served. */
  listening(url: string): void;
  /** Call it once no further requests can arrive. */
  close(): Promise<void>;
}

/** Errors with which the query layer keeps running. */
type ErrorName = 'answers are not complete' | 'questions fail';

/** How long a failed question stays on the status board. */
const failureShownMs = 60_000;
/** How often the records of erasures are read. */
const erasuresReadMs = 5_000;

/** Dependencies of the engine from outside the query layer. */
export interface EngineDependencies {
  readonly lag?: LagSource;
  readonly visitorScopes?: VisitorScopes | undefined;
  /** Closed with the engine. By default the stores of the data directory. */
  readonly realtime?: ClosableRealtime | undefined;
}

/** Dependencies that a program around the core can supply. */
export type QueryDependencies = Pick<EngineDependencies, 'visitorScopes' | 'realtime'>;

interface ClosableRealtime extends RealtimeViews {
  close(): Promise<void>;
}

/** Opens the engine alone over a data directory, for asking in process. */
export function openEngine(config: Config, clock: Clock, dependencies: EngineDependencies = {}): OpenEngine {
  const { lag = unknownLag, visitorScopes } = dependencies;
  const { dataDir } = config;
  const current = new CurrentWatch(dataDir);
  const realtime = dependencies.realtime ?? openRealtime(dataDir);
  const counting = makeRules(config);
  const { url: urls, versions: rules, dimensions } = counting;
  const generations = new Generations(
    { current: () => current.current(), open: (id) => openView(dataDir, id) },
    realtime,
    (batch) => sameRules(batch.rules, rules),
  );
  const recent = new LogTail({
    open: () => openExistingLog(config),
    rules: counting,
    clock,
  });
  const engine = new Engine({
    generations,
    lgK: config.lgK,
    width: widthOf(config.bucketMinutes),
    urls,
    dimensions: dimensions.kept,
    rules,
    lag,
    clock,
    recent,
    visitorScopes,
  });
  return {
    engine,
    async close() {
      await recent.close();
      engine.edges.close();
      generations.close();
      await realtime.close();
    },
  };
}

/** Opens the query layer and mounts its routes. If it throws, everything is closed again. */
export async function openQuery(
  context: RoleContext,
  endpoint: HttpEndpoint,
  dependencies: QueryDependencies = {},
): Promise<OpenQuery> {
  return openAll(async (closers) => {
    const { config, clock } = context;
    const ownStatus = new StatusReporter({ dataDir: config.dataDir, role: 'query', clock });
    let url: string | undefined;
    const activeErrors = new ActiveErrors<ErrorName>(clock, 'log.unavailable');
    const report = (): void => {
      if (url !== undefined)
        ownStatus.report({ state: 'running', details: { url }, lastError: activeErrors.newest });
    };
    const lag = new LagWatch({
      open: () => openLog(config, clock),
      monotonic: () => performance.now(),
      onTrouble: (error) => {
        if (error !== undefined) activeErrors.add('answers are not complete', error);
        if (error !== undefined || activeErrors.resolve('answers are not complete')) report();
      },
    });
    closers.add(() => lag.close());
    await lag.start();
    const opened = openEngine(config, clock, { ...dependencies, lag });
    closers.add(() => opened.close());
    const { engine } = opened;
    const batches = openBatchControl(config.dataDir, clock);
    closers.add(() => batches.close());
    const status = () => readStatus(config.dataDir);
    const overdue = watchErasures(config, clock);
    const metrics = new Metrics({
      engine,
      overdueErasures: overdue,
      status,
      runs: () => batches.runs(),
      active: () => endpoint.active,
      clock,
    });
    closers.add(() => metrics.close());
    let failure: NodeJS.Timeout | undefined;
    closers.add(() => clearTimeout(failure));
    endpoint.onAnswered((answered) => {
      metrics.observe(answered);
      if (!isTrouble(answered)) return;
      activeErrors.add('questions fail', answered.error);
      report();
      clearTimeout(failure);
      failure = setTimeout(() => {
        activeErrors.resolve('questions fail');
        report();
      }, failureShownMs).unref();
    });
    endpoint.mount(
      queryRoutes({
        engine,
        status,
        batches,
        erasures: {
          request: (ids) => erasureReport(requestErasure(config.dataDir, ids, clock())),
          list: () => listErasures(config.dataDir).map(erasureReport),
          overdue,
        },
        metrics: () => metrics.render(),
        draining: () => endpoint.draining,
        mounted: () => endpoint.routes,
        info: apiInfo(),
      }),
    );
    endpoint.use(await dashboardHandler());
    return {
      engine,
      listening(at) {
        url = at;
        report();
      },
      async close() {
        url = undefined;
        ownStatus.report({ state: 'stopped' });
        await closers.close();
      },
    };
  });
}

/** Overdue erasures; probes may ask often, so the records are read every few seconds only. */
function watchErasures({ dataDir, erasureHours: hours }: Config, clock: Clock): () => OverdueErasure[] {
  let known: readonly ErasureRecord[] = [];
  let readAt = -Infinity;
  return () => {
    if (performance.now() - readAt > erasuresReadMs) {
      known = openErasures(dataDir);
      readAt = performance.now();
    }
    return overdueErasures(known, { now: clock(), hours });
  };
}

/** Those that are not done. A damaged record must not fail a probe: `swa verify` finds it. */
function openErasures(dataDir: string): readonly ErasureRecord[] {
  try {
    return listErasures(dataDir).filter(({ state }) => state !== 'done');
  } catch (error) {
    if (hasCode(error, 'data-dir.unusable')) return [];
    throw error;
  }
}

/** Whether an answer is an error of the query layer. POST requests belong to other roles, and temporary errors do not count. */
function isTrouble({ method, status, error }: AnsweredRequest): boolean {
  return (
    method === 'GET' &&
    (status === 500 || hasCode(error, 'view.corrupt', 'data-dir.unusable') || isOfDisk(error))
  );
}

export function apiInfo(): ApiInfo {
  return {
    title: 'SuperWebAnalytics',
    version: projectVersion(),
    description:
      'Unique visitors, pageviews and bounce rates over any range of hours, history and the last second alike.',
  };
}
