/**
 * The deduplication window of one partition: which eventIds its last `size` offsets carried.
 *
 * Whether a record is a repeat is a function of the log alone: it is one when a record with the same eventId lies at
 * most `size` offsets before it. So every replay, every worker and every generation decides alike. The window is fed
 * once with each record, in offset order; before a generation's first record it is fed with the records before the cut.
 *
 * Two tables take turns: the current one holds what was seen since `start`, the previous one what was seen in the `size`
 * offsets before that. When the current one spans `size` offsets it becomes the previous one.
 */
import { HashTable } from '../hash/hash-table.js';
import { StringHash } from '../hash/string-hash.js';

export class DedupWindow {
  readonly #size: number;
  readonly #hash = new StringHash();
  #start = 0;
  #current = new HashTable();
  #previous = new HashTable();
  #previousStart = 0;

  /** @param size offsets to look back; 0 absorbs nothing */
  constructor(size: number) {
    this.#size = size;
  }

  /** Takes note of the record, and says whether it repeats one within the window. Offsets must ascend. */
  isRepeat(eventId: string, offset: number): boolean {
    this.#hash.of(eventId);
    return this.isRepeatHash(this.#hash.hi, this.#hash.lo, offset);
  }

  /** The same, for an eventId with this `StringHash`. */
  isRepeatHash(hi: number, lo: number, offset: number): boolean {
    if (this.#size === 0) return false;
    if (offset - this.#start >= this.#size) this.#turn(offset);
    if (this.#current.set(hi, lo, offset - this.#start) >= 0) return true; // both within one table
    const before = this.#previous.get(hi, lo);
    return before >= 0 && offset - (this.#previousStart + before) <= this.#size;
  }

  /** Brings near what `isRepeatHash` looks at for these hashes. */
  prefetch(lo: Int32Array): void {
    this.#current.prefetch(lo);
    this.#previous.prefetch(lo);
  }

  #turn(offset: number): void {
    const isStale = offset - this.#start >= 2 * this.#size;
    this.#previous = isStale ? new HashTable() : this.#current;
    this.#previousStart = this.#start;
    this.#current = new HashTable();
    this.#start = offset;
  }
}
