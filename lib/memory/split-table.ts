/**
 * A hash table in parts that grow one at a time: a table of a million entries that doubles would hold up its thread for
 * a tenth of a second.
 */
import { KeyTable } from './key-table.js';

const parts = 16;
/** Above the bits by which a part of a million entries finds its slots. */
const partShift = 22;

export class SplitTable {
  readonly #parts = Array.from({ length: parts }, () => new KeyTable());

  /** The value under the hash whose first word is `words[at]`, or -1. */
  get(words: Int32Array, at: number): number {
    return this.#partOf(words, at).get(words, at);
  }

  /** Stores a value (0 to 2^31 - 2); returns the one stored before, or -1. */
  set(words: Int32Array, at: number, value: number): number {
    return this.#partOf(words, at).set(words, at, value);
  }

  #partOf(words: Int32Array, at: number): KeyTable {
    return this.#parts[(words[at] >>> partShift) & (parts - 1)];
  }
}
