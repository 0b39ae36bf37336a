/**
 * 64-bit hash -> small number, in one typed array: three words a slot (hash, value + 1), so that a look-up touches one
 * line of memory, and entries are invisible to the garbage collector. Open addressing with linear probing; grows by
 * doubling. At most half full: to find that a hash is not there then takes 2.5 slots at most on average; it would be 8.5
 * in a table that is three quarters full.
 */
const smallestSlots = 256;
const slotWords = 3;
const free = 0;

export class HashTable {
  #words = new Int32Array(smallestSlots * slotWords);
  #mask = smallestSlots - 1;
  #size = 0;
  readonly #near = new Int32Array(1);

  get size(): number {
    return this.#size;
  }

  /** The value under the hash, or -1. */
  get(hi: number, lo: number): number {
    return (this.#words[this.#find(hi, lo) + 2] ?? free) - 1;
  }

  /** Stores a value (0 to 2^31 - 2); returns the one stored before, or -1. */
  set(hi: number, lo: number, value: number): number {
    const at = this.#find(hi, lo);
    const words = this.#words;
    const before = (words[at + 2] ?? free) - 1;
    words[at] = hi;
    words[at + 1] = lo;
    words[at + 2] = value + 1;
    if (before < 0 && ++this.#size * 2 > this.#mask + 1) this.#grow();
    return before;
  }

  /**
   * Brings the slots of hashes (by their `lo`) near, before they are looked up one after the other. No step depends on
   * what the one before has read, as it does in a search, so the processor waits for many at once. Changes nothing.
   */
  prefetch(lo: Int32Array): void {
    const words = this.#words;
    const mask = this.#mask;
    let near = 0;
    for (let i = 0; i < lo.length; i++) near ^= words[((lo[i] ?? 0) & mask) * slotWords + 2] ?? free;
    this.#near[0] = near; // or the compiler would leave the reads out
  }

  /** The first word of the hash's slot, taken or free. */
  #find(hi: number, lo: number): number {
    const words = this.#words;
    let at = (lo & this.#mask) * slotWords;
    while (words[at + 2] !== free && (words[at + 1] !== lo || words[at] !== hi)) {
      at += slotWords;
      if (at === words.length) at = 0;
    }
    return at;
  }

  #grow(): void {
    const old = this.#words;
    this.#words = new Int32Array(old.length * 2);
    this.#mask = this.#mask * 2 + 1;
    for (let from = 0; from < old.length; from += slotWords) {
      if (old[from + 2] === free) continue;
      const hi = old[from] ?? 0;
      const lo = old[from + 1] ?? 0;
      const to = this.#find(hi, lo);
      this.#words[to] = hi;
      this.#words[to + 1] = lo;
      this.#words[to + 2] = old[from + 2] ?? free;
    }
  }
}
