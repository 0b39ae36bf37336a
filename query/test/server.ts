/** The query layer's routes on a real endpoint, over fake views. */
import type { ErasureReport } from '../../facts/erasure-records.js';
import type { OverdueErasure } from '../../facts/overdue-erasures.js';
import type { ErasureControl } from '../http/erasure-routes.js';
import type { TestContext } from 'node:test';
import { pino } from 'pino';
import { configWith, type Config } from '../../lib/config/config.js';
import { HttpEndpoint } from '../../lib/http/endpoint.js';
import type { Clock } from '../../lib/time/clock.js';
import { widthOf, type BucketWidth } from '../../lib/time/buckets.js';
import { sameRules, type RulesVersions } from '../../facts/rules-versions.js';
import { dimensions, type Dimension } from '../../facts/subjects.js';
import type { Route } from '../../lib/http/route.js';
import { assertDocumented } from '../../facts/test/documented.js';
import { UrlRules } from '../../facts/url/normalize.js';
import type { StatusEntry } from '../../lib/process/status.js';
import type { RealtimeView } from '../../facts/views/view.js';
import { Engine } from '../engine/engine.js';
import { Generations } from '../engine/generations.js';
import { unknownLag, type LagSource } from '../engine/lag.js';
import type { RecentSource } from '../now/log-tail.js';
import { queryRoutes } from '../http/routes.js';
import { type BatchRun } from '../bodies.js';
import { Metrics } from '../http/metrics.js';
import { apiInfo } from '../open.js';
import type { FakeBatchView } from './fakes.js';

export const now = Date.UTC(2026, 0, 3);

export interface Layers {
  batch: FakeBatchView;
  realtime: RealtimeView | undefined;
  /** Not known by default. */
  lag?: LagSource;
  /** That new facts are counted by; the batch view's by default. */
  rules?: RulesVersions;
  /** Of the data directory; that of the batch view by default. */
  width?: BucketWidth;
  /** Those that are kept; all of the table by default. */
  dimensions?: readonly Dimension[];
  /** What the status board says; nothing by default. */
  status?: readonly StatusEntry[];
  /** The last minutes; not known by default. */
  recent?: RecentSource;
  /** Stands still at `now` by default. */
  clock?: Clock;
  /** The last batch runs; none by default. */
  runs?: readonly BatchRun[];
  /** None by default. */
  overdue?: readonly OverdueErasure[];
}

/** Reads `layers` anew for every pin, so that a test may swap them. */
export function engineOver(layers: Layers): Engine {
  const rules = layers.rules ?? layers.batch.meta.rules;
  const generations = new Generations(
    { current: () => layers.batch.meta.id, open: () => layers.batch },
    { snapshot: () => layers.realtime },
    (batch) => sameRules(batch.rules, rules),
  );
  return new Engine({
    generations,
    lgK: layers.batch.meta.lgK,
    width: layers.width ?? widthOf(layers.batch.meta.bucketMinutes),
    urls: new UrlRules(),
    dimensions: layers.dimensions ?? dimensions,
    rules,
    lag: layers.lag ?? unknownLag,
    clock: layers.clock ?? (() => now),
    ...(layers.recent === undefined ? {} : { recent: layers.recent }),
  });
}

export interface TestServer {
  readonly origin: string;
  readonly requested: string[];
  readonly routes: readonly Route[];
  /** Like fetch; fails when the answer is not documented. */
  send(path: string, init: RequestInit): Promise<Response>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
}

export async function serve(
  t: TestContext,
  layers: Layers,
  change: Partial<Config> = {},
): Promise<TestServer> {
  const config = configWith({ httpRatePerMinute: 0, ...change });
  const endpoint = new HttpEndpoint({
    config,
    clock: () => now,
    logger: pino({ level: 'silent' }),
    drainGraceMs: 0,
  });
  const engine = engineOver(layers);
  const requested: string[] = [];
  const metrics = new Metrics({
    engine,
    status: () => layers.status ?? [],
    runs: () => layers.runs ?? [],
    active: () => endpoint.active,
    overdueErasures: () => layers.overdue ?? [],
    clock: () => now,
  });
  endpoint.onAnswered((answered) => metrics.observe(answered));
  endpoint.mount(routesOver(engine, requested, metrics, endpoint, layers));
  const { origin } = await endpoint.listen(0);
  t.after(async () => {
    await endpoint.close();
    metrics.close();
    engine.generations.close();
  });
  const send = async (path: string, init: RequestInit): Promise<Response> => {
    const response = await fetch(origin + path, init);
    const type = new Headers(init.headers).get('content-type');
    const method = init.method ?? 'GET';
    assertDocumented(endpoint.routes, { method, path, ...(type === null ? {} : { type }) }, response);
    return response;
  };
  return {
    origin,
    requested,
    routes: endpoint.routes,
    get: (path, headers) => send(path, headers === undefined ? {} : { headers }),
    send,
  };
}

function routesOver(
  engine: Engine,
  requested: string[],
  metrics: Metrics,
  endpoint: HttpEndpoint,
  { overdue = [] }: Layers,
): readonly Route[] {
  return queryRoutes({
    engine,
    status: () => [],
    batches: { request: (by) => requested.push(by), pending: () => [], views: () => [], runs: () => [] },
    erasures: { ...fakeErasures(), overdue: () => overdue },
    metrics: () => metrics.render(),
    draining: () => endpoint.draining,
    mounted: () => endpoint.routes,
    info: apiInfo(),
  });
}

function fakeErasures(): Omit<ErasureControl, 'overdue'> {
  const reports: ErasureReport[] = [];
  return {
    request(ids) {
      const report: ErasureReport = {
        id: `e-${reports.length}`,
        requestedAt: 0,
        ids: ids.length,
        state: 'requested',
        view: null,
        doneAt: null,
        step: null,
        parts: [],
        notes: [],
      };
      reports.push(report);
      return report;
    },
    list: () => reports,
  };
}
