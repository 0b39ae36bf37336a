/**
 * The batch role: requests runs by schedule, takes requests of others from the job queue, and executes one run at a time in a child process. At
 * its start it requests a run if the current view cannot be opened (an upgrade that changed the format, or a damaged CURRENT), or was made with
 * other rules than those of the code and the configuration: until then new facts are not answered. A request that arrives during a run is served
 * by the next one: its facts may be after the current run's cut.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../lib/config/config.js';
import { SwaError } from '../lib/errors/errors.js';
import { openDataDir } from '../lib/files/data-dir.js';
import { openLog } from '../log/open-log.js';
import { openJobQueue, type JobQueue, type LeasedJob } from '../log/queue/job-queue.js';
import { listErasures } from '../facts/erasure-records.js';
import { makeRules } from '../facts/rules.js';
import { sameRules } from '../facts/rules-versions.js';
import type { RoleContext, RunningRole } from '../lib/process/role.js';
import { StatusReporter, lastErrorOf } from '../lib/process/status.js';
import { readCurrent } from '../serving/current.js';
import { viewPath } from '../serving/layout.js';
import { readMeta } from '../serving/meta.js';
import { currentServes, ensureGenesis } from '../serving/store.js';
import { countsOf, listRuns, type Trigger } from '../serving/batch-runs.js';
import { advanceErasures, type SharedErasing } from './erasing.js';
import { Schedule } from './schedule.js';
import { spawnBatchRun, type SharedRun } from './spawn-run.js';
import type { EngineSource } from './tables/contract.js';

const pollMs = 500;
const retryDelayMs = 10_000;
const eraseEveryMs = 2_000;
/** Likewise where each look sends requests to a store. */
const eraseSharedEveryMs = 5_000;
const renewEveryMs = 20_000;
/** A job, or a required run, is given up after this number of failures; they are in the history of runs. */
const maxAttempts = 3;

/** What several hosts share, as the role uses it. */
export interface SharedBatch extends SharedRun {
  readonly erasing: SharedErasing;
}

/**
 * @param shared set if other hosts share the master dataset and views
 * @param engine computes the views; default: this machine's own threads
 */
export async function startBatch(
  context: RoleContext,
  shared?: SharedBatch,
  engine?: EngineSource,
): Promise<RunningRole> {
  const { config, clock } = context;
  if (config.batchEngine !== 'duckdb' && engine === undefined)
    throw new SwaError(
      'config.invalid',
      `SWA_BATCH_ENGINE=${config.batchEngine}: this program has only the built-in engine`,
      {
        hint: 'start the role with `swa batch`',
      },
    );
  openDataDir(config, (text) => context.logger.warn(text));
  const log = await openLog(config, clock);
  try {
    await ensureGenesis(config.dataDir, {
      cut: { logId: log.id, next: await log.earliest() },
      lgK: config.lgK,
      bucketMinutes: config.bucketMinutes,
      rules: makeRules(config),
      createdAt: clock(),
    });
  } finally {
    await log.close();
  }
  const role = new BatchRole(context, shared, engine);
  return { stop: () => role.stop(), done: role.done };
}

class BatchRole {
  readonly done: Promise<void>;
  readonly #context: RoleContext;
  readonly #shared: SharedBatch | undefined;
  readonly #engine: EngineSource | undefined;
  readonly #status: StatusReporter;
  readonly #jobs: JobQueue<'batch-run'>;
  readonly #stopping = new AbortController();
  readonly #schedule: Schedule;
  #wanted: Trigger | undefined;
  /** Time of the next look at erasures, by `performance.now`. */
  #eraseAt = 0;
  /** Erasures that other hosts recorded and that a run was requested for. */
  readonly #runsAsked = new Set<string>();
  /** Counts of the last published run. */
  #counts: Readonly<Record<string, number>> = {};
  /** A run that new facts depend on, to be retried after a failure. `dueAt` is by `performance.now`. */
  #needed: { readonly trigger: Trigger; readonly attempt: number; readonly dueAt: number } | undefined;

  constructor(context: RoleContext, shared: SharedBatch | undefined, engine: EngineSource | undefined) {
    const { config, clock } = context;
    this.#context = context;
    this.#shared = shared;
    this.#engine = engine;
    this.#status = new StatusReporter({ dataDir: config.dataDir, role: 'batch', clock });
    this.#jobs = openJobQueue(config.dataDir, 'batch-run', clock);
    const last = listRuns(config.dataDir).findLast((run) => run.outcome === 'published');
    if (last !== undefined) this.#counts = countsOf(last);
    this.#schedule = new Schedule({
      config,
      clock,
      elapsed: () => performance.now(),
      lastRunAt: last?.startedAt,
    });
    if (this.#schedule.isDue()) this.#wanted = 'missed';
    const trigger = triggerToServe(config);
    if (trigger !== undefined) this.#needed = { trigger, attempt: 1, dueAt: performance.now() };
    this.done = this.#work();
    this.done.catch(() => undefined); // callers read the error from `done`
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.done.catch(() => undefined);
  }

  async #work(): Promise<void> {
    const { signal } = this.#stopping;
    try {
      while (!signal.aborted) {
        this.#report('running', this.#counts);
        await this.#next();
        await this.#erase();
        await sleep(pollMs, undefined, { signal }).catch(() => undefined);
      }
      this.#report('stopped', {});
    } catch (error) {
      this.#status.report({ state: 'failed' });
      throw error;
    } finally {
      await this.#jobs.close();
    }
  }

  /** Advances erasures between runs. A failure is reported and retried later. */
  async #erase(): Promise<void> {
    if (performance.now() < this.#eraseAt) return;
    const { config, clock, logger } = this.#context;
    const { signal } = this.#stopping;
    try {
      await advanceErasures({ config, clock, signal, shared: this.#shared?.erasing });
      this.#askForRuns();
      this.#eraseAt = performance.now() + (this.#shared === undefined ? eraseEveryMs : eraseSharedEveryMs);
    } catch (error) {
      if (signal.aborted) return;
      this.#eraseAt = performance.now() + retryDelayMs;
      logger.error({ err: error }, 'cannot remove erased ids from all files yet, retrying');
      this.#status.report({ lastError: lastErrorOf(error, clock(), 'batch.failed') });
    }
  }

  /** A run for each erasure that was recorded on another host: only the host that counts its exclusions requests one by itself. */
  #askForRuns(): void {
    const { config, clock } = this.#context;
    if (this.#shared === undefined) return;
    for (const { id, state } of listErasures(config.dataDir)) {
      if (state !== 'recorded' || this.#runsAsked.has(id)) continue;
      this.#jobs.add({ requestedBy: 'erasures', requestedAt: clock() });
      this.#runsAsked.add(id);
    }
  }

  /** One run, if the schedule or a job requests it. It serves all jobs that wait when it starts. */
  async #next(): Promise<void> {
    const jobs: LeasedJob<'batch-run'>[] = [];
    for (let job = this.#jobs.get(); job !== undefined; job = this.#jobs.get()) jobs.push(job);
    if (this.#schedule.isDue()) this.#wanted ??= 'schedule';
    const needed = this.#needed !== undefined && this.#needed.dueAt <= performance.now();
    const trigger = jobs.length > 0 ? 'request' : needed ? this.#needed?.trigger : this.#wanted;
    if (trigger === undefined) return;
    this.#wanted = undefined;
    const renewal = setInterval(() => this.#tell(jobs, ({ id }) => this.#jobs.renew(id)), renewEveryMs);
    const published = await this.#run(trigger).finally(() => clearInterval(renewal));
    this.#needed = published ? undefined : later(this.#needed);
    this.#tell(jobs, ({ id, attempt }) => {
      if (published || attempt >= maxAttempts) this.#jobs.ack(id);
      else this.#jobs.fail(id, this.#stopping.signal.aborted ? 0 : retryDelayMs);
    });
  }

  /** Updates each job in the queue. If a lease was lost, the job runs again, which is harmless. */
  #tell(jobs: readonly LeasedJob<'batch-run'>[], change: (job: LeasedJob<'batch-run'>) => void): void {
    for (const job of jobs) {
      try {
        change(job);
      } catch (err) {
        this.#context.logger.warn({ err, job: job.id }, 'cannot update a job in the queue; it may run again');
      }
    }
  }

  /** True if a view was published. A failed run is reported, the old view keeps serving, and the role continues. */
  async #run(trigger: Trigger): Promise<boolean> {
    const { config, clock, logger } = this.#context;
    logger.info({ trigger }, 'batch run started');
    try {
      const meta = await spawnBatchRun({
        config,
        trigger,
        signal: this.#stopping.signal,
        shared: this.#shared,
        engine: this.#engine,
        onProgress: (progress) => this.#report('running', { run: { trigger, ...progress } }),
      });
      const run = listRuns(config.dataDir).findLast(({ viewId }) => viewId === meta.id);
      if (run !== undefined) this.#counts = countsOf(run);
      logger.info({ view: meta.id, counts: this.#counts }, 'batch view published');
      this.#status.report({ lastError: null });
      return true;
    } catch (error) {
      if (this.#stopping.signal.aborted) return false;
      logger.error({ err: error }, 'batch run failed; the previous view stays published');
      this.#status.report({ lastError: lastErrorOf(error, clock(), 'batch.failed') });
      return false;
    }
  }

  #report(state: 'running' | 'stopped', details: Record<string, unknown>): void {
    this.#status.report({ state, details });
  }
}

/** Why the current view must be replaced at once; undefined if it need not be. */
function triggerToServe(config: Config): Trigger | undefined {
  if (!currentServes(config.dataDir)) return 'upgrade';
  const { rules, bucketMinutes } = readMeta(viewPath(config.dataDir, readCurrent(config.dataDir))).view;
  const { versions } = makeRules(config);
  return sameRules(rules, versions) && bucketMinutes === config.bucketMinutes ? undefined : 'rules';
}

/** The next attempt after a failure; undefined after too many. */
function later<T extends { readonly attempt: number }>(
  needed: T | undefined,
): (T & { readonly dueAt: number }) | undefined {
  if (needed === undefined || needed.attempt >= maxAttempts) return undefined;
  return { ...needed, attempt: needed.attempt + 1, dueAt: performance.now() + retryDelayMs };
}
