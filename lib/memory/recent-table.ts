/**
 * A bounded cache from 128-bit hashes to small numbers. Entries that are used move to the young table; when it is full
 * it becomes the old table, and the previous old one is dropped.
 */
import { KeyTable } from './key-table.js';

export class RecentTable {
  readonly #turnEntries: number;
  #young = new KeyTable();
  #old = new KeyTable();

  /** @param turnEntries keeps at least this many entries, at most twice as many */
  constructor(turnEntries: number) {
    this.#turnEntries = turnEntries;
  }

  /** Returns the number of the hash, or -1 if it is unknown or has been dropped. */
  get(words: Int32Array, at: number): number {
    const young = this.#young.get(words, at);
    if (young >= 0) return young;
    const old = this.#old.get(words, at);
    if (old >= 0) this.set(words, at, old);
    return old;
  }

  /** Like `KeyTable.prefetch`, in the young table. */
  prefetch(words: Int32Array, from: number, step: number): void {
    this.#young.prefetch(words, from, step);
  }

  /** Stores a number from 0 to 2^31 - 2. */
  set(words: Int32Array, at: number, value: number): void {
    if (this.#young.size >= this.#turnEntries) {
      this.#old = this.#young;
      this.#young = new KeyTable();
    }
    this.#young.set(words, at, value);
  }
}
