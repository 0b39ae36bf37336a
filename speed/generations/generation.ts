/**
 * One generation in one process: a batch view's cut and mapping, the stores of our partitions, and the topology that updates them from the log.
 *
 * Work is done in epochs: run slices of the log through the topology until every tree is acked, then commit all changes and the new position of
 * each partition, in one transaction per partition, on the commit thread. Meanwhile the next epoch is processed, but its commit waits for the
 * earlier one. If a tree fails, nothing of its epoch is committed: all changes are discarded, the log is read again from the committed
 * positions, and the failed records are retried one by one, until all succeed or one has failed three times and is set aside. So delivery is at
 * least once, and the state is as if it were exactly once.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { removeIfEmpty } from '../../lib/files/removal.js';
import type { Clock } from '../../lib/time/clock.js';
import { widthOf } from '../../lib/time/buckets.js';
import { messageOf, hasCode } from '../../lib/errors/errors.js';
import { distance, offsetAt } from '../../log/cut.js';
import type { Offset, Offsets, PartitionName } from '../../log/log.js';
import type { BatchView, ViewId } from '../../facts/views/view.js';
import { writeDeadLetter } from '../bolts/dead-letters.js';
import { decodeCell, type StoredCell } from '../store/cell-codec.js';
import { cancel, newCancelFlag, type CancelFlag } from '../store/commit-cancel.js';
import { cellKey } from '../store/cell-key.js';
import type { CellSubject } from '../store/cell-subject.js';
import { CountingRules } from '../bolts/counting-rules.js';
import { DimensionValues } from '../bolts/dimension-values.js';
import { FailedRecords } from '../bolts/failed-records.js';
import { SliceSource, type Slice, type SliceFacts } from '../bolts/slice-source.js';
import type { PageviewSpout } from '../bolts/pageview-spout.js';
import type { PartitionWork } from './partition-work.js';
import { PersonCoupons } from '../bolts/person-coupons.js';
import {
  closeStores,
  consumerOf,
  positionsOf,
  openPartitions,
  type OpenPartitions,
  type PartitionOptions,
} from './open-partitions.js';
import { generationDir, removeStores, storeDir } from '../store/layout.js';
import type { PartitionStore, StoreState } from '../store/partition-store.js';
import type { Progress } from '../store/store-meta.js';
import { buildSwaTopology } from '../bolts/swa-topology.js';
import type { MetricsSnapshot, Topology } from '../../topology/index.js';

export interface GenerationOptions extends PartitionOptions {
  readonly clock: Clock;
  /** Monotonic milliseconds, for the duration of epochs. Default: `performance.now`. */
  readonly monotonic?: () => number;
  readonly epochTuples: number;
}

export interface EpochOptions {
  /** Maximum time to wait for the first record. */
  readonly waitMs: number;
  /** Positions that must not be passed. */
  readonly limit: Partial<Offsets>;
  /** True if another generation of this process waits for its turn: the epoch is then short even far behind the end of the log. */
  readonly isShared?: boolean;
  readonly signal?: AbortSignal;
}

/** The records processed since the last commit: positions reached, and slices that failed. */
interface Epoch {
  readonly positions: ReadonlyMap<PartitionName, Offset>;
  readonly records: number;
  /** False if the log or the time ended first. */
  readonly isFull: boolean;
  readonly failed: readonly Slice[];
}

/** Maximum time to block the event loop. */
const turnMs = 8;
/** Maximum number of records per read. */
const chunkRecords = 8_192;
/** An epoch is committed after this time even if it is not full, so that its facts become visible. */
const shortMs = 400;
/** Limit for old facts, whose delay is not noticed: longer epochs keep both threads busy. */
const longMs = 4_000;
const oldMs = 10_000;
/** Factor by which epochs may shrink towards the end of the log. */
const shortestShare = 8;

export class Generation {
  readonly id: ViewId;
  readonly view: BatchView;
  readonly #options: GenerationOptions;
  readonly #stores = new Map<PartitionName, PartitionStore>();
  readonly #work = new Map<PartitionName, PartitionWork>();
  readonly #source: SliceSource;
  readonly #topology: Topology;
  readonly #now: () => number;
  readonly #spout: PageviewSpout;
  readonly #failed: FailedRecords;
  #lastError: unknown;
  /** Latest `receivedAt` in the last slice, -1 for none. */
  #lastReceivedAt = -1;

  private constructor(
    options: GenerationOptions,
    prepared: OpenPartitions,
    source: SliceSource,
    failed: FailedRecords,
  ) {
    this.id = options.view.meta.id;
    this.view = options.view;
    this.#options = options;
    this.#source = source;
    this.#failed = failed;
    this.#now = options.monotonic ?? (() => performance.now());
    this.#add(prepared);
    const rules = new CountingRules(options.rules, options.hash, options.view);
    const persons = new PersonCoupons(options.view);
    const values = new DimensionValues(options.rules.dimensions, options.hash);
    const onError = (error: unknown): void => void (this.#lastError = error);
    const { topology, spout } = buildSwaTopology({
      rules,
      persons,
      values,
      width: widthOf(options.view.meta.bucketMinutes),
      work: this.#work,
      seed: options.clock(),
      monotonic: this.#now,
      onError,
    });
    this.#topology = topology;
    this.#spout = spout;
  }

  /**
   * Opens or creates the stores, ready to continue at their positions. Takes ownership of the batch view. Throws `log.mismatch` if this is
   * another log or it ends before what was read, `log.out-of-range` if it was trimmed beyond the positions.
   */
  static async open(options: GenerationOptions): Promise<Generation> {
    const { log, view, hash } = options;
    let stores: OpenPartitions['stores'] = new Map();
    try {
      const prepared = await openPartitions(options);
      ({ stores } = prepared);
      const failed = new FailedRecords();
      const from = positionsOf(stores);
      const source = await SliceSource.open({ log, from, failed, hash, consumer: consumerOf(options) });
      return new Generation(options, prepared, source, failed);
    } catch (error) {
      await closeStores(stores);
      view.close();
      throw error;
    }
  }

  /** The partitions that are open here. */
  get partitions(): readonly PartitionName[] {
    return [...this.#stores.keys()];
  }

  /** Metrics of the topology by component, since this process opened the generation. */
  get topology(): ReadonlyMap<string, MetricsSnapshot> {
    return this.#topology.metrics();
  }

  /** Opens more partitions while the others are processed; pass the result to `add`. Throws like `open`. */
  prepare(partitions: readonly PartitionName[], signal: AbortSignal): Promise<OpenPartitions> {
    return openPartitions({ ...this.#options, partitions, signal });
  }

  /** Adds prepared partitions. Call between epochs. */
  async add(prepared: OpenPartitions): Promise<void> {
    this.#add(prepared);
    await this.#source.reassign(this.positions());
  }

  /** Closes the stores of partitions, so that another process can open them. Call between epochs. */
  async drop(partitions: readonly PartitionName[]): Promise<void> {
    const dropped = new Map([...this.#stores].filter(([name]) => partitions.includes(name)));
    for (const name of dropped.keys()) {
      this.#stores.delete(name);
      this.#work.delete(name);
    }
    await closeStores(dropped);
    await this.#source.reassign(this.positions());
  }

  /** The position of each of our partitions: its store has exactly the facts before it. */
  positions(): Offsets {
    return positionsOf(this.#stores);
  }

  stateOf(partition: PartitionName): StoreState | undefined {
    return this.#stores.get(partition)?.state;
  }

  progress(): ReadonlyMap<PartitionName, Progress> {
    return new Map([...this.#stores].map(([name, store]) => [name, store.progress]));
  }

  /** Calls `visit` with the cell of each of our stores that has one. */
  visitCell(subject: CellSubject, bucket: number, visit: (cell: StoredCell) => void): void {
    const key = cellKey(subject, bucket);
    for (const store of this.#stores.values()) {
      const stored = store.get(key);
      if (stored !== undefined) visit(decodeCell(stored));
    }
  }

  /** A sample of about `most` pages from our stores, with the buckets they have there. */
  samplePages(most: number): Map<string, readonly number[]> {
    const pages = new Map<string, readonly number[]>();
    for (const store of this.#stores.values()) {
      for (const [url, buckets] of store.samplePages(Math.ceil(most / this.#stores.size)))
        pages.set(url, buckets);
    }
    return pages;
  }

  /** Throws `realtime.corrupt` if a store was deleted or found damaged. */
  requireIntact(): void {
    for (const store of this.#stores.values()) store.requireIntact();
  }

  /**
   * Processes the log for a while, epoch after epoch; each is committed while the next one is processed. Returns the number of records, all
   * committed; 0 if there was nothing to do. Throws `realtime.corrupt` if a store cannot be trusted (reopen the generation), and errors of the
   * log and the disk. After an error nothing is in flight, and it may be called again.
   *
   * If the signal aborts, it ends soon: the epoch being processed is discarded, and a commit under way is cancelled (`speed.failed`).
   */
  async runEpochs(options: EpochOptions): Promise<number> {
    if (this.#stores.size === 0) return 0;
    let began = this.#now() + options.waitMs;
    let records = 0;
    let most = this.#options.epochTuples;
    let committing: Promise<void> = Promise.resolve();
    const cancelled = newCancelFlag();
    const onAbort = (): void => cancel(cancelled);
    options.signal?.addEventListener('abort', onAbort);
    try {
      for (let hasMore = true; hasMore;) {
        const epoch = await this.#process(options, most, began, records === 0 ? options.waitMs : 0);
        await committing; // one commit at a time, so that after a failure everything after the stores' positions is replayed
        if (options.signal?.aborted === true) {
          await this.#rewind();
          return records;
        }
        if (epoch.failed.length > 0) {
          await this.#tryAgain(epoch.failed);
          began = this.#now(); // otherwise an attempt that used all the time would leave none for the next
          continue;
        }
        records += epoch.records;
        hasMore = epoch.isFull;
        committing = this.#commit(epoch, cancelled);
        committing.catch(() => undefined); // rethrown where it is awaited
        if (hasMore) most = await this.#maxRecordsAfter(epoch);
      }
      await committing;
      return records;
    } catch (error) {
      await committing.catch(() => undefined);
      await this.#rewind();
      throw error;
    } finally {
      options.signal?.removeEventListener('abort', onAbort);
    }
  }

  async close(): Promise<void> {
    this.#topology.close();
    await this.#source.close();
    await closeStores(this.#stores);
    this.view.close();
  }

  /** Deletes our stores and closes the generation. */
  async destroy(): Promise<void> {
    for (const name of this.#stores.keys()) removeStores(storeDir(this.#options.dataDir, this.id, name));
    removeIfEmpty(generationDir(this.#options.dataDir, this.id));
    await this.close();
  }

  #add({ stores, work }: OpenPartitions): void {
    for (const [name, store] of stores) this.#stores.set(name, store);
    for (const [name, ofPartition] of work) this.#work.set(name, ofPartition);
  }

  /** Runs slices through the topology until the epoch is full, the log or the time ends, or a tree fails. */
  async #process(
    { limit, isShared = false, signal }: EpochOptions,
    most: number,
    began: number,
    waitMs: number,
  ): Promise<Epoch> {
    const positions = new Map<PartitionName, Offset>();
    let records = 0;
    let failed: readonly Slice[] = [];
    while (
      failed.length === 0 &&
      records < most &&
      this.#now() - began < (isShared ? shortMs : this.#longestMs())
    ) {
      if (signal?.aborted === true) break;
      const chunk = Math.min(most - records, chunkRecords);
      const slices = await this.#source.next(chunk, records === 0 ? waitMs : 0, limit, signal);
      if (slices.length === 0) break;
      this.#spout.feed(slices, (slice) => this.#factsOf(slice));
      await this.#untilAnswered();
      for (const { partition, next, from, to } of slices) {
        positions.set(partition, next);
        records += to - from;
      }
      failed = [...this.#spout.failed];
    }
    return { positions, records, isFull: records >= most, failed };
  }

  /**
   * Maximum size of the next epoch: half of what is left. So epochs shrink towards the end of the log, and the last commit, during which there
   * is nothing to process, is short.
   */
  async #maxRecordsAfter({ positions }: Epoch): Promise<number> {
    const { log, epochTuples } = this.#options;
    const latest = await log.latest();
    const at = { ...this.positions(), ...Object.fromEntries(positions) };
    const end = Object.fromEntries(this.partitions.map((name) => [name, offsetAt(latest, name)]));
    const most = Math.max(epochTuples / shortestShare, distance(at, end) / 2);
    return Math.min(epochTuples, Math.ceil(most));
  }

  #longestMs(): number {
    return this.#lastReceivedAt < this.#options.clock() - oldMs ? longMs : shortMs;
  }

  #factsOf(slice: Slice): SliceFacts {
    const facts = this.#source.facts(slice);
    this.#lastReceivedAt = facts.lastReceivedAt;
    return facts;
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

  /** Commits each partition in its own transaction. If one fails, others may still be committed. */
  async #commit({ positions }: Epoch, cancelled: CancelFlag): Promise<void> {
    const commits = [...positions].map(async ([name, position]) => {
      const changes = this.#work.get(name)?.changes.take(position);
      if (changes !== undefined) await this.#stores.get(name)?.commit(changes, cancelled);
    });
    const failure = (await Promise.allSettled(commits)).find(({ status }) => status === 'rejected');
    if (failure?.status === 'rejected') throw failure.reason;
    for (const [name, position] of positions) this.#work.get(name)?.repeats.committed(position);
    this.#failed.clear();
  }

  /** Prepares the retry after a tree failed; call while no commit is in progress. */
  async #tryAgain(failed: readonly Slice[]): Promise<void> {
    await this.#rewind();
    if (hasCode(this.#lastError, 'realtime.corrupt', 'view.corrupt')) throw this.#lastError;
    for (const slice of failed) this.#countFailures(slice);
  }

  /** Goes back to the last commit of each partition. */
  async #rewind(): Promise<void> {
    for (const { changes } of this.#work.values()) changes.discard();
    await this.#source.rewind(this.positions());
  }

  /** Counts a failure for each record of a slice; sets a record aside after its last allowed failure. */
  #countFailures({ partition, batch, from, to }: Slice): void {
    const { dataDir, clock } = this.#options;
    const alone = to - from === 1;
    for (let i = from; i < to; i++) {
      const offset = batch.offsets[i];
      const value = batch.values[i];
      if (offset === undefined || value === undefined) return;
      const isLast = this.#failed.add(partition, offset);
      if (isLast && alone) {
        writeDeadLetter(dataDir, {
          partition,
          offset,
          reason: messageOf(this.#lastError),
          at: clock(),
          value,
        });
      }
    }
  }
}

/** Removes the stores of a generation that no worker uses; its folder is there afterwards, even if it was not before. */
export function emptyGeneration(dataDir: string, id: ViewId): void {
  const dir = generationDir(dataDir, id);
  mkdirSync(dir, { recursive: true });
  for (const name of readdirSync(dir)) removeStores(join(dir, name));
}

/** Removes the files of a generation that no worker uses. */
export function removeGeneration(dataDir: string, id: ViewId): void {
  removeStores(generationDir(dataDir, id));
}
