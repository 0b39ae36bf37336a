/**
 * Whether what comes is of the log that was read before. A topic that was deleted and recreated may hold other records at
 * our offsets, and kafkajs does not show a topic's id. So a reader goes back to the last record that it had, and looks
 * whether that is still there and the same, whenever there was time for such a thing:
 *
 * - after each join of the client;
 * - when a batch comes late: it is held until the record has been seen again after it;
 * - when taking the last batch took long: the next fetch begins one record early.
 */
import { fingerprintOf, type LastRecord } from '../last-records.js';
import { offset, type PartitionName } from '../log.js';
import type { KafkaBatch } from './client.js';

/** No topic is deleted, made and written to in so short a time; nor in the second, and as far as one that was being caught up with. */
const quietMs = 100;
const catchingUpMs = 1_000;
/** A batch of so many bytes is one of many that wait; to fetch it once more just to be sure would cost. */
const largeBytes = 64 * 1024;

/** What a batch says of the last record: there and the same or not, a hole in its place, or not so far back or on. */
export type Verdict = 'same' | 'other' | 'before' | 'behind';

export class LastSeen {
  readonly #last = new Map<PartitionName, LastRecord & { readonly lateFrom: number }>();
  readonly #doubted = new Set<PartitionName>();
  readonly #held = new Map<PartitionName, KafkaBatch>();
  /** Whose last record came with the last fetch. */
  readonly #fresh = new Set<PartitionName>();

  /** The partitions that have a last record; each is to be seen again. */
  doubtAll(): PartitionName[] {
    for (const name of this.#last.keys()) this.#doubted.add(name);
    return [...this.#last.keys()];
  }

  /** Before a fetch: the partitions that are to begin one record early with it. */
  doubtSlow(): PartitionName[] {
    const slow = [...this.#fresh].filter((name) => this.isLate(name));
    this.#fresh.clear();
    for (const name of slow) this.#doubted.add(name);
    return slow;
  }

  isDoubted(name: PartitionName): boolean {
    return this.#doubted.has(name);
  }

  /** Whether there was time for another topic since the last record was asked for. */
  isLate(name: PartitionName): boolean {
    return performance.now() > (this.#last.get(name)?.lateFrom ?? Infinity);
  }

  /** Keeps the batch until the last record has been seen again. */
  hold(name: PartitionName, batch: KafkaBatch): void {
    this.#doubted.add(name);
    this.#held.set(name, batch);
  }

  /** The last record's offset. */
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

  /** Ends the doubt; returns the batch that was held. */
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
