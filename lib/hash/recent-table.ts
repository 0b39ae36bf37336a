/**
 * What was looked up lately: 64-bit hash -> small number, bounded. Two tables take turns: what is used moves to the young
 * one; when that is full it becomes the old one, and the old one is let go.
 */
import { HashTable } from './hash-table.js';

export class RecentTable {
  readonly #turnEntries: number;
  #young = new HashTable();
  #old = new HashTable();

  /** @param turnEntries remembers at least so many, at most twice as many */
  constructor(turnEntries: number) {
    this.#turnEntries = turnEntries;
  }

  /** The number under the hash, or -1 when it is not (or no longer) known. */
  get(hi: number, lo: number): number {
    const young = this.#young.get(hi, lo);
    if (young >= 0) return young;
    const old = this.#old.get(hi, lo);
    if (old >= 0) this.set(hi, lo, old);
    return old;
  }

  /** As `HashTable.prefetch`, for what was looked up last. */
  prefetch(lo: Int32Array): void {
    this.#young.prefetch(lo);
  }

  /** Remembers a number from 0 to 2^31 - 2. */
  set(hi: number, lo: number, value: number): void {
    if (this.#young.size >= this.#turnEntries) {
      this.#old = this.#young;
      this.#young = new HashTable();
    }
    this.#young.set(hi, lo, value);
  }
}
