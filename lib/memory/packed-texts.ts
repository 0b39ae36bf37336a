/**
 * Many texts as UTF-8 in one array, each ended by a unit separator and numbered in the order added. Avoids one object
 * per text.
 */
import { grown } from './grown.js';

export const textSeparator = 0x1f;

export class PackedTexts {
  #bytes = new Uint8Array(1024);
  #length = 0;
  /** Position of the separator after each text. */
  #ends = new Float64Array(64);
  #count = 0;

  static of(texts: Iterable<string>): PackedTexts {
    const packed = new PackedTexts();
    for (const text of texts) packed.add(`${text}\u001f`);
    return packed;
  }

  /** Returns copies of the arrays, for another thread. */
  parts(): { readonly bytes: Uint8Array<ArrayBuffer>; readonly ends: Float64Array<ArrayBuffer> } {
    return { bytes: this.#bytes.slice(0, this.#length), ends: this.#ends.slice(0, this.#count) };
  }

  static from({ bytes, ends }: ReturnType<PackedTexts['parts']>): PackedTexts {
    const packed = new PackedTexts();
    packed.#bytes = bytes;
    packed.#length = bytes.length;
    packed.#ends = ends;
    packed.#count = ends.length;
    return packed;
  }

  get count(): number {
    return this.#count;
  }

  /** All texts with their separators; valid until the next `add`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Adds texts, each ended by a unit separator; they must not hold one themselves. */
  add(texts: string): void {
    const added = Buffer.from(texts);
    const needed = this.#length + added.length;
    if (needed > this.#bytes.length) this.#bytes = grown(this.#bytes, needed);
    this.#bytes.set(added, this.#length);
    for (let at = added.indexOf(textSeparator); at >= 0; at = added.indexOf(textSeparator, at + 1)) {
      if (this.#count === this.#ends.length) this.#ends = grown(this.#ends);
      this.#ends[this.#count++] = this.#length + at;
    }
    this.#length += added.length;
  }

  /** Adds the text `bytes[from, to)`, which must not hold a unit separator. */
  addBytes(bytes: Uint8Array, from: number, to: number): void {
    const needed = this.#length + to - from + 1;
    if (needed > this.#bytes.length) this.#bytes = grown(this.#bytes, needed);
    this.#bytes.set(bytes.subarray(from, to), this.#length);
    this.#bytes[needed - 1] = textSeparator;
    if (this.#count === this.#ends.length) this.#ends = grown(this.#ends);
    this.#ends[this.#count++] = needed - 1;
    this.#length = needed;
  }

  /** Returns where a text begins in `bytes`. */
  startOf(number: number): number {
    return number === 0 ? 0 : this.endOf(number - 1) + 1;
  }

  /** Returns where a text ends, which is the position of its separator. */
  endOf(number: number): number {
    return this.#ends[number];
  }

  text(number: number): string {
    return Buffer.from(this.#bytes.buffer, 0, this.endOf(number)).toString('utf8', this.startOf(number));
  }
}
