/**
 * 64-bit hash -> dense number and a 32-bit word beside it, in typed arrays: open addressing with linear probing, at most
 * half full. 32 bytes an entry and no objects, so tens of millions of ids fit where a Map would not.
 *
 * Two ids are taken for one when all 64 bits agree. With n ids the odds of any such pair are n^2 / 2^65: one in nine
 * million for 2 million ids, one in 3,700 for 100 million.
 */

const stride = 4; // low word, high word, number + 1 (0: free), word: one entry never spans two cache lines

export class IdTable {
  #slots: Uint32Array;
  #mask: number;
  #size = 0;
  /** Of no meaning: something must come of `touch`, or the engine may leave it out. */
  touched = 0;

  constructor(expected = 1024) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(1024, 2 * expected)));
    this.#slots = new Uint32Array(stride * capacity);
    this.#mask = capacity - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** The number of a hash, or -1. */
  get(low: number, high: number): number {
    const at = this.find(low, high);
    return at < 0 ? -1 : this.numberAt(at);
  }

  /** Where a hash lies, for `numberAt` and `wordAt`, until the next `add`; or -1. */
  find(low: number, high: number): number {
    const slots = this.#slots;
    let slot = low & this.#mask;
    for (;;) {
      const at = slot * stride;
      if (slots[at + 2] === 0) return -1;
      if (slots[at] === low && slots[at + 1] === high) return at;
      slot = (slot + 1) & this.#mask;
    }
  }

  numberAt(at: number): number {
    return (this.#slots[at + 2] ?? 0) - 1;
  }

  wordAt(at: number): number {
    return this.#slots[at + 3] ?? 0;
  }

  /**
   * Brings the slots of many hashes (pairs of words) into the cache. Their loads do not depend on each other, so the
   * processor overlaps them; the look-ups that follow then do not wait for memory one by one.
   */
  touch(hashes: Uint32Array, count: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let sum = 0;
    for (let i = 0; i < 2 * count; i += 2) sum ^= slots[((hashes[i] ?? 0) & mask) * stride] ?? 0;
    this.touched = sum;
  }

  /** Adds a hash that is not there. */
  add(low: number, high: number, number: number, word = 0): void {
    if (2 * (this.#size + 1) > this.#mask + 1) this.#grow();
    this.#size++;
    this.#put(low, high, number + 1, word);
  }

  #put(low: number, high: number, stored: number, word: number): void {
    const slots = this.#slots;
    let slot = low & this.#mask;
    while (slots[slot * stride + 2] !== 0) slot = (slot + 1) & this.#mask;
    slots[slot * stride] = low;
    slots[slot * stride + 1] = high;
    slots[slot * stride + 2] = stored;
    slots[slot * stride + 3] = word;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(2 * old.length);
    this.#mask = this.#slots.length / stride - 1;
    for (let at = 0; at < old.length; at += stride) {
      const stored = old[at + 2] ?? 0;
      if (stored !== 0) this.#put(old[at] ?? 0, old[at + 1] ?? 0, stored, old[at + 3] ?? 0);
    }
  }
}
