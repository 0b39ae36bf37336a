/**
 * Checks that records still come from the log that was read before. A topic that was deleted and recreated may hold
 * other records at our offsets, and kafkajs does not expose topic ids. So whenever there was time for such a
 * replacement, the reader fetches the last record it read again and compares it:
 *
 * - after each join of the client;
 * - when a batch comes late: it is held until the record has been compared;
 * - when processing the last batch took long: the next fetch begins one record early.
 */
import { fingerprintOf, type LastRecord } from '../last-records.js';
import { offset, type PartitionName } from '../log.js';
import type { KafkaBatch } from './client.js';

/**
 * A topic cannot be deleted, recreated and filled in the first time, nor filled as far as a log being caught up with in
 * the second.
 */
const quietMs = 100;
const catchingUpMs = 1_000;
/** A batch of this size is one of many waiting; fetching it again for a check would be expensive. */
const largeBytes = 64 * 1024;

/**
 * What a batch says about the last record: the same, another one or a hole in its place; or the batch ends before it or
 * begins after it.
 */
export type Verdict = 'same' | 'other' | 'before' | 'behind';

export class LastSeen {
  readonly #last = new Map<PartitionName, LastRecord & { readonly lateFrom: number }>();
  readonly #doubted = new Set<PartitionName>();
  readonly #held = new Map<PartitionName, KafkaBatch>();
  /** Partitions whose last record came with the last fetch. */
  readonly #fresh = new Set<PartitionName>();

  /** Marks the last record of every partition to be checked, and returns these partitions. */
  doubtAll(): PartitionName[] {
    for (const name of this.#last.keys()) this.#doubted.add(name);
    return [...this.#last.keys()];
  }

  /**
   * Called before a fetch. Marks and returns the partitions whose last batch took long; they are fetched from one
   * record earlier.
   */
  doubtSlow(): PartitionName[] {
    const slow = [...this.#fresh].filter((name) => this.isLate(name));
    this.#fresh.clear();
    for (const name of slow) this.#doubted.add(name);
    return slow;
  }

  isDoubted(name: PartitionName): boolean {
    return this.#doubted.has(name);
  }

  /** Returns true if the topic could have been replaced since the last record was requested. */
  isLate(name: PartitionName): boolean {
    return performance.now() > (this.#last.get(name)?.lateFrom ?? Infinity);
  }

  /** Holds the batch until the last record has been checked. */
  hold(name: PartitionName, batch: KafkaBatch): void {
    this.#doubted.add(name);
    this.#held.set(name, batch);
  }

  /** Returns the offset of the last record. */
  offsetOf(name: PartitionName): number | undefined {
    return this.#last.get(name)?.offset;
  }

  verdict(name: PartitionName, { offsets, values, firstOffset, nextOffset }: KafkaBatch): Verdict {
    const last = this.#last.get(name);
    if (last === undefined) return 'same';
    const value = values[offsets.findIndex((at) => at === last.offset)];
    if (value !== undefined) return fingerprintOf(value) === last.sha256 ? 'same' : 'other';
    if (nextOffset <= last.offset) return 'before';
    return firstOffset > last.offset ? 'behind' : 'other';
  }

  /** Marks the last record as checked and returns the batch that was held. */
  settle(name: PartitionName): KafkaBatch | undefined {
    const held = this.#held.get(name);
    this.#doubted.delete(name);
    this.#held.delete(name);
    return held;
  }

  remember(name: PartitionName, { offsets, values, requestedAt }: KafkaBatch): void {
    const [at, value] = [offsets.at(-1), values.at(-1)];
    if (at === undefined || value === undefined) return;
    let bytes = 0;
    for (const one of values) bytes += one.length;
    const lateFrom = requestedAt + (bytes < largeBytes ? quietMs : catchingUpMs);
    this.#last.set(name, { offset: offset(at), sha256: fingerprintOf(value), lateFrom });
    this.#fresh.add(name);
  }
}
