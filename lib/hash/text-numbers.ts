/**
 * Numbers for texts, in the order in which they come: 0, 1, 2, ... Millions of texts are one array of bytes and one hash
 * table, nothing that the garbage collector must follow. Texts are told apart as texts: the hash only finds the place.
 */
import { PackedTexts } from '../packed-texts.js';
import { SplitTable } from './split-table.js';
import { StringHash } from './string-hash.js';

/** What is not the same text after it was packed, or might not be: a separator, and halves of surrogate pairs. */
// eslint-disable-next-line no-control-regex -- the separator is one
const unpackable = /[\u001f\ud800-\udfff]/;

export class TextNumbers {
  readonly #texts = new PackedTexts();
  readonly #table = new SplitTable();
  readonly #hash = new StringHash();
  /** Texts that cannot be packed, and those whose hash another one has. */
  readonly #others = new Map<string, number>();

  get count(): number {
    return this.#texts.count;
  }

  /** The text's number; -1 when it has none. */
  get(text: string): number {
    if (unpackable.test(text)) return this.#others.get(text) ?? -1;
    this.#hash.of(text);
    const found = this.#table.get(this.#hash.hi, this.#hash.lo);
    if (found < 0 || this.#texts.text(found) === text) return found;
    return this.#others.get(text) ?? -1;
  }

  /** The text's number, the next one when it has none yet. */
  add(text: string): number {
    const known = this.get(text);
    if (known >= 0) return known;
    const number = this.count;
    const isPacked = !unpackable.test(text) && this.#table.get(this.#hash.hi, this.#hash.lo) < 0;
    if (isPacked) this.#table.set(this.#hash.hi, this.#hash.lo, number);
    else this.#others.set(text, number);
    this.#texts.add(isPacked ? `${text}\u001f` : '\u001f');
    return number;
  }
}
