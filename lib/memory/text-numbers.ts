/**
 * Numbers texts 0, 1, 2, ... in order of appearance. Millions of texts need one hash table and no objects for the
 * garbage collector. Texts are identified by 128 bits of a keyed hash.
 */
import { KeyedHash } from './keyed-hash.js';
import { SplitTable } from './split-table.js';

export class TextNumbers {
  readonly #table = new SplitTable();
  readonly #hash = new KeyedHash();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Returns the text's number, or -1 if it has none. */
  get(text: string): number {
    this.#hash.text(text);
    return this.#table.get(this.#hash.words, 0);
  }

  /** Returns the text's number, or assigns the next one. */
  add(text: string): number {
    const known = this.get(text);
    if (known >= 0) return known;
    this.#table.set(this.#hash.words, 0, this.#count);
    return this.#count++;
  }
}
