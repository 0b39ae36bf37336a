/**
 * 64-bit hash -> dense number, in typed arrays and no objects, so tens of millions of ids fit where a Map would not. Open
 * addressing with linear probing, at most half full. A slot is two words, so that eight of them share a cache line:
 *
 *   word 0     high word of the hash
 *   word 1     number + 1 in as many low bits as address a slot (0: free), and above them those bits of the hash's low word
 *
 * The other bits of the low word are the slot where the hash belongs. So all 64 bits are compared but for the few steps
 * that a hash may lie from its slot: two of n ids are taken for one with odds of about n^2 / 2^64, one in four million
 * for 2 million ids.
 */

export class IdTable {
  #slots = new Uint32Array(0);
  /** The low word of each slot's hash: only growing needs it whole. */
  #lows = new Uint32Array(0);
  #mask = 0;
  #size = 0;

  constructor(expected = 512) {
    this.#allot(2 ** Math.ceil(Math.log2(Math.max(1024, 2 * expected))));
  }

  get size(): number {
    return this.#size;
  }

  /** The number of a hash, or -1. */
  get(low: number, high: number): number {
    return ((this.#slots[2 * this.#find(low, high) + 1] ?? 0) & this.#mask) - 1;
  }

  /**
   * The numbers of many hashes (pairs of words, the low one first), or -1 each. These look-ups do not depend on each
   * other, so the processor waits for many of them at once: mixed with other work they cost twice as much.
   */
  getAll(hashes: Uint32Array, count: number, numbers: Int32Array): void {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let i = 0; i < count; i++) {
      const low = hashes[2 * i] ?? 0;
      const high = hashes[2 * i + 1] ?? 0;
      let slot = low & mask;
      let stored = slots[2 * slot + 1] ?? 0;
      while (stored !== 0 && (slots[2 * slot] !== high || ((stored ^ low) & ~mask) !== 0)) {
        slot = (slot + 1) & mask;
        stored = slots[2 * slot + 1] ?? 0;
      }
      numbers[i] = (stored & mask) - 1;
    }
  }

  /** Adds a hash that is not there; its number is at most one more than `size`. */
  add(low: number, high: number, number: number): void {
    if (2 * (this.#size + 1) > this.#mask + 1) this.#grow();
    this.#size++;
    this.#put(low, high, number + 1);
  }

  #find(low: number, high: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = low & mask;
    for (;;) {
      const stored = slots[2 * slot + 1] ?? 0;
      if (stored === 0 || (slots[2 * slot] === high && ((stored ^ low) & ~mask) === 0)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #put(low: number, high: number, stored: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = low & mask;
    while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
    slots[2 * slot] = high;
    slots[2 * slot + 1] = (low & ~mask) | stored;
    this.#lows[slot] = low;
  }

  #allot(capacity: number): void {
    this.#slots = new Uint32Array(2 * capacity);
    this.#lows = new Uint32Array(capacity);
    this.#mask = capacity - 1;
  }

  #grow(): void {
    const [slots, lows, mask] = [this.#slots, this.#lows, this.#mask];
    this.#allot(2 * lows.length);
    for (let slot = 0; slot <= mask; slot++) {
      const stored = (slots[2 * slot + 1] ?? 0) & mask;
      if (stored !== 0) this.#put(lows[slot] ?? 0, slots[2 * slot] ?? 0, stored);
    }
  }
}
