/**
 * 64-bit hash -> dense number and a value that belongs to it, in one typed array and no objects, so tens of millions of ids
 * fit where a Map would not. Open addressing with linear probing, at most half full. A slot is four words, so that a
 * look-up mostly touches one cache line: hash (low word, high word), number + 1 (0: free), value. The low word's lowest
 * bits are the slot where the hash belongs.
 *
 * Two of n ids are taken for one with odds of about n^2 / 2^64, one in four million for 2 million ids.
 */

const slotWords = 4;
/** Hashes whose slots are brought near at once: what they touch fits the processor's first cache. */
const atOnce = 256;

/** What many look-ups found, one of each for every hash. */
export interface Found {
  /** -1 where a hash is not there. */
  readonly numbers: Int32Array;
  readonly values: Uint32Array;
}

/** Room for so many look-ups. */
export function newFound(count: number): Found {
  return { numbers: new Int32Array(count), values: new Uint32Array(count) };
}

export class IdTable {
  #slots = new Uint32Array(0);
  #mask = 0;
  #size = 0;
  readonly #near = new Uint32Array(1);

  constructor(expected = 512) {
    this.#allot(2 ** Math.ceil(Math.log2(Math.max(1024, 2 * expected))));
  }

  get size(): number {
    return this.#size;
  }

  /** The number of a hash, or -1. */
  get(low: number, high: number): number {
    return (this.#slots[this.#find(low, high) + 2] ?? 0) - 1;
  }

  /** Looks up the first `count` hashes (pairs of words, the low one first). */
  getAll(hashes: Uint32Array, count: number, found: Found): void {
    for (let from = 0; from < count; from += atOnce) {
      const to = Math.min(count, from + atOnce);
      this.bringNear(hashes, from, to);
      this.#getSome(hashes, from, to, found);
    }
  }

  /**
   * Reads the slots of hashes [from, to) before they are looked up one by one. No read depends on the one before, as it does in a search, so the
   * processor waits for many at once.
   */
  bringNear(hashes: Uint32Array, from: number, to: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let near = 0;
    for (let i = from; i < to; i++) near ^= slots[slotWords * ((hashes[2 * i] ?? 0) & mask)] ?? 0;
    this.#near[0] = near; // or the compiler would leave the reads out
  }

  /** Adds a hash that is not there. */
  add(low: number, high: number, number: number, value = 0): void {
    if (2 * (this.#size + 1) > this.#mask + 1) this.#grow();
    this.#size++;
    this.#put(low, high, number + 1, value);
  }

  #getSome(hashes: Uint32Array, from: number, to: number, { numbers, values }: Found): void {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let i = from; i < to; i++) {
      const low = hashes[2 * i] ?? 0;
      const high = hashes[2 * i + 1] ?? 0;
      let slot = low & mask;
      let at = slotWords * slot;
      while (slots[at + 2] !== 0 && (slots[at] !== low || slots[at + 1] !== high)) {
        slot = (slot + 1) & mask;
        at = slotWords * slot;
      }
      numbers[i] = (slots[at + 2] ?? 0) - 1;
      values[i] = slots[at + 3] ?? 0;
    }
  }

  /** The first word of the slot that holds the hash, or where it could be put. */
  #find(low: number, high: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = low & mask;
    for (;;) {
      const at = slotWords * slot;
      if (slots[at + 2] === 0 || (slots[at] === low && slots[at + 1] === high)) return at;
      slot = (slot + 1) & mask;
    }
  }

  #put(low: number, high: number, stored: number, value: number): void {
    const at = this.#find(low, high);
    const slots = this.#slots;
    slots[at] = low;
    slots[at + 1] = high;
    slots[at + 2] = stored;
    slots[at + 3] = value;
  }

  #allot(capacity: number): void {
    this.#slots = new Uint32Array(slotWords * capacity);
    this.#mask = capacity - 1;
  }

  #grow(): void {
    const old = this.#slots;
    this.#allot(2 * (this.#mask + 1));
    for (let at = 0; at < old.length; at += slotWords) {
      const stored = old[at + 2] ?? 0;
      if (stored !== 0) this.#put(old[at] ?? 0, old[at + 1] ?? 0, stored, old[at + 3] ?? 0);
    }
  }
}
