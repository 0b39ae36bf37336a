/**
 * A hash table in 16 parts that grow separately: doubling a table of a million entries would block the thread for a
 * tenth of a second.
 */
import { KeyTable } from './key-table.js';

const parts = 16;
/** Selects a part by hash bits above those that index the slots of a part with a million entries. */
const partShift = 22;

export class SplitTable {
  readonly #parts = Array.from({ length: parts }, () => new KeyTable());

  /** Returns the value of the hash at `words[at]`, or -1. */
  get(words: Int32Array, at: number): number {
    return this.#partOf(words, at).get(words, at);
  }

  /** Stores a value (0 to 2^31 - 2); returns the previous one, or -1. */
  set(words: Int32Array, at: number, value: number): number {
    return this.#partOf(words, at).set(words, at, value);
  }

  #partOf(words: Int32Array, at: number): KeyTable {
    return this.#parts[(words[at] >>> partShift) & (parts - 1)];
  }
}
