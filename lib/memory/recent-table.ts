/**
 * What was looked up lately: 128-bit hash -> small number, bounded. Two tables take turns: what is used moves to the young
 * one; when that is full it becomes the old one, and the old one is let go.
 */
import { KeyTable } from './key-table.js';

export class RecentTable {
  readonly #turnEntries: number;
  #young = new KeyTable();
  #old = new KeyTable();

  /** @param turnEntries remembers at least so many, at most twice as many */
  constructor(turnEntries: number) {
    this.#turnEntries = turnEntries;
  }

  /** The number under the hash, or -1 when it is not (or no longer) known. */
  get(words: Int32Array, at: number): number {
    const young = this.#young.get(words, at);
    if (young >= 0) return young;
    const old = this.#old.get(words, at);
    if (old >= 0) this.set(words, at, old);
    return old;
  }

  /** As `KeyTable.prefetch`, for what was looked up last. */
  prefetch(words: Int32Array, from: number, step: number): void {
    this.#young.prefetch(words, from, step);
  }

  /** Remembers a number from 0 to 2^31 - 2. */
  set(words: Int32Array, at: number, value: number): void {
    if (this.#young.size >= this.#turnEntries) {
      this.#old = this.#young;
      this.#young = new KeyTable();
    }
    this.#young.set(words, at, value);
  }
}
