/**
 * The speed layer as a role: opens the log, makes sure that there is a batch view to start from, runs one worker, and reports on the status
 * board.
 */
import { CurrentWatch } from '../serving/current.js';
import { holdViews } from '../serving/held.js';
import { ensureGenesis, openView } from '../serving/store.js';
import { openAll, type Closers } from '../lib/process/closers.js';
import type { Config } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import { SwaError } from '../lib/errors/errors.js';
import { makeRules } from '../facts/rules.js';
import { KeyedHash } from '../lib/memory/keyed-hash.js';
import { distance, zeroOffsets } from '../log/cut.js';
import type { BatchView, ViewId } from '../facts/views/view.js';
import type { Log, Offsets, PartitionName, Share } from '../log/log.js';
import type { ShareGroup } from '../log/share.js';
import { openLog } from '../log/open-log.js';
import type { RoleContext, RunningRole } from '../lib/process/role.js';
import { StatusReporter, isAtWork, lastErrorOf, readStatus, type LastError } from '../lib/process/status.js';
import { ExclusionRuns } from './exclusion-runs.js';
import type { Generation } from './generations/generation.js';
import { CommitThread } from './store/commit-thread.js';
import { readBootId, sumOf } from './store/store-meta.js';
import type { Pointers } from './generations/pointers.js';
import { SpeedWorker } from './generations/worker.js';
import { WorkerSlot } from './generations/worker-slot.js';

/** How a worker coordinates with workers on other hosts, instead of by files of a shared data directory. */
export interface SpeedCoordination {
  /** The workers that share the log's partitions, and how many workers have each partition. */
  readonly among: ShareGroup;
  readonly pointers: Pointers;
  /** The partitions for this worker, given its share of the log. */
  share(ofLog: Share): Share;
  /** May have to fetch the view first. */
  openView(id: ViewId): Promise<BatchView>;
  /** Partitions that other workers have. */
  taken(): readonly string[];
  /** Called often, with the worker and its last error. */
  progress(worker: SpeedWorker, trouble: LastError | null): void;
}

/** Opens the coordination for a log; resources are registered with `closers`. */
export type OpenCoordination = (log: Log, closers: Closers) => Promise<SpeedCoordination>;

export function startSpeed(context: RoleContext, openCoordination?: OpenCoordination): Promise<RunningRole> {
  return openAll((closers) => open(context, closers, openCoordination));
}

async function open(
  context: RoleContext,
  closers: Closers,
  openCoordination: OpenCoordination | undefined,
): Promise<RunningRole> {
  const { config, clock } = context;
  openDataDir(config, (text) => context.logger.warn(text));
  checkWorkers(config);
  const log = await openLog(config, clock);
  closers.add(() => log.close());
  const rules = makeRules(config);
  const { dataDir, lgK, bucketMinutes } = config;
  const cut = { logId: log.id, next: zeroOffsets(log.partitions) };
  await ensureGenesis(dataDir, { cut, lgK, bucketMinutes, rules, createdAt: clock() });
  const coordination = await openCoordination?.(log, closers);
  const ofLog = await log.share({
    group: 'speed',
    members: config.speedWorkers,
    member: config.speedWorker,
    ...(coordination === undefined ? {} : { among: coordination.among }),
  });
  const share = coordination?.share(ofLog) ?? ofLog;
  closers.add(() => share.leave());
  const slot = share.kind === 'moving' ? WorkerSlot.take(dataDir) : undefined;
  if (slot !== undefined) closers.add(() => slot.release());
  const status = new SpeedStatus(context, log, slot, coordination);
  const watch = new CurrentWatch(dataDir);
  const commits = new CommitThread();
  closers.add(() => commits.close());
  const worker = new SpeedWorker({
    dataDir,
    log,
    share,
    rules,
    hash: new KeyedHash(),
    clock,
    lgK,
    dedupWindow: config.dedupWindow,
    epochTuples: config.speedEpochTuples,
    bootId: readBootId(),
    commits,
    current: () => watch.current(),
    ...(coordination === undefined ? {} : { pointers: coordination.pointers }),
    openView: (id) => coordination?.openView(id) ?? openView(dataDir, id),
    // With a pointer that hosts share, `coordination` holds the views it names: the leader is not told at once that it has moved.
    holdViews: (ids) => holdViews(dataDir, 'speed', coordination === undefined ? ids : []),
    onProgress: (changed) => status.progress(changed),
    onError: (error) => status.error(error),
  });
  return runWorker(worker, status, () => closers.close());
}

function checkWorkers({ speedWorker, speedWorkers, kafkaBrokers }: Config): void {
  if (speedWorker >= speedWorkers) {
    throw new SwaError(
      'config.invalid',
      `SWA_SPEED_WORKER is ${speedWorker}, but there are ${speedWorkers} workers, counted from 0`,
    );
  }
  if (speedWorkers > 1 && kafkaBrokers.length > 0) {
    throw new SwaError(
      'config.invalid',
      `SWA_SPEED_WORKERS is ${speedWorkers}, but SWA_KAFKA_BROKERS is set`,
      {
        hint: 'with Kafka, any number of `swa speed` processes share the partitions automatically: unset SWA_SPEED_WORKERS',
      },
    );
  }
}

function runWorker(worker: SpeedWorker, status: SpeedStatus, close: () => Promise<void>): RunningRole {
  const stopping = new AbortController();
  const done = work(worker, status, close, stopping.signal);
  done.catch(() => undefined); // callers read the error from `done` or `stop`
  return {
    done,
    async stop() {
      stopping.abort();
      await done;
    },
  };
}

async function work(
  worker: SpeedWorker,
  status: SpeedStatus,
  close: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  try {
    await worker.run(signal);
    status.end(undefined);
  } catch (error) {
    status.end(error);
    throw error;
  } finally {
    await close();
  }
}

/** Interval at which the status of other workers is read. */
const lookEveryMs = 1_000;

/** Reports this worker's status. */
class SpeedStatus {
  readonly #context: RoleContext;
  readonly #log: Log;
  readonly #reporter: StatusReporter;
  readonly #coordination: SpeedCoordination | undefined;
  readonly #isOneOfMany: boolean;
  readonly #worker: string;
  readonly #runs: ExclusionRuns;
  #ofOthers: ReadonlySet<string> = new Set();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #end: Offsets | undefined;
  #failing = false;
  #lastError: LastError | null = null;

  /** @param slot for a worker in a group whose members come and go */
  constructor(
    context: RoleContext,
    log: Log,
    slot: WorkerSlot | undefined,
    coordination: SpeedCoordination | undefined,
  ) {
    this.#coordination = coordination;
    const { config, clock } = context;
    this.#context = context;
    this.#log = log;
    this.#isOneOfMany = slot !== undefined;
    this.#runs = new ExclusionRuns(config.dataDir, clock);
    this.#worker = String(slot?.number ?? config.speedWorker);
    const worker = this.#worker;
    this.#reporter = new StatusReporter({ dataDir: config.dataDir, role: 'speed', worker, clock });
    this.#reporter.report({});
  }

  progress(worker: SpeedWorker): void {
    this.#askForEnd();
    this.#askForRun(worker);
    const { serving, next } = worker.pointer;
    const { blockingError } = worker;
    const working = worker.serving ?? worker.next;
    if (!this.#failing) this.#lastError = blockingError === undefined ? null : this.#describe(blockingError);
    this.#coordination?.progress(worker, this.#lastError);
    this.#reporter.report({
      state: 'running',
      lastError: this.#lastError,
      details: {
        generation: serving ?? null,
        nextGeneration: next ?? null,
        partitions: worker.partitions,
        awaitedPartitions: this.#awaited(worker),
        handOvers: worker.handOvers,
        mappingError: worker.mappingError ?? null,
        ...(working === undefined ? {} : this.#counts(working)),
        topology: working === undefined ? {} : Object.fromEntries(working.topology),
      },
    });
    this.#failing = false;
  }

  error(error: unknown): void {
    this.#failing = true;
    this.#context.logger.warn({ err: error }, 'speed layer error, retrying');
    this.#lastError = this.#describe(error);
    this.#reporter.report({ lastError: this.#lastError });
  }

  end(error: unknown): void {
    if (error !== undefined) this.#reporter.report({ state: 'failed', lastError: this.#describe(error) });
    else if (this.#isOneOfMany) this.#reporter.withdraw();
    else this.#reporter.report({ state: 'stopped' });
  }

  /** Partitions of ours that another worker still holds, and partitions that no worker has. */
  #awaited(worker: SpeedWorker): PartitionName[] {
    const { config, clock } = this.#context;
    const { partitions, awaited } = worker;
    const rest = this.#log.partitions.filter((name) => awaited.includes(name) || !partitions.includes(name));
    if (rest.length === 0) return rest; // if this worker has all partitions, there are no others to look at
    if (performance.now() - this.#lookedAt >= lookEveryMs) {
      this.#lookedAt = performance.now();
      const others = readStatus(config.dataDir).filter(
        (entry) => entry.role === 'speed' && entry.worker !== this.#worker && isAtWork(entry, clock),
      );
      this.#ofOthers = new Set([
        ...others.flatMap(({ details }) => namesIn(details['partitions'])),
        ...(this.#coordination?.taken() ?? []),
      ]);
    }
    return rest.filter((name) => awaited.includes(name) || !this.#ofOthers.has(name));
  }

  #counts(generation: Generation): Record<string, unknown> {
    const positions = generation.positions();
    const all = [...generation.progress().values()];
    const refused: Record<string, number> = {};
    for (const progress of all) {
      for (const [reason, count] of Object.entries(progress.refused))
        refused[reason] = (refused[reason] ?? 0) + count;
    }
    return {
      cut: positions,
      lagRecords: this.#end === undefined ? null : distance(positions, pick(this.#end, positions)),
      lastReceivedAt: Math.max(...all.map((progress) => progress.lastReceivedAt ?? 0)) || null,
      pageviews: sumOf(all, (progress) => progress.pageviews),
      equivsAfterBatchCut: sumOf(all, (progress) => progress.equivs),
      retractionsAfterBatchCut: sumOf(all, (progress) => progress.retractions),
      exclusionsAfterBatchCut: sumOf(all, (progress) => progress.exclusions),
      deadLetters: sumOf(all, (progress) => progress.deadLetters),
      repeats: sumOf(all, (progress) => progress.repeats),
      refused,
    };
  }

  /** Requests a batch run for waiting exclusions, in the background. */
  #askForRun({ serving }: SpeedWorker): void {
    if (serving === undefined) return;
    const exclusions = sumOf(serving.progress().values(), (progress) => progress.exclusions);
    this.#runs.report(serving.id, exclusions).catch((err: unknown) => {
      this.#context.logger.warn({ err }, 'exclusions are waiting, but requesting a batch run failed');
    });
  }

  /** Reads the log's end in the background; it is shown with the next report. */
  #askForEnd(): void {
    this.#log.latest().then(
      (end) => void (this.#end = end),
      (error: unknown) => this.#context.logger.debug({ err: error }, 'cannot read the end of the log'),
    );
  }

  #describe(error: unknown): LastError {
    return lastErrorOf(error, this.#context.clock(), 'speed.failed');
  }
}

function namesIn(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function pick(from: Offsets, names: Offsets): Partial<Offsets> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => name in names));
}
