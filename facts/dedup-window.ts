/**
 * The deduplication window of one partition: the keys that its last `size` offsets carried.
 *
 * Whether a record is a repeat is a function of the log alone: it is one when a record with the same key lies at most
 * `size` offsets before it. So every replay, every worker and every generation decides alike. The window is fed once with
 * each record that has a key, in offset order; before a generation's first record it is fed with the records before the
 * cut.
 *
 * Two tables take turns: the current one holds what was seen since `start`, the previous one what was seen in the `size`
 * offsets before that. When the current one spans `size` offsets it becomes the previous one. So whatever comes, there
 * are at most 2 * `size` keys, in 40 to 80 bytes each.
 */
import { hashWords } from '../lib/memory/keyed-hash.js';
import { KeyTable } from '../lib/memory/key-table.js';

export class DedupWindow {
  readonly #size: number;
  #start = 0;
  #current = new KeyTable();
  #previous = new KeyTable();
  #previousStart = 0;

  /** @param size offsets to look back; 0 absorbs nothing */
  constructor(size: number) {
    this.#size = size;
  }

  /**
   * Takes note of a record whose key, a 128-bit hash, lies at `keys[at]`; says whether it repeats one within the window.
   * Offsets must ascend.
   */
  isRepeat(keys: Int32Array, at: number, offset: number): boolean {
    if (this.#size === 0) return false;
    if (offset - this.#start >= this.#size) this.#turn(offset);
    if (this.#current.set(keys, at, offset - this.#start) >= 0) return true; // both within one table
    const before = this.#previous.get(keys, at);
    return before >= 0 && offset - (this.#previousStart + before) <= this.#size;
  }

  /** Touches what `isRepeat` looks at for these keys. */
  prefetch(keys: Int32Array): void {
    this.#current.prefetch(keys, 0, hashWords);
    this.#previous.prefetch(keys, 0, hashWords);
  }

  #turn(offset: number): void {
    const isStale = offset - this.#start >= 2 * this.#size;
    this.#previous = isStale ? new KeyTable() : this.#current;
    this.#previousStart = this.#start;
    this.#current = new KeyTable();
    this.#start = offset;
  }
}
