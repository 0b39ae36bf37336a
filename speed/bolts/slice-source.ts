/**
 * Input of the topology: slices of consecutive records of one partition, read from the log.
 *
 * An epoch is replayed from here as well: `rewind` goes back to the committed positions. While slices are being processed, the next records are
 * read ahead.
 */
import type { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { namesOf } from '../../log/cut.js';
import {
  offset,
  type Log,
  type LogReader,
  type Offset,
  type Offsets,
  type PartitionName,
  type RecordBatch,
} from '../../log/log.js';
import type { FailedRecords } from './failed-records.js';
import { sliceRecords, SliceReader, type RecordRange, type SliceRecords } from './slice-reader.js';

/** Consecutive records of one partition. */
export interface Slice extends RecordRange {
  readonly partition: PartitionName;
  /** Position of the partition after the slice. */
  readonly next: Offset;
}

/** Decoded content of a slice. */
export interface SliceFacts extends SliceRecords {
  readonly partition: PartitionName;
  /** True for a record that has failed too often, alone in its slice: it must not be counted. */
  readonly isSetAside: boolean;
}

/** Maximum number of records, and of their bytes, that wait behind a limit; beyond it reading stops. */
const bufferedRecords = 100_000;
const bufferedBytes = 64 * 2 ** 20;

export interface SliceSourceOptions {
  readonly log: Log;
  /** Start positions; exactly these partitions are read, until `reassign`. */
  readonly from: Partial<Offsets>;
  readonly failed: FailedRecords;
  readonly hash: KeyedHash;
  readonly consumer: string;
}

export class SliceSource {
  readonly #options: SliceSourceOptions;
  readonly #sliceReader: SliceReader;
  readonly #partitions = new Map<PartitionName, PartitionSource>();
  #reader: LogReader | undefined;
  /** Start positions of the next reader. */
  #from: Partial<Offsets>;
  /** A read in progress while earlier records are processed. */
  #ahead: Promise<readonly RecordBatch[]> | undefined;

  private constructor(options: SliceSourceOptions) {
    this.#options = options;
    this.#sliceReader = new SliceReader(options.hash);
    this.#from = options.from;
    this.#add(options.from);
  }

  static async open(options: SliceSourceOptions): Promise<SliceSource> {
    const source = new SliceSource(options);
    await source.#openReader();
    return source;
  }

  /**
   * The next slices, about `maxRecords` records at most, all before `limit` where a limit is given. Waits up to `timeoutMs` for the first; empty
   * if there is nothing.
   */
  async next(
    maxRecords: number,
    timeoutMs: number,
    limit: Partial<Offsets>,
    signal?: AbortSignal,
  ): Promise<Slice[]> {
    const ready = this.#take(maxRecords, limit);
    if (ready.length > 0 || this.#isFull()) return ready;
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

  /** Decodes a slice. */
  facts(slice: Slice): SliceFacts {
    const { partition, batch, from } = slice;
    const first = batch.offsets[from];
    const isSetAside = first !== undefined && this.#options.failed.isSetAside(partition, first);
    return { ...this.#sliceReader.read(slice), partition, isSetAside };
  }

  /** Goes back to the committed positions; the next call reads from there. */
  async rewind(positions: Partial<Offsets>): Promise<void> {
    for (const partition of this.#partitions.values()) partition.forget();
    this.#from = positions;
    await this.close();
  }

  /** Continues with exactly the partitions of `positions`, from there. Call when all slices handed out are committed. */
  async reassign(positions: Partial<Offsets>): Promise<void> {
    for (const name of this.#partitions.keys()) if (!(name in positions)) this.#partitions.delete(name);
    this.#add(positions);
    await this.rewind(positions);
  }

  async close(): Promise<void> {
    await this.#endAhead();
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.close();
  }

  #add(positions: Partial<Offsets>): void {
    for (const name of namesOf(positions)) {
      if (!this.#partitions.has(name))
        this.#partitions.set(name, new PartitionSource(name, this.#options.failed));
    }
  }

  /** Opened on demand: if opening fails, the next call tries again from the same positions. */
  async #openReader(): Promise<LogReader> {
    const { log, consumer } = this.#options;
    this.#reader ??= await log.openReader({ from: this.#from, consumer });
    return this.#reader;
  }

  #readAhead(maxRecords: number): void {
    this.#ahead = this.#reader?.next({ maxRecords, timeoutMs: 0 });
    this.#ahead?.catch(() => undefined); // the next call receives the error
  }

  async #takeAhead(): Promise<readonly RecordBatch[]> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    return (await ahead) ?? [];
  }

  /** Waits for the read-ahead to settle, because a reader supports only one call at a time. */
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

  #isFull(): boolean {
    let records = 0;
    let bytes = 0;
    for (const partition of this.#partitions.values()) {
      records += partition.buffered;
      bytes += partition.bufferedBytes;
    }
    return records > bufferedRecords || bytes > bufferedBytes;
  }
}

function bytesOf({ values }: RecordBatch): number {
  let bytes = 0;
  for (const value of values) bytes += value.length;
  return bytes;
}

/** Waiting batches of one partition. */
class PartitionSource {
  readonly #name: PartitionName;
  readonly #failed: FailedRecords;
  readonly #batches: RecordBatch[] = [];
  /** Index of the next record in the first batch. */
  #at = 0;
  buffered = 0;
  /** Counts whole batches. */
  bufferedBytes = 0;

  constructor(name: PartitionName, failed: FailedRecords) {
    this.#name = name;
    this.#failed = failed;
  }

  add(batch: RecordBatch): void {
    this.#batches.push(batch);
    this.buffered += batch.offsets.length;
    this.bufferedBytes += bytesOf(batch);
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
      this.bufferedBytes -= bytesOf(batch);
    }
    const end = batch.offsets[to] ?? batch.nextOffset;
    return { partition: this.#name, batch, from, to, next: offset(Math.min(end, limit)) };
  }

  /** End of the slice: before the limit, and so that a suspect gets a slice of its own. */
  #sliceEnd(batch: RecordBatch, from: number, most: number, limit: number): number {
    for (let i = from; i < most; i++) {
      const at = batch.offsets[i];
      if (at === undefined || at >= limit) return i;
      if (!this.#failed.isEmpty && this.#failed.isSuspect(this.#name, at)) return Math.max(i, from + 1);
    }
    return most;
  }

  forget(): void {
    this.#batches.length = 0;
    this.#at = 0;
    this.buffered = 0;
    this.bufferedBytes = 0;
  }
}
