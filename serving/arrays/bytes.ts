/** Growing output and bounded input of bytes: varints of up to 53 bits, little-endian u32, raw runs and texts. */
import { grown } from '../../lib/memory/grown.js';
import { SwaError } from '../../lib/errors/errors.js';

export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(initialBytes = 1024) {
    this.#bytes = new Uint8Array(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** The bytes written so far; valid until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  /** Writes an integer from 0 to 2^53 - 1, seven bits per byte, low bits first. */
  varint(value: number): void {
    this.#reserve(8);
    const bytes = this.#bytes;
    let at = this.#length;
    let rest = value;
    while (rest >= 0x80) {
      bytes[at++] = (rest % 0x80) | 0x80;
      rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    bytes[at++] = rest;
    this.#length = at;
  }

  /** Unsigned 32-bit numbers, little-endian. */
  u32s(values: Uint32Array, from: number, to: number): void {
    this.#reserve(4 * (to - from));
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = from; i < to; i++) {
      const value = values[i];
      bytes[at] = value;
      bytes[at + 1] = value >>> 8;
      bytes[at + 2] = value >>> 16;
      bytes[at + 3] = value >>> 24;
      at += 4;
    }
    this.#length = at;
  }

  raw(run: Uint8Array): void {
    this.#reserve(run.length);
    this.#bytes.set(run, this.#length);
    this.#length += run.length;
  }

  /** Writes the bytes [from, to) of a run with their length before them; meant for short runs. */
  prefixed(run: Uint8Array, from: number, to: number): void {
    this.varint(to - from);
    this.#reserve(to - from);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = from; i < to; i++) bytes[at++] = run[i];
    this.#length = at;
  }

  /** Length-prefixed UTF-8. */
  text(value: string): void {
    if (this.#plainText(value)) return;
    const bytes = Buffer.from(value);
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** Writes a short ASCII text without making a Buffer, as most are. Returns false, and writes nothing, for any other text. */
  #plainText(value: string): boolean {
    const { length } = value;
    if (length >= 0x80) return false;
    this.#reserve(length + 1);
    const bytes = this.#bytes;
    const start = this.#length + 1;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit >= 0x80) return false;
      bytes[start + i] = unit;
    }
    bytes[start - 1] = length;
    this.#length = start + length;
    return true;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    this.#bytes = grown(this.#bytes, needed);
  }
}

/** Reads what a ByteWriter wrote. Throws `view.corrupt` instead of reading beyond its range. */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  position: number;

  constructor(bytes: Uint8Array, from = 0, to = bytes.length) {
    this.bytes = bytes;
    this.position = from;
    this.end = to;
  }

  get done(): boolean {
    return this.position >= this.end;
  }

  varint(): number {
    let byte = this.#next();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 0x80;
    do {
      byte = this.#next();
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte >= 0x80);
    return value;
  }

  /** Copies `count` little-endian u32 into `into` from index `at`. */
  u32s(into: Uint32Array, at: number, count: number): void {
    let from = this.#take(4 * count);
    const bytes = this.bytes;
    for (let i = 0; i < count; i++, from += 4) {
      into[at + i] = bytes[from] | (bytes[from + 1] << 8) | (bytes[from + 2] << 16) | (bytes[from + 3] << 24);
    }
  }

  /** Reads `count` varints below 2^32 and writes their running sums, modulo 2^32, to the start of `into`. */
  sums(into: Uint32Array, count: number): void {
    const bytes = this.bytes;
    let at = this.position;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      let byte = bytes[at++];
      let value = byte & 0x7f;
      for (let shift = 7; byte >= 0x80; shift += 7) {
        byte = bytes[at++];
        value |= (byte & 0x7f) << shift;
      }
      sum = (sum + value) | 0;
      into[i] = sum;
    }
    this.skip(at - this.position);
  }

  /** A view of the next `length` bytes, not a copy. */
  raw(length: number): Uint8Array {
    const from = this.#take(length);
    return this.bytes.subarray(from, from + length);
  }

  skip(length: number): void {
    this.#take(length);
  }

  text(): string {
    const run = this.raw(this.varint());
    return Buffer.from(run.buffer, run.byteOffset, run.byteLength).toString('utf8');
  }

  #next(): number {
    return this.bytes[this.#take(1)];
  }

  #take(length: number): number {
    const from = this.position;
    if (from + length > this.end) {
      throw new SwaError('view.corrupt', `a record of the view ends ${from + length - this.end} bytes early`);
    }
    this.position = from + length;
    return from;
  }
}
