/**
 * 128-bit hash -> small number, in one typed array: five words a slot (the hash, value + 1), so that a look-up touches
 * one line of memory, or two, and entries are invisible to the garbage collector. Open addressing with linear probing;
 * grows by doubling. At most half full: to find that a hash is not there then takes 2.5 slots at most on average; it would
 * be 8.5 in a table that is three quarters full.
 *
 * A hash is named by an array and the place of its first word in it: hashes come in arrays, and four words as arguments
 * would be read before it is known that they are needed.
 */
import { hashWords } from './keyed-hash.js';

const smallestSlots = 256;
const slotWords = 5;
const valueAt = 4;
const free = 0;
/** Hashes whose slots are touched at once: what they bring fits the processor's first cache. */
const atOnce = 256;

export class KeyTable {
  #slots: Int32Array;
  #mask: number;
  #size = 0;
  readonly #near = new Int32Array(1);

  /** @param expected entries that fit before it has to grow */
  constructor(expected = 0) {
    const slots = Math.max(smallestSlots, 2 ** Math.ceil(Math.log2(2 * expected + 1)));
    this.#slots = new Int32Array(slots * slotWords);
    this.#mask = slots - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** The value under the hash, or -1. */
  get(words: Int32Array, at: number): number {
    return this.#slots[this.#find(words, at) + valueAt] - 1;
  }

  /** The values under the first `count` hashes of `words`, or -1, into `values`. */
  getAll(words: Int32Array, count: number, values: Int32Array): void {
    for (let from = 0; from < count; from += atOnce) {
      const to = Math.min(count, from + atOnce);
      this.prefetch(words.subarray(0, hashWords * to), hashWords * from, hashWords);
      for (let i = from; i < to; i++) values[i] = this.get(words, hashWords * i);
    }
  }

  /** Stores a value (0 to 2^31 - 2); returns the one stored before, or -1. */
  set(words: Int32Array, at: number, value: number): number {
    const slot = this.#find(words, at);
    const before = this.#slots[slot + valueAt] - 1;
    this.#put(slot, words, at, value + 1);
    if (before < 0 && ++this.#size * 2 > this.#mask + 1) this.#grow();
    return before;
  }

  /**
   * Touches the slots of the hashes at `from`, `from + step`, ..., before they are looked up one after the other: in a
   * search each step depends on what the one before has read, here none does, so the processor waits for many at once.
   */
  prefetch(words: Int32Array, from: number, step: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let near = 0;
    for (let at = from; at < words.length; at += step)
      near ^= slots[(words[at] & mask) * slotWords + valueAt];
    this.#near[0] = near; // or the compiler would leave the reads out
  }

  /** The first word of the hash's slot, taken or free. */
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
