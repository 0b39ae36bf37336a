/**
 * One generation at work in one process: a batch view's cut and mapping, the stores of our partitions, and the topology
 * that keeps them up with the log.
 *
 * Work goes in epochs: take slices from the log, run them through the topology until every tree is answered, then commit
 * all changes and the new position of each partition in one transaction per partition. If a tree failed, nothing
 * is committed: all changes are discarded and the epoch is run again, now with each failed record as a tuple of its own,
 * until all is well or the record that fails has failed three times and is set aside. So delivery is at least once, and
 * the state is as if it were exactly once.
 */
import type { Clock } from '../lib/clock.js';
import { SwaError, messageOf } from '../lib/errors.js';
import type { Rules } from '../lib/facts/rules.js';
import { checkCut, offsetAt } from '../lib/log/cut.js';
import type { Log, Offset, Offsets, PartitionName } from '../lib/log/log.js';
import type { BatchView, ViewId } from '../lib/views/view.js';
import { writeDeadLetter } from './dead-letters.js';
import { LogIntake, singles, type Slice } from './log-intake.js';
import type { PageviewSpout } from './pageview-spout.js';
import { PersonCoupons } from './person-coupons.js';
import { generationDir, removeIfEmpty, removeStores, storeDir } from './store/layout.js';
import { PartitionStore, type Standing } from './store/partition-store.js';
import { PartitionView } from './store/partition-view.js';
import type { Progress, StoreIdentity } from './store/store-meta.js';
import { buildSwaTopology } from './swa-topology.js';
import type { Topology } from './topology/index.js';

export interface GenerationOptions {
  readonly dataDir: string;
  readonly log: Log;
  readonly rules: Rules;
  readonly clock: Clock;
  readonly lgK: number;
  readonly dedupWindow: number;
  readonly epochTuples: number;
  /** About how much memory the cells of all partitions may take. */
  readonly cacheBytes: number;
  readonly bootId: string;
  /** Ours; the other workers have the others. */
  readonly partitions: readonly PartitionName[];
  readonly view: BatchView;
  readonly signal?: AbortSignal;
}

export interface EpochOptions {
  /** How long to wait for the first record. */
  readonly waitMs: number;
  /** Positions not to go beyond. */
  readonly limit: Partial<Offsets>;
  readonly signal?: AbortSignal;
}

const failuresToSetAside = 3;
/** How long the event loop may be kept at most before others get their turn. */
const turnMs = 8;
/** Epochs' worth of records that may wait behind a limit. */
const bufferedEpochs = 4;

export class Generation {
  readonly id: ViewId;
  readonly view: BatchView;
  readonly #options: GenerationOptions;
  readonly #stores: ReadonlyMap<PartitionName, PartitionStore>;
  readonly #views: ReadonlyMap<PartitionName, PartitionView>;
  readonly #intake: LogIntake;
  readonly #topology: Topology;
  readonly #spout: PageviewSpout;
  /** Slices taken from the log and not committed yet. */
  #pending: readonly Slice[] = [];
  #lastError: unknown;

  private constructor(
    options: GenerationOptions,
    stores: ReadonlyMap<PartitionName, PartitionStore>,
    intake: LogIntake,
  ) {
    this.id = options.view.meta.id;
    this.view = options.view;
    this.#options = options;
    this.#stores = stores;
    this.#intake = intake;
    const { lgK, cacheBytes, rules, clock } = options;
    const budget = cacheBytes / stores.size;
    this.#views = new Map([...stores].map(([name, store]) => [name, new PartitionView(store, lgK, budget)]));
    const persons = new PersonCoupons(options.view);
    const onError = (error: unknown): void => void (this.#lastError = error);
    const { topology, spout } = buildSwaTopology({ rules, persons, views: this.#views, clock, onError });
    this.#topology = topology;
    this.#spout = spout;
  }

  /**
   * Opens or makes the stores and stands ready where they have come to. Owns the batch view from here on. Throws
   * `log.mismatch` when the log is another one or ends below what was read, `log.out-of-range` when it was trimmed
   * beyond the cut.
   */
  static async open(options: GenerationOptions): Promise<Generation> {
    const { log, view, dedupWindow } = options;
    const stores = new Map<PartitionName, PartitionStore>();
    try {
      await checkCut(log, view.meta.cut, `batch view ${view.meta.id}`);
      const logEnd = await log.latest();
      for (const name of options.partitions) {
        const dir = storeDir(options.dataDir, view.meta.id, name);
        stores.set(name, await PartitionStore.open(dir, identityOf(options, name), offsetAt(logEnd, name)));
      }
      const from = positionsOf(stores);
      await checkCut(log, { logId: log.id, next: from }, `the realtime view of ${view.meta.id}`);
      const consumer = `speed-${view.meta.id}`;
      const { signal } = options;
      const intake = await LogIntake.open({ log, from, dedupWindow, consumer, ...(signal && { signal }) });
      return new Generation(options, stores, intake);
    } catch (error) {
      for (const store of stores.values()) await store.close();
      view.close();
      throw error;
    }
  }

  /** Where each of our partitions stands: exactly the facts before it are in the stores. */
  positions(): Offsets {
    return positionsOf(this.#stores);
  }

  standing(partition: PartitionName): Standing | undefined {
    return this.#stores.get(partition)?.standing;
  }

  progress(): ReadonlyMap<PartitionName, Progress> {
    return new Map([...this.#stores].map(([name, store]) => [name, store.progress]));
  }

  /** Throws `view.corrupt` when a store was deleted or found damaged. */
  requireSound(): void {
    for (const store of this.#stores.values()) store.requireSound();
  }

  /**
   * One epoch. Returns how many records it brought in, 0 when there was nothing to do. Throws `view.corrupt` when a
   * store cannot be trusted (open the generation anew), and what the log or the disk throws; then it can be called again.
   */
  async runEpoch({ waitMs, limit, signal }: EpochOptions): Promise<number> {
    if (this.#pending.length === 0) this.#pending = await this.#nextSlices(waitMs, limit, signal);
    if (this.#pending.length === 0) return 0;
    const done = await this.#process(this.#pending);
    const records = done.reduce((sum, slice) => sum + slice.records, 0);
    await this.#commit(done);
    return records;
  }

  async close(): Promise<void> {
    this.#topology.close();
    await this.#intake.close();
    for (const store of this.#stores.values()) await store.close();
    this.view.close();
  }

  /** Closes and deletes our stores. */
  async destroy(): Promise<void> {
    for (const name of this.#stores.keys()) removeStores(storeDir(this.#options.dataDir, this.id, name));
    removeIfEmpty(generationDir(this.#options.dataDir, this.id));
    await this.close();
  }

  async #nextSlices(waitMs: number, limit: Partial<Offsets>, signal?: AbortSignal): Promise<Slice[]> {
    const { epochTuples } = this.#options;
    const ready = this.#intake.take(epochTuples, limit);
    if (ready.length > 0 || this.#intake.buffered >= bufferedEpochs * epochTuples) return ready;
    await this.#intake.fill(epochTuples, waitMs, signal);
    return this.#intake.take(epochTuples, limit);
  }

  /** Runs the slices through the topology until all is well; returns them as they were counted in the end. */
  async #process(slices: readonly Slice[]): Promise<readonly Slice[]> {
    const failures = new Map<Slice, number>();
    let current = slices;
    for (;;) {
      this.#lastError = undefined;
      this.#spout.feed(current);
      await this.#untilAnswered();
      const failed = this.#spout.failed;
      if (failed.size === 0) return current;
      this.#discard(current);
      if (this.#lastError instanceof SwaError && this.#lastError.code === 'view.corrupt')
        throw this.#lastError;
      current = current.flatMap((slice) =>
        failed.has(slice) ? this.#afterFailure(slice, failures) : [slice],
      );
    }
  }

  /** A failed slice is tried again record by record; a record that fails for the third time is taken out of it. */
  #afterFailure(slice: Slice, failures: Map<Slice, number>): readonly Slice[] {
    const count = (failures.get(slice) ?? 0) + 1;
    if (slice.pageviews.length > 1 || count < failuresToSetAside) {
      const again = slice.pageviews.length > 1 ? singles(slice) : [slice];
      for (const single of again) failures.set(single, count);
      return again;
    }
    return [this.#setAside(slice, count)];
  }

  #setAside(slice: Slice, failures: number): Slice {
    const { dataDir, clock } = this.#options;
    const [offset] = slice.offsets;
    const [value] = slice.values;
    if (offset === undefined || value === undefined) {
      throw new SwaError('internal.invariant', 'a slice without pageviews fails', { cause: this.#lastError });
    }
    const reason = messageOf(this.#lastError);
    writeDeadLetter(dataDir, { partition: slice.partition, offset, reason, failures, at: clock(), value });
    return { ...slice, pageviews: [], offsets: [], values: [], deadLetters: 1 };
  }

  async #untilAnswered(): Promise<void> {
    let since = performance.now();
    while (this.#topology.turn() > 0) {
      if (performance.now() - since < turnMs) continue;
      await new Promise(setImmediate);
      since = performance.now();
    }
    await this.#topology.settle();
  }

  async #commit(slices: readonly Slice[]): Promise<void> {
    const next = new Map<PartitionName, Offset>();
    for (const slice of slices) next.set(slice.partition, slice.next);
    this.#pending = slices;
    for (const [name, position] of next) {
      try {
        this.#views.get(name)?.commit(position);
      } catch (error) {
        this.#discard(this.#pending);
        throw error;
      }
      this.#pending = this.#pending.filter((slice) => slice.partition !== name);
      await new Promise(setImmediate);
    }
  }

  #discard(slices: readonly Slice[]): void {
    for (const { partition } of slices) this.#views.get(partition)?.discard();
  }
}

/** Removes what is left of a generation that nobody works on. */
export function removeGeneration(dataDir: string, id: ViewId): void {
  removeStores(generationDir(dataDir, id));
}

function identityOf(options: GenerationOptions, partition: PartitionName): StoreIdentity {
  const { id, cut } = options.view.meta;
  return {
    generation: id,
    logId: options.log.id,
    partition,
    from: offsetAt(cut.next, partition),
    lgK: options.lgK,
    rules: options.rules.versions,
    bootId: options.bootId,
  };
}

function positionsOf(stores: ReadonlyMap<PartitionName, PartitionStore>): Offsets {
  return Object.fromEntries([...stores].map(([name, store]) => [name, store.progress.next]));
}
