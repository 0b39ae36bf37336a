/**
 * Deduplication window of one partition: the keys of the records at its last `size` offsets.
 *
 * Whether a record is a repeat depends on the log alone: it is one if a record with the same key is at most `size` offsets before it. So every
 * replay, worker and generation decides the same way. Callers add each record that has a key once, in offset order; before the first record of a
 * generation, they add the records just before the cut.
 *
 * There are two tables: the current one holds the keys seen since `start`, the previous one those of the `size` offsets before that. When the
 * current table spans `size` offsets, it becomes the previous one. This bounds memory to 2 * `size` keys of 40 to 80 bytes each.
 */
import { hashWords } from '../lib/memory/keyed-hash.js';
import { KeyTable } from '../lib/memory/key-table.js';

export class DedupWindow {
  readonly #size: number;
  #start = 0;
  #current = new KeyTable();
  #previous = new KeyTable();
  #previousStart = 0;

  /** @param size number of offsets to look back; 0 turns deduplication off */
  constructor(size: number) {
    this.#size = size;
  }

  /** Adds the record whose 128-bit key is at `keys[at]`, and returns whether it repeats a record within the window. Offsets must ascend. */
  isRepeat(keys: Int32Array, at: number, offset: number): boolean {
    if (this.#size === 0) return false;
    if (offset - this.#start >= this.#size) this.#turn(offset);
    if (this.#current.set(keys, at, offset - this.#start) >= 0) return true; // both offsets are within one table's span
    const before = this.#previous.get(keys, at);
    return before >= 0 && offset - (this.#previousStart + before) <= this.#size;
  }

  /** Prefetches the slots that `isRepeat` will read for these keys. */
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
