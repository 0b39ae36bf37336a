/**
 * What the topology gets from the log: slices of consecutive records of one partition.
 *
 * The log is also what an epoch is replayed from: `rewind` goes back to the committed positions. Yet each record must be
 * shown to the deduplication window but once, so what the window said is kept until the epoch is committed.
 *
 * A record as our own encoder writes it is never decoded: its texts go on as hashes (see plain-pageview.ts). While slices
 * are worked on, the next records are being read.
 */
import { PlainPageview } from '../lib/facts/plain-pageview.js';
import { decodeRecord } from '../lib/facts/record.js';
import {
  offset,
  type Log,
  type LogReader,
  type Offset,
  type Offsets,
  type PartitionName,
  type RecordBatch,
} from '../lib/log/log.js';
import type { DedupWindow } from '../lib/facts/dedup-window.js';
import type { WaitingEdge } from '../lib/views/view.js';
import type { FailedRecords } from './failed-records.js';
import { PageviewColumns } from './pageview-columns.js';

/** Records `from` to `to` of a batch. */
export interface Slice {
  readonly partition: PartitionName;
  readonly batch: RecordBatch;
  readonly from: number;
  readonly to: number;
  /** Where the partition goes on. */
  readonly next: Offset;
}

/** What a slice says. */
export interface SliceFacts {
  readonly partition: PartitionName;
  readonly pageviews: PageviewColumns;
  /** Those of them that are to be counted. */
  readonly rows: Int32Array;
  readonly edges: readonly WaitingEdge[];
  /** Records that are not counted, by reason. */
  readonly refused: ReadonlyMap<string, number>;
  readonly deadLetters: number;
  /** -1 for none. */
  readonly lastReceivedAt: number;
}

/** Few enough that a slice's facts die young, and that the event loop gets its turn. */
const sliceRecords = 1_024;
/** Records that may wait behind a limit before no more are read. */
const bufferedRecords = 100_000;

export interface IntakeOptions {
  readonly log: Log;
  /** Where to begin; exactly these partitions are read, until others are assigned. */
  readonly from: Partial<Offsets>;
  /** As they are at `from`. */
  readonly windows: ReadonlyMap<PartitionName, DedupWindow>;
  readonly failed: FailedRecords;
  readonly consumer: string;
}

export class LogIntake {
  readonly #options: IntakeOptions;
  readonly #partitions = new Map<PartitionName, PartitionIntake>();
  #reader: LogReader | undefined;
  /** Where a new reader begins. */
  #from: Partial<Offsets>;
  /** A read under way while what was read before is worked on. */
  #ahead: Promise<readonly RecordBatch[]> | undefined;

  private constructor(options: IntakeOptions) {
    this.#options = options;
    this.#from = options.from;
    this.#add(options.windows);
  }

  static async open(options: IntakeOptions): Promise<LogIntake> {
    const intake = new LogIntake(options);
    await intake.#openReader();
    return intake;
  }

  /**
   * The next slices, at most about `maxRecords` records, none at or beyond `limit` where a limit is given. Waits up to
   * `timeoutMs` for the first; none when there is nothing.
   */
  async next(
    maxRecords: number,
    timeoutMs: number,
    limit: Partial<Offsets>,
    signal?: AbortSignal,
  ): Promise<Slice[]> {
    const ready = this.#take(maxRecords, limit);
    if (ready.length > 0 || this.#buffered() > bufferedRecords) return ready;
    let batches = await this.#takeAhead();
    if (batches.length === 0) {
      const options = { maxRecords, timeoutMs, ...(signal === undefined ? {} : { signal }) };
      const reader = await this.#openReader();
      batches = await reader.next(options);
    }
    if (batches.length > 0) this.#readAhead(maxRecords);
    for (const batch of batches) this.#partitions.get(batch.name)?.add(batch);
    return this.#take(maxRecords, limit);
  }

  /** Decodes a slice. To be called in the order in which slices were handed out. */
  facts(slice: Slice): SliceFacts {
    const partition = this.#partitions.get(slice.partition);
    if (partition === undefined) throw new TypeError(`not a partition of this intake: ${slice.partition}`);
    return partition.facts(slice);
  }

  /** What was handed out below these positions is committed and will not be asked for again. */
  committed(positions: ReadonlyMap<PartitionName, Offset>): void {
    for (const [name, position] of positions) this.#partitions.get(name)?.committed(position);
  }

  /** Goes back to the committed positions; the next call reads from there. */
  async rewind(positions: Partial<Offsets>): Promise<void> {
    for (const partition of this.#partitions.values()) partition.forget();
    this.#from = positions;
    await this.close();
  }

  /**
   * Goes on with exactly the partitions of `positions`, from there; new ones bring their windows. To be called when all
   * that was handed out is committed.
   */
  async reassign(
    positions: Partial<Offsets>,
    windows: ReadonlyMap<PartitionName, DedupWindow> = new Map(),
  ): Promise<void> {
    for (const name of this.#partitions.keys()) if (!(name in positions)) this.#partitions.delete(name);
    this.#add(windows);
    await this.rewind(positions);
  }

  async close(): Promise<void> {
    await this.#endAhead();
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.close();
  }

  #add(windows: ReadonlyMap<PartitionName, DedupWindow>): void {
    for (const [name, window] of windows)
      this.#partitions.set(name, new PartitionIntake(name, window, this.#options.failed));
  }

  /** Opened when it is needed: one that cannot be opened now is tried again with the next call, from the same place. */
  async #openReader(): Promise<LogReader> {
    const { log, consumer } = this.#options;
    this.#reader ??= await log.openReader({ from: this.#from, consumer });
    return this.#reader;
  }

  #readAhead(maxRecords: number): void {
    this.#ahead = this.#reader?.next({ maxRecords, timeoutMs: 0 });
    this.#ahead?.catch(() => undefined); // whoever takes it is told
  }

  async #takeAhead(): Promise<readonly RecordBatch[]> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    return (await ahead) ?? [];
  }

  /** Waits for it, whatever becomes of it: a reader is for one call at a time. */
  async #endAhead(): Promise<void> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    await ahead?.catch(() => undefined);
  }

  #take(maxRecords: number, limit: Partial<Offsets>): Slice[] {
    const slices: Slice[] = [];
    let left = maxRecords;
    for (const [name, partition] of this.#partitions) {
      while (left > 0) {
        const slice = partition.take(Math.min(left, sliceRecords), limit[name] ?? Number.MAX_SAFE_INTEGER);
        if (slice === undefined) break;
        slices.push(slice);
        left -= slice.to - slice.from;
      }
    }
    return slices;
  }

  #buffered(): number {
    let records = 0;
    for (const partition of this.#partitions.values()) records += partition.buffered;
    return records;
  }
}

const repeat = 'repeated eventId';

/** One partition: batches that wait, and what its window said about records not committed yet. */
class PartitionIntake {
  readonly #name: PartitionName;
  readonly #window: DedupWindow;
  readonly #failed: FailedRecords;
  readonly #batches: RecordBatch[] = [];
  /** Next record of the first batch. */
  #at = 0;
  /** The window has seen everything below. */
  #seenBelow = 0;
  readonly #repeats = new Set<number>();
  readonly #plain = new PlainPageview();
  buffered = 0;

  constructor(name: PartitionName, window: DedupWindow, failed: FailedRecords) {
    this.#name = name;
    this.#window = window;
    this.#failed = failed;
  }

  add(batch: RecordBatch): void {
    this.#batches.push(batch);
    this.buffered += batch.offsets.length;
  }

  take(maxRecords: number, limit: number): Slice | undefined {
    const batch = this.#batches[0];
    if (batch === undefined) return undefined;
    const from = this.#at;
    const to = this.#sliceEnd(batch, from, Math.min(from + maxRecords, batch.offsets.length), limit);
    const isEmpty = batch.offsets.length === 0;
    if (isEmpty ? batch.nextOffset > limit : to === from) return undefined;
    this.buffered -= to - from;
    this.#at = to;
    if (to === batch.offsets.length) {
      this.#batches.shift();
      this.#at = 0;
    }
    const end = batch.offsets[to] ?? batch.nextOffset;
    return { partition: this.#name, batch, from, to, next: offset(Math.min(end, limit)) };
  }

  /** Before the limit; and a suspect gets a slice of its own. */
  #sliceEnd(batch: RecordBatch, from: number, most: number, limit: number): number {
    for (let i = from; i < most; i++) {
      const at = batch.offsets[i];
      if (at === undefined || at >= limit) return i;
      if (!this.#failed.isEmpty && this.#failed.isSuspect(this.#name, at)) return Math.max(i, from + 1);
    }
    return most;
  }

  facts({ batch, from, to }: Slice): SliceFacts {
    const plain = this.#plain;
    const { topic } = batch;
    const pageviews = new PageviewColumns(to - from);
    const offsets: Offset[] = []; // of the pageviews
    const refused = new Map<string, number>();
    const edges: WaitingEdge[] = [];
    let lastReceivedAt = -1;
    for (let i = from; i < to; i++) {
      const value = batch.values[i];
      const at = batch.offsets[i];
      if (value === undefined || at === undefined) break;
      if (topic === 'pageviews' && plain.read(value)) {
        if (plain.receivedAt > lastReceivedAt) lastReceivedAt = plain.receivedAt;
        pageviews.addPlain(value, plain);
        offsets.push(at);
        continue;
      }
      const fact = decodeRecord(value, topic);
      if (fact.type === 'invalid') {
        refused.set(fact.reason, (refused.get(fact.reason) ?? 0) + 1);
        continue;
      }
      if (fact.receivedAt > lastReceivedAt) lastReceivedAt = fact.receivedAt;
      if (fact.type === 'pageview') {
        pageviews.add(value, fact);
        offsets.push(at);
      } else edges.push({ ...fact, offset: at });
    }
    const { rows, repeats, deadLetters } = this.#toBeCounted(pageviews, offsets);
    if (repeats > 0) refused.set(repeat, repeats);
    const partition = this.#name;
    return { partition, pageviews, rows, edges, refused, deadLetters, lastReceivedAt };
  }

  /** A loop of its own: the look-ups in the window go to memory far apart, and many of them can then be under way. */
  #toBeCounted(
    { eventIds }: PageviewColumns,
    offsets: readonly Offset[],
  ): { readonly rows: Int32Array; readonly repeats: number; readonly deadLetters: number } {
    this.#window.prefetch(eventIds.lo.subarray(0, offsets.length));
    const rows = new Int32Array(offsets.length);
    let counted = 0;
    let repeats = 0;
    let deadLetters = 0;
    for (let row = 0; row < offsets.length; row++) {
      const at = offsets[row];
      if (at === undefined) break;
      if (this.#isRepeat(eventIds.hi[row] ?? 0, eventIds.lo[row] ?? 0, at)) repeats++;
      else if (this.#isSetAside(at)) deadLetters++;
      else rows[counted++] = row;
    }
    return { rows: rows.subarray(0, counted), repeats, deadLetters };
  }

  committed(position: Offset): void {
    for (const at of this.#repeats) if (at < position) this.#repeats.delete(at);
  }

  forget(): void {
    this.#batches.length = 0;
    this.#at = 0;
    this.buffered = 0;
  }

  #isRepeat(hi: number, lo: number, at: number): boolean {
    if (at < this.#seenBelow) return this.#repeats.has(at);
    this.#seenBelow = at + 1;
    const isRepeat = this.#window.isRepeatHash(hi, lo, at);
    if (isRepeat) this.#repeats.add(at);
    return isRepeat;
  }

  #isSetAside(at: Offset): boolean {
    return !this.#failed.isEmpty && this.#failed.isSetAside(this.#name, at);
  }
}
