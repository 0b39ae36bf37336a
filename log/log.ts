/**
 * The log: the multi-consumer queue that every fact passes through. The embedded log and Kafka implement one interface
 * and pass one conformance suite.
 *
 * Guarantees:
 * - `append` resolves only when the records are durable; records of one partition get ascending offsets.
 * - Readers see durable records only, each partition in offset order, and never the same offset twice.
 * - Reading removes nothing. A consumer stores its own position (a cut), in the same transaction as the results it
 *   computed from the records.
 * - Offsets may have holes (Kafka's control records): never compute one offset from another.
 */
import type { SwaError } from '../lib/errors/errors.js';
import type { LastRecords } from './last-records.js';
import type { ShareGroup } from './share.js';

export const topics = ['pageviews', 'equivs'] as const;
export type Topic = (typeof topics)[number];

/**
 * A position within one partition. A branded number rather than a bigint: at a million records per second 2^53 lasts
 * 285 years, and numbers keep hot loops and JSON simple. The Kafka adapter checks `Number.isSafeInteger` on input.
 */
export type Offset = number & { readonly brand: 'Offset' };

/** Topic and partition number, for example 'pageviews/0'. */
export type PartitionName = `${Topic}/${number}`;

/** The next offset to read of each partition (end exclusive). */
export type Offsets = Readonly<Record<PartitionName, Offset>>;

/** Identifies a log. Created with the log and never changed. */
export type LogId = string & { readonly brand: 'LogId' };

/** A position in the whole log; it stands for exactly the facts before it. Names every partition of the log. */
export interface Cut {
  readonly logId: LogId;
  readonly next: Offsets;
}

/** Consecutive records of one partition. `offsets[i]` belongs to `values[i]`. */
export interface RecordBatch {
  readonly topic: Topic;
  readonly partition: number;
  readonly name: PartitionName;
  /** Ascending, not necessarily dense. Empty if the offsets before `nextOffset` hold no records. */
  readonly offsets: readonly Offset[];
  readonly values: readonly Uint8Array[];
  /** The offset to continue from; greater than the last one in `offsets`. */
  readonly nextOffset: Offset;
}

export interface NewRecord {
  readonly topic: Topic;
  /** Selects the partition: equal keys go to the same partition. */
  readonly key: string;
  readonly value: Uint8Array;
}

/** A consumer's cursor over some or all partitions. Calls must not overlap. */
export interface LogReader {
  /**
   * Returns the next batches, with about `maxRecords` records in all, in order within each partition; batches of several partitions
   * are interleaved. Waits until there is something to read, and returns an empty array when `timeoutMs` has passed or `signal` aborts.
   * Throws `log.out-of-range` if the position has been trimmed away: no record is skipped silently.
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
  /** Start position of every partition to read. The reader reads exactly the partitions named here. */
  readonly from: Partial<Offsets>;
  /** Names the consumer in diagnostics, and in Kafka's consumer group. */
  readonly consumer: string;
}

/**
 * The partitions one process should work on when several processes share a log. A share is only a hint: the process
 * stores its own read positions, and must take a lock before it works on a partition, because a process can learn late
 * that it has lost one.
 */
export interface Share {
  /** 'fixed': set by the configuration. 'moving': changes as other members join and leave. */
  readonly kind: 'fixed' | 'moving';
  /**
   * The partitions this process should work on now. Empty if it has had no contact with the group for so long that its
   * partitions may have been assigned to others.
   */
  partitions(): readonly PartitionName[];
  /** The error that keeps this process out of a moving share, while it retries. Undefined if there is none. */
  trouble?(): SwaError | undefined;
  /** Leaves the group; its partitions are reassigned at once. */
  leave(): Promise<void>;
}

export interface ShareOptions {
  /** Name of the group that shares the work. */
  readonly group: string;
  /** For a fixed share: the number of members and the index of this one, from 0. */
  readonly members: number;
  readonly member: number;
  readonly among?: ShareGroup;
}

/** The reading side. Many processes may have it open alongside the single writer. */
export interface Log {
  readonly id: LogId;
  /** All partitions, in a fixed order. */
  readonly partitions: readonly PartitionName[];
  /** Returns the first retained offset of each partition. */
  earliest(): Promise<Offsets>;
  /** Returns the next offset after the last durable record of each partition. */
  latest(): Promise<Offsets>;
  openReader(options: ReaderOptions): Promise<LogReader>;
  /** Joins the processes that share the partitions of this log. Leave the share before closing the log. */
  share(options: ShareOptions): Promise<Share>;
  /**
   * Returns the next offset after the last record that a reader can get now: lower than `latest` while a producer's
   * transaction is open. Absent if it always equals `latest`; see `readableEnd`.
   */
  readable?(): Promise<Offsets>;
  /**
   * Number of records, as of the last `latest`, in partitions the log was created without. Readers never get them.
   * Records that an operator has accepted are not counted. Absent if there can be none.
   */
  unreadRecords?(): number;
  /** Accepts the current unread records, durably and for all processes of the data directory. Resolves with their number. */
  acceptUnread?(): Promise<number>;
  /** Reports problems for the operator. Absent for a log that only swa writes. */
  health?(): Promise<LogHealth>;
  /**
   * Called by the sink when the master dataset holds these records and everything before them. They identify the log if
   * others can replace it.
   */
  stored?(records: LastRecords): void;
  close(): Promise<void>;
}

export interface LogHealth {
  /** Messages for the operator, each with what to do. */
  readonly warnings: readonly string[];
  /** See Log.unreadRecords. */
  readonly unreadRecords: number;
  /** Durable records that readers cannot get yet because of an open transaction. */
  readonly heldBackRecords: number;
  /** Records that readers of this log object have replaced by stand-ins since it was opened. */
  readonly setAsideRecords: number;
}

/** Tests a record. Must not keep a reference to the bytes. */
export type RecordTest = (value: Uint8Array, topic: Topic) => boolean;

export interface OverwriteOptions {
  readonly isWanted: RecordTest;
  readonly signal: AbortSignal;
  /** Called before a file is replaced, with its name and the number of records overwritten in it. */
  readonly onFile: (name: string, records: number) => void;
}

/** The writing side. Only one process at a time can open it for the embedded log. */
export interface LogWriter extends Log {
  /**
   * Resolves when all records are durable. Rejects with `log.unavailable` (retryable) if the log cannot accept them
   * now; some of them may have been written anyway, so the caller must retry with the same eventIds.
   */
  append(records: readonly NewRecord[]): Promise<void>;
  /** Deletes records below the cut, in whole segments (embedded). Does nothing where the broker owns retention. */
  trim(below: Offsets): Promise<void>;
  /**
   * Overwrites the records selected by `isWanted`, among all acknowledged before the call. They keep their offsets and
   * become stand-ins. Durable on return; after a crash, all or none of a file's records are overwritten. Absent if the
   * broker keeps records until its retention ends.
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
