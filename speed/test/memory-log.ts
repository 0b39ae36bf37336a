/** A log in memory with the guarantees of the real ones, for tests that need many logs, or unusual ones. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SwaError } from '../../lib/errors/errors.js';
import { namesOf } from '../../log/cut.js';
import {
  offset,
  parsePartitionName,
  partitionName,
  type LogId,
  type LogReader,
  type LogWriter,
  type NewRecord,
  type Offset,
  type Offsets,
  type PartitionName,
  type ReadOptions,
  type ReaderOptions,
  type RecordBatch,
  type Share,
  type ShareOptions,
} from '../../log/log.js';
import { partitionOf } from '../../log/partitioner.js';
import { fixedShare } from '../../log/share.js';

export class MemoryLog implements LogWriter {
  readonly id = randomUUID() as LogId;
  readonly partitions: readonly PartitionName[];
  readonly records: ReadonlyMap<PartitionName, Uint8Array[]>;
  readonly #first = new Map<PartitionName, number>();
  readonly #pageviewPartitions: number;
  /** Maximum number of records per batch. */
  batchRecords = 7;
  /** Offsets without records at the end of each partition, like those of control records. */
  holesAtEnd = 0;

  constructor(pageviewPartitions: number, equivPartitions = 1) {
    this.#pageviewPartitions = pageviewPartitions;
    this.partitions = [
      ...Array.from({ length: pageviewPartitions }, (_, i) => partitionName('pageviews', i)),
      ...Array.from({ length: equivPartitions }, (_, i) => partitionName('equivs', i)),
    ];
    this.records = new Map(this.partitions.map((name) => [name, []]));
  }

  async append(records: readonly NewRecord[]): Promise<void> {
    for (const { topic, key, value } of records) {
      const partition = topic === 'equivs' ? 0 : partitionOf(key, this.#pageviewPartitions);
      this.put(partitionName(topic, partition), value);
    }
  }

  /** Appends any bytes to any partition, as another producer may. Returns their offset. */
  put(partition: PartitionName, value: Uint8Array): number {
    const values = this.records.get(partition);
    if (values === undefined) throw new TypeError(`not a partition of this log: ${partition}`);
    return values.push(value) - 1;
  }

  async trim(below: Offsets): Promise<void> {
    for (const name of namesOf(below)) this.#first.set(name, below[name] ?? 0);
  }

  async earliest(): Promise<Offsets> {
    return this.#offsets((name) => this.#first.get(name) ?? 0);
  }

  async latest(): Promise<Offsets> {
    return this.end();
  }

  end(): Offsets {
    return this.#offsets((name) => (this.records.get(name)?.length ?? 0) + this.holesAtEnd);
  }

  async openReader({ from }: ReaderOptions): Promise<LogReader> {
    const earliest = await this.earliest();
    for (const name of namesOf(from)) {
      if ((from[name] ?? 0) < (earliest[name] ?? 0))
        throw new SwaError('log.out-of-range', `${name} is trimmed`);
    }
    return new MemoryReader(this, new Map(namesOf(from).map((name) => [name, from[name] ?? 0])));
  }

  async share(options: ShareOptions): Promise<Share> {
    return fixedShare(this.partitions, options);
  }

  async close(): Promise<void> {
    // nothing is open
  }

  #offsets(of: (name: PartitionName) => number): Offsets {
    return Object.fromEntries(
      this.partitions.map((name): [PartitionName, Offset] => [name, offset(of(name))]),
    );
  }
}

class MemoryReader implements LogReader {
  readonly #log: MemoryLog;
  readonly #next: Map<PartitionName, number>;

  constructor(log: MemoryLog, next: Map<PartitionName, number>) {
    this.#log = log;
    this.#next = next;
  }

  async next({ maxRecords, timeoutMs, signal }: ReadOptions): Promise<readonly RecordBatch[]> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const batches = this.#read(maxRecords);
      if (batches.length > 0 || performance.now() >= deadline || signal?.aborted === true) return batches;
      await sleep(1);
    }
  }

  #read(maxRecords: number): RecordBatch[] {
    const batches: RecordBatch[] = [];
    let left = maxRecords;
    for (const [name, next] of this.#next) {
      const all = this.#log.records.get(name) ?? [];
      const to = Math.max(next, Math.min(all.length, next + Math.min(left, this.#log.batchRecords)));
      const values = all.slice(next, to);
      const offsets = values.map((_, i) => offset(next + i));
      const nextOffset = offset(to < all.length ? to : Math.max(to, all.length + this.#log.holesAtEnd));
      if (nextOffset === next) continue;
      batches.push({ ...parsePartitionName(name), name, offsets, values, nextOffset });
      this.#next.set(name, nextOffset);
      left -= values.length;
      if (left <= 0) break;
    }
    return batches;
  }

  async close(): Promise<void> {
    // nothing is open
  }
}
