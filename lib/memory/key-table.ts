/**
 * A hash table from 128-bit hashes to small numbers in one typed array, invisible to the garbage collector. A slot has
 * five words (the hash, value + 1), so a look-up touches one or two cache lines. Open addressing with linear probing;
 * grows by doubling. At most half full: an unsuccessful look-up then visits 2.5 slots on average at most; at three
 * quarters full it would be 8.5.
 *
 * A hash is passed as an array and the index of its first word: hashes are stored in arrays, and passing four words
 * would read them before it is known that all are needed.
 */
import { hashWords } from './keyed-hash.js';

const smallestSlots = 256;
const slotWords = 5;
const valueAt = 4;
const free = 0;
/** Number of hashes prefetched together; their cache lines fit the L1 cache. */
const atOnce = 256;

export class KeyTable {
  #slots: Int32Array;
  #mask: number;
  #size = 0;
  readonly #near = new Int32Array(1);

  /** @param expected number of entries that fit before the table grows */
  constructor(expected = 0) {
    const slots = Math.max(smallestSlots, 2 ** Math.ceil(Math.log2(2 * expected + 1)));
    this.#slots = new Int32Array(slots * slotWords);
    this.#mask = slots - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** Returns the value of the hash, or -1. */
  get(words: Int32Array, at: number): number {
    return this.#slots[this.#find(words, at) + valueAt] - 1;
  }

  /** Writes the values of the first `count` hashes of `words`, or -1, into `values`. */
  getAll(words: Int32Array, count: number, values: Int32Array): void {
    for (let from = 0; from < count; from += atOnce) {
      const to = Math.min(count, from + atOnce);
      this.prefetch(words.subarray(0, hashWords * to), hashWords * from, hashWords);
      for (let i = from; i < to; i++) values[i] = this.get(words, hashWords * i);
    }
  }

  /** Stores a value (0 to 2^31 - 2); returns the previous one, or -1. */
  set(words: Int32Array, at: number, value: number): number {
    const slot = this.#find(words, at);
    const before = this.#slots[slot + valueAt] - 1;
    this.#put(slot, words, at, value + 1);
    if (before < 0 && ++this.#size * 2 > this.#mask + 1) this.#grow();
    return before;
  }

  /**
   * Prefetches the slots of the hashes at `from`, `from + step`, ...: reads them before they are looked up one by one.
   * In a look-up each read depends on the one before; here none does, so the processor fetches many cache lines in
   * parallel.
   */
  prefetch(words: Int32Array, from: number, step: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let near = 0;
    for (let at = from; at < words.length; at += step)
      near ^= slots[(words[at] & mask) * slotWords + valueAt];
    this.#near[0] = near; // keeps the compiler from removing the reads
  }

  /** Returns the index of the hash's slot, used or free. */
  #find(words: Int32Array, at: number): number {
    const slots = this.#slots;
    const a = words[at];
    const b = words[at + 1];
    const c = words[at + 2];
    const d = words[at + 3];
    let slot = (a & this.#mask) * slotWords;
    while (
      slots[slot + valueAt] !== free &&
      (slots[slot] !== a || slots[slot + 1] !== b || slots[slot + 2] !== c || slots[slot + 3] !== d)
    ) {
      slot += slotWords;
      if (slot === slots.length) slot = 0;
    }
    return slot;
  }

  #put(slot: number, words: Int32Array, at: number, stored: number): void {
    const slots = this.#slots;
    slots[slot] = words[at];
    slots[slot + 1] = words[at + 1];
    slots[slot + 2] = words[at + 2];
    slots[slot + 3] = words[at + 3];
    slots[slot + valueAt] = stored;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2);
    this.#mask = this.#mask * 2 + 1;
    for (let from = 0; from < old.length; from += slotWords) {
      const stored = old[from + valueAt];
      if (stored !== free) this.#put(this.#find(old, from), old, from, stored);
    }
  }
}
