/**
 * A hash table in parts that grow one at a time: a table of a million entries that doubles would hold up its thread for
 * a tenth of a second.
 */
import { HashTable } from './hash-table.js';

const parts = 16;
/** Above the bits by which a part of a million entries finds its slots. */
const partShift = 22;

export class SplitTable {
  readonly #parts = Array.from({ length: parts }, () => new HashTable());

  /** The value under the hash, or -1. */
  get(hi: number, lo: number): number {
    return this.#partOf(lo)?.get(hi, lo) ?? -1;
  }

  /** Stores a value (0 to 2^31 - 2); returns the one stored before, or -1. */
  set(hi: number, lo: number, value: number): number {
    return this.#partOf(lo)?.set(hi, lo, value) ?? -1;
  }

  #partOf(lo: number): HashTable | undefined {
    return this.#parts[(lo >>> partShift) & (parts - 1)];
  }
}
