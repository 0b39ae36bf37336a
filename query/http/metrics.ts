/**
 * `/metrics` for Prometheus: this process's requests, the freshness of its answers, and what the other roles report on the status board, since they
 * have no port of their own.
 */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Clock } from '../../lib/time/clock.js';
import type { OverdueErasure } from '../../facts/overdue-erasures.js';
import type { AnsweredRequest } from '../../lib/http/endpoint.js';
import type { StatusEntry } from '../../lib/process/status.js';
import { freshnessOf } from '../answers/freshness.js';
import type { Engine } from '../engine/engine.js';
import type { BatchRun } from '../bodies.js';

export interface MetricsOptions {
  readonly engine: Engine;
  readonly status: () => readonly StatusEntry[];
  readonly runs: () => readonly BatchRun[];
  readonly active: () => number;
  readonly overdueErasures: () => readonly OverdueErasure[];
  readonly clock: Clock;
}

/** Maximum number of values per role. Numbers on the status board are exported unchanged, with role, worker and the path of the number as labels. */
const maxBoardNumbers = 2_000;

const tupleKinds = ['emitted', 'executed', 'acked', 'failed', 'timedOut', 'queued'];

/** Default metrics that we leave out: sums of others, and gauges although named like counters. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

export class Metrics {
  readonly #registry = new Registry();
  readonly #options: MetricsOptions;
  readonly #duration: Histogram;
  /** One per route, method and status that occurred. */
  readonly #series = new Map<string, Histogram.Internal<string>>();
  readonly #active = this.#gauge('swa_http_requests_active', 'Requests being handled.');
  readonly #generation = this.#gauge('swa_generation_number', 'Number of the batch view in use.');
  readonly #batchAge = this.#gauge('swa_batch_view_age_seconds', 'Age of the batch view in use.');
  readonly #realtime = this.#gauge('swa_realtime_serving', '1 while a realtime view is part of answers.');
  readonly #lagRecords = this.#gauge(
    'swa_answer_lag_records',
    'Records in the log that are not in answers yet.',
  );
  readonly #lagSeconds = this.#gauge(
    'swa_answer_lag_seconds',
    'Answers contain every fact that became durable at least this long ago.',
  );
  readonly #deadLetters = this.#gauge('swa_realtime_dead_letters', 'Records set aside by the speed layer.');
  readonly #overdue = this.#gauge(
    'swa_erasure_overdue_seconds',
    'Age of an erasure that is not done after SWA_ERASURE_HOURS, by its id and the step it has not got past.',
    ['erasure', 'step'],
  );
  readonly #up = this.#gauge('swa_role_up', '1 while the role reports that it runs.', ['role', 'worker']);
  readonly #reported = this.#gauge('swa_role_reported_seconds', 'Time since the last report of the role.', [
    'role',
    'worker',
  ]);
  readonly #restarts = this.#gauge(
    'swa_role_restarts',
    'How often the role failed and was restarted in its process.',
    ['role', 'worker'],
  );
  readonly #failed = this.#gauge('swa_role_last_error_timestamp_seconds', 'When the role last failed.', [
    'role',
    'worker',
    'code',
  ]);
  readonly #batchSuccess = this.#gauge(
    'swa_batch_last_success_timestamp_seconds',
    'When a batch run last published a view.',
  );
  readonly #batchDuration = this.#gauge(
    'swa_batch_last_duration_seconds',
    'Duration of the last finished batch run.',
    ['outcome'],
  );
  readonly #batchRecords = this.#gauge(
    'swa_batch_records',
    'Records the last published run read, by what became of them: pageviews (counted), repeats, botPageviews, ...',
    ['kind'],
  );
  readonly #events: Counter;
  readonly #siteEvents: Counter;
  readonly #mappingError = this.#gauge(
    'swa_mapping_error_ratio',
    'Relative error of visitors by page that the realtime view of the last hand-over had.',
    ['worker', 'of'],
  );
  readonly #mappingPages = this.#gauge('swa_mapping_error_pages', 'Pages compared at the last hand-over.', [
    'worker',
  ]);
  readonly #tuples = this.#gauge(
    'swa_topology_tuples',
    'Tuples of the running topology since it was opened, by what became of them; a spout counts trees.',
    ['worker', 'component', 'kind'],
  );
  readonly #tupleLatency = this.#gauge(
    'swa_topology_latency_seconds',
    'Spouts: mean time from emit to the complete tree. Bolts: mean time of one execute.',
    ['worker', 'component'],
  );
  readonly #board = this.#gauge('swa_role_value', 'Numbers the roles show on the status board.', [
    'role',
    'worker',
    'name',
  ]);

  /** Gauges that are reset and read from the status board each time, so that roles that are gone disappear. */
  readonly #ofBoard = [
    this.#up,
    this.#restarts,
    this.#reported,
    this.#failed,
    this.#mappingError,
    this.#mappingPages,
    this.#tuples,
    this.#tupleLatency,
    this.#board,
  ];

  constructor(options: MetricsOptions) {
    this.#options = options;
    this.#duration = new Histogram({
      name: 'swa_http_request_duration_seconds',
      help: 'Time to answer, by route and status.',
      labelNames: ['route', 'method', 'status'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [this.#registry],
    });
    this.#events = new Counter({
      name: 'swa_events_total',
      help: 'Facts the collector accepted or rejected since it started.',
      labelNames: ['result', 'reason'],
      registers: [this.#registry],
    });
    this.#siteEvents = new Counter({
      name: 'swa_site_events_total',
      help: 'Events of sites (SWA_SITES) since the collector started: accepted, rejected, unproven users, ignored (by tracker and name); refused counts requests.',
      labelNames: ['site', 'result', 'name'],
      registers: [this.#registry],
    });
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 100 });
    for (const name of misnamed) this.#registry.removeSingleMetric(name);
  }

  /** Records one answered request. */
  observe({ route, method, status, durationMs }: AnsweredRequest): void {
    const key = `${method} ${status} ${route}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = this.#duration.labels({ route, method, status: String(status) });
      this.#series.set(key, series);
    }
    series.observe(durationMs / 1000);
  }

  async render(): Promise<{ readonly type: string; readonly text: string }> {
    this.#active.set(this.#options.active());
    await this.#readFreshness();
    this.#readBoard();
    this.#readRuns();
    this.#overdue.reset();
    for (const { id, step, requestedAt } of this.#options.overdueErasures())
      this.#overdue.set({ erasure: id, step }, (this.#options.clock() - requestedAt) / 1000);
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  close(): void {
    this.#registry.clear();
  }

  async #readFreshness(): Promise<void> {
    const { engine, clock } = this.#options;
    try {
      await engine.pinned(async (generation) => {
        const { realtime } = freshnessOf(engine, generation);
        this.#generation.set(generation.batch.meta.number);
        this.#batchAge.set((clock() - generation.batch.meta.createdAt) / 1000);
        this.#realtime.set(realtime === null ? 0 : 1);
        this.#lagRecords.set(realtime?.lagRecords ?? Number.NaN);
        this.#lagSeconds.set(
          realtime?.lagMs === undefined || realtime.lagMs === null ? Number.NaN : realtime.lagMs / 1000,
        );
        this.#deadLetters.set(realtime?.deadLetters ?? Number.NaN);
      });
    } catch {
      // No generation can be pinned: NaN here, and /readyz, show it.
      for (const gauge of [this.#generation, this.#batchAge, this.#lagRecords, this.#lagSeconds])
        gauge.set(Number.NaN);
      this.#realtime.set(0);
    }
  }

  #readRuns(): void {
    const runs = this.#options.runs();
    const published = runs.find((run) => run.outcome === 'published');
    const ended = runs.find((run) => run.endedAt !== null);
    this.#batchSuccess.set(
      published === undefined ? 0 : Date.parse(published.endedAt ?? published.startedAt) / 1000,
    );
    this.#batchRecords.reset();
    for (const [kind, count] of Object.entries(published?.counts ?? {}))
      this.#batchRecords.set({ kind }, count);
    this.#batchDuration.reset();
    if (ended === undefined) return;
    const { outcome, startedAt, endedAt } = ended;
    this.#batchDuration.set({ outcome }, (Date.parse(endedAt ?? startedAt) - Date.parse(startedAt)) / 1000);
  }

  #readBoard(): void {
    for (const metric of [this.#events, this.#siteEvents, ...this.#ofBoard]) metric.reset();
    const now = this.#options.clock();
    for (const entry of this.#options.status()) {
      const { role, worker, lastError } = entry;
      this.#up.set({ role, worker }, entry.state === 'running' ? 1 : 0);
      this.#restarts.set({ role, worker }, entry.restarts);
      this.#reported.set({ role, worker }, (now - entry.updatedAt) / 1000);
      if (lastError !== null) this.#failed.set({ role, worker, code: lastError.code }, lastError.at / 1000);
      if (role === 'collector') this.#readEvents(entry.details);
      const { topology, ...details } = entry.details;
      if (role === 'speed') {
        this.#readMappingError(worker, details);
        this.#readTopology(worker, topology);
      }
      let left = maxBoardNumbers;
      for (const [name, value] of numbersIn(details, '')) {
        if (left-- <= 0) break;
        this.#board.set({ role, worker, name }, value);
      }
    }
  }

  #readEvents(details: StatusEntry['details']): void {
    const { accepted, rejectedByField, sites } = details;
    if (typeof accepted === 'number') this.#events.inc({ result: 'accepted', reason: '' }, accepted);
    for (const [reason, count] of numbersIn(rejectedByField, ''))
      this.#events.inc({ result: 'rejected', reason }, count);
    for (const [site, counts] of Object.entries(sites ?? {}))
      for (const [path, count] of numbersIn(counts, '')) {
        const [result = '', ...name] = path.split('.');
        this.#siteEvents.inc({ site, result, name: name.join('.') }, count);
      }
  }

  #readMappingError(worker: string, { mappingError }: StatusEntry['details']): void {
    const { pages, median, p99 } = Object.fromEntries(numbersIn(mappingError, ''));
    if (pages !== undefined) this.#mappingPages.set({ worker }, pages);
    if (median !== undefined) this.#mappingError.set({ worker, of: 'median' }, median);
    if (p99 !== undefined) this.#mappingError.set({ worker, of: 'p99' }, p99);
  }

  #readTopology(worker: string, topology: unknown): void {
    for (const [component, counters] of Object.entries(topology ?? {})) {
      const numbers = Object.fromEntries(numbersIn(counters, ''));
      for (const kind of tupleKinds) this.#tuples.set({ worker, component, kind }, numbers[kind] ?? 0);
      this.#tupleLatency.set({ worker, component }, (numbers['latencyMs'] ?? 0) / 1000);
    }
  }

  #gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }
}

/** Every number in a nested record, named by its path ('cut.next.pageviews/0'). */
function* numbersIn(value: unknown, path: string): Generator<readonly [string, number]> {
  if (typeof value === 'number') yield [path, value];
  else if (typeof value === 'boolean') yield [path, value ? 1 : 0];
  else if (typeof value === 'object' && value !== null) {
    for (const [name, inner] of Object.entries(value))
      yield* numbersIn(inner, path === '' ? name : `${path}.${name}`);
  }
}
