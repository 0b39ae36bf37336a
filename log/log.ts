/**
 * The log: the multi-consumer queue that every fact passes through. One interface for the embedded log and for
 * Kafka, and one conformance suite that both pass.
 *
 * What it guarantees:
 * - `append` resolves only when the records are durable; records of one partition get ascending offsets.
 * - Readers see durable records only, each partition in offset order, and never the same offset twice.
 * - Reading removes nothing. A consumer keeps its own position (a cut) in its own store, in the same transaction
 *   as what it made of the records.
 * - Offsets may have holes (Kafka's control records): never compute one offset from another.
 */
import type { SwaError } from '../lib/errors/errors.js';
import type { LastRecords } from './last-records.js';
import type { Among } from './share.js';

export const topics = ['pageviews', 'equivs'] as const;
export type Topic = (typeof topics)[number];

/**
 * A position within one partition. A branded number rather than a bigint: at a million records a second 2^53 lasts
 * 285 years, and numbers keep hot loops and JSON plain. The Kafka adapter checks `Number.isSafeInteger` at its edge.
 */
export type Offset = number & { readonly brand: 'Offset' };

/** 'pageviews/0'. */
export type PartitionName = `${Topic}/${number}`;

/** For each partition the next offset to read (end exclusive). */
export type Offsets = Readonly<Record<PartitionName, Offset>>;

/** Made once with the log, never changed. */
export type LogId = string & { readonly brand: 'LogId' };

/** A position in the whole log: exactly the facts before it. Always complete: names every partition of the log. */
export interface Cut {
  readonly logId: LogId;
  readonly next: Offsets;
}

/** Consecutive records of one partition, as they came from the log. `offsets[i]` belongs to `values[i]`. */
export interface RecordBatch {
  readonly topic: Topic;
  readonly partition: number;
  readonly name: PartitionName;
  /** Ascending; not necessarily dense. Empty where there are no records before `nextOffset`, only offsets that have none. */
  readonly offsets: readonly Offset[];
  readonly values: readonly Uint8Array[];
  /** Where to read on: greater than the last offset. */
  readonly nextOffset: Offset;
}

export interface NewRecord {
  readonly topic: Topic;
  /** Chooses the partition: equal keys go to equal partitions. */
  readonly key: string;
  readonly value: Uint8Array;
}

/** A consumer's cursor over some or all partitions. Not for concurrent calls. */
export interface LogReader {
  /**
   * The next batches, at most about `maxRecords` records in all, in order within each partition; batches of several
   * partitions come interleaved. Waits until there is something, until `timeoutMs` is over or `signal` aborts: then an
   * empty array. Throws `log.out-of-range` when the position was trimmed away: nothing is skipped in silence.
   */
  next(options: ReadOptions): Promise<readonly RecordBatch[]>;
  close(): Promise<void>;
}

export interface ReadOptions {
  readonly maxRecords: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface ReaderOptions {
  /** Start position for every partition to be read; the reader reads exactly the partitions named here. */
  readonly from: Partial<Offsets>;
  /** Names the consumer in diagnostics, and in Kafka's consumer group. */
  readonly consumer: string;
}

/**
 * A process's share of the work where several work on one log, each on some of its partitions. It says who should work on
 * what and nothing else: where to read on is said by what the process itself has stored, and whether a partition is free
 * by a lock on it, since who has lost a partition may learn of it late.
 */
export interface Share {
  /** A fixed share is what the configuration says; a moving one changes as others come and go. */
  readonly kind: 'fixed' | 'moving';
  /**
   * What this process should work on now. Empty when it has not heard from the others for so long that they may have
   * been given its partitions.
   */
  partitions(): readonly PartitionName[];
  /** What keeps this process out of a moving share, for people; it is tried again. Undefined when all is well. */
  trouble?(): SwaError | undefined;
  /** Leaves what it has to the others at once. */
  leave(): Promise<void>;
}

export interface ShareOptions {
  /** Names those who share the work. */
  readonly group: string;
  /** For a log that leaves it to the configuration: how many they are, and which one this is, from 0. */
  readonly members: number;
  readonly member: number;
  readonly among?: Among;
}

/** The reading side. Many processes may hold one at the same time as the single writer. */
export interface Log {
  readonly id: LogId;
  /** Every partition, in a fixed order. */
  readonly partitions: readonly PartitionName[];
  /** First offset still retained, per partition. */
  earliest(): Promise<Offsets>;
  /** Next offset after the last durable record, per partition. */
  latest(): Promise<Offsets>;
  openReader(options: ReaderOptions): Promise<LogReader>;
  /** This process's share of the partitions, where several work on one log. To be left before the log is closed. */
  share(options: ShareOptions): Promise<Share>;
  /**
   * Next offset after the last record that a reader gets now: less than `latest` while someone's transaction is open.
   * Absent where it is always `latest`; see `readableEnd`.
   */
  readable?(): Promise<Offsets>;
  /**
   * Records that were sent to partitions which the log was not made with, so that no reader gets them, but for those that an operator
   * has accepted; as of the last `latest`. Absent where there can be none.
   */
  unreadRecords?(): number;
  /** Accepts the present ones, durably and for all processes of the data directory. Resolves with their number. */
  acceptUnread?(): Promise<number>;
  /** What an operator should know of it; absent for a log that only swa writes. */
  health?(): Promise<LogHealth>;
  /**
   * The consumer that stores facts for good has stored these, and everything before them: what a log that others can replace
   * is recognised by.
   */
  stored?(records: LastRecords): void;
  close(): Promise<void>;
}

export interface LogHealth {
  /** Sentences for people, each with what to do. */
  readonly warnings: readonly string[];
  /** See Log.unreadRecords. */
  readonly unreadRecords: number;
  /** Durable, but behind an open transaction. */
  readonly heldBackRecords: number;
  /** Handed out as stand-ins by readers of this log, since it was opened. */
  readonly setAsideRecords: number;
}

/** A question about a record; it must not keep the bytes. */
export type RecordTest = (value: Uint8Array, topic: Topic) => boolean;

export interface OverwriteOptions {
  readonly isWanted: RecordTest;
  readonly signal: AbortSignal;
  /** Hears of each file that is about to be replaced, by its name, and of how many records in it were overwritten. */
  readonly onFile: (name: string, records: number) => void;
}

/** The writing side: one process at a time for the embedded log. */
export interface LogWriter extends Log {
  /**
   * Resolves when all records are durable. Rejects with `log.unavailable` (retryable) when the log cannot take them
   * now: some of them may then be in the log all the same, so the caller retries with the same eventIds.
   */
  append(records: readonly NewRecord[]): Promise<void>;
  /** Drops records below the cut, in whole segments (embedded); a no-op where the broker owns retention. */
  trim(below: Offsets): Promise<void>;
  /**
   * Overwrites the wanted ones of all records that were acknowledged before the call: they keep their offsets and are stand-ins from then
   * on. Durable on return; after a crash each file has all of its own overwritten, or none. Absent where the broker keeps records until its
   * retention ends.
   */
  overwrite?(options: OverwriteOptions): Promise<void>;
}

export function partitionName(topic: Topic, partition: number): PartitionName {
  return `${topic}/${partition}`;
}

export function parsePartitionName(name: PartitionName): { topic: Topic; partition: number } {
  const slash = name.indexOf('/');
  const topic = topics.find((candidate) => candidate === name.slice(0, slash));
  const partition = Number(name.slice(slash + 1));
  if (topic === undefined || !Number.isSafeInteger(partition))
    throw new TypeError(`not a partition name: '${name}'`);
  return { topic, partition };
}

export function offset(value: number): Offset {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not an offset: ${value}`);
  return value as Offset;
}
