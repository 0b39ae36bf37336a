/**
 * Numbers for texts, in the order in which they come: 0, 1, 2, ... Millions of texts are one hash table, nothing that the
 * garbage collector must follow. Texts are told apart by 128 bits of a keyed hash.
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

  /** The text's number; -1 when it has none. */
  get(text: string): number {
    this.#hash.text(text);
    return this.#table.get(this.#hash.words, 0);
  }

  /** The text's number, the next one when it has none yet. */
  add(text: string): number {
    const known = this.get(text);
    if (known >= 0) return known;
    this.#table.set(this.#hash.words, 0, this.#count);
    return this.#count++;
  }
}
