/**
 * A block of entries in key order, searchable in its encoded form:
 *
 *   block   varint length, common prefix of all its keys
 *           (varint length, rest of the key, value)*      a value ends where the next entry starts
 *           u32 start of each entry | u32 number of entries         little-endian
 */
import { ByteReader, ByteWriter } from './bytes.js';

const wordBytes = 4;

/** Collects entries and encodes them into blocks. */
export class BlockMaker {
  readonly #entries = new ByteWriter(1 << 13);
  readonly #block = new ByteWriter(1 << 13);
  #starts = new Uint32Array(64);
  #count = 0;
  #lastKey = new Uint8Array(256);
  #lastLength = 0;

  get count(): number {
    return this.#count;
  }

  /** Upper bound of the block's size with this entry added. */
  sizeWith(key: Uint8Array, value: Uint8Array): number {
    // Each start takes a word; the lengths of the new key and value and the block's own fields take at most 32 bytes.
    return this.#entries.length + key.length + value.length + wordBytes * (this.#count + 1) + 32;
  }

  /** The added entries as (key length, key, value length, value)*, lengths as varints. Valid until the next call. */
  get entries(): Uint8Array {
    return this.#entries.view();
  }

  /** Adds a copy of key and value. Returns false, and adds nothing, unless the key is greater than the one before. */
  add(key: Uint8Array, value: Uint8Array): boolean {
    if (this.#count > 0 && Buffer.compare(this.#last(), key) >= 0) return false;
    this.#count++;
    if (key.length > this.#lastKey.length) this.#lastKey = new Uint8Array(2 * key.length);
    this.#lastKey.set(key);
    this.#lastLength = key.length;
    const entries = this.#entries;
    entries.varint(key.length);
    entries.raw(key);
    entries.varint(value.length);
    entries.raw(value);
    return true;
  }

  /** Encodes the entries, of which there must be at least one, and starts over. Valid until the next call. */
  finish(): Uint8Array {
    const block = this.#block;
    const reader = new ByteReader(this.#entries.view());
    const first = reader.raw(reader.varint());
    const shared = sharedBytes(first, this.#last()); // keys are sorted, so those between share the prefix too
    block.clear();
    block.varint(shared);
    block.raw(first.subarray(0, shared));
    if (this.#count > this.#starts.length) this.#starts = new Uint32Array(2 * this.#count);
    reader.position = 0;
    for (let i = 0; !reader.done; i++) {
      this.#starts[i] = block.length;
      const key = reader.raw(reader.varint());
      block.varint(key.length - shared);
      block.raw(key.subarray(shared));
      block.raw(reader.raw(reader.varint()));
    }
    block.u32s(this.#starts, 0, this.#count);
    block.u32s(Uint32Array.of(this.#count), 0, 1);
    this.#entries.clear();
    this.#count = 0;
    return block.view();
  }

  #last(): Uint8Array {
    return this.#lastKey.subarray(0, this.#lastLength);
  }
}

/** Length of the common prefix. */
export function sharedBytes(a: Uint8Array, b: Uint8Array): number {
  let shared = 0;
  while (shared < a.length && shared < b.length && a[shared] === b[shared]) shared++;
  return shared;
}

/** Reads one block at a time, within a buffer that may hold others; `moveTo` selects the block. */
export class SortedBlock {
  count = 0;
  bytes: Buffer = Buffer.alloc(0);
  #from = 0;
  #startsFrom = 0;
  #sharedFrom = 0;
  #shared = 0;
  #restFrom = 0;
  #restTo = 0;

  /** Selects the block in [from, to) of `bytes`. */
  moveTo(bytes: Buffer, from: number, to: number): this {
    this.bytes = bytes;
    this.#from = from;
    this.#seekRun(from);
    this.#sharedFrom = this.#restFrom;
    this.#shared = this.#restTo - this.#restFrom;
    this.count = wordAt(bytes, to - wordBytes);
    this.#startsFrom = to - wordBytes * (this.count + 1);
    return this;
  }

  /** Index of the last entry whose key is not greater than this one; -1 if there is none. */
  find(key: Uint8Array): number {
    const { bytes } = this;
    for (let i = 0; i < this.#shared; i++) {
      const difference = (i < key.length ? key[i] : -1) - bytes[this.#sharedFrom + i];
      if (difference !== 0) return difference < 0 ? -1 : this.count - 1;
    }
    let from = 0;
    let to = this.count;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const difference = this.#compareRest(middle, key);
      if (difference === 0) return middle;
      if (difference < 0) from = middle + 1;
      else to = middle;
    }
    return from - 1;
  }

  /** The value of exactly this key, not copied; undefined if there is none. */
  get(key: Uint8Array): Buffer | undefined {
    const found = this.find(key);
    return found >= 0 && this.#isKey(found, key) ? this.value(found) : undefined;
  }

  key(i: number): Buffer {
    this.#seek(i);
    const shared = this.bytes.subarray(this.#sharedFrom, this.#sharedFrom + this.#shared);
    return Buffer.concat([shared, this.bytes.subarray(this.#restFrom, this.#restTo)]);
  }

  /** The i-th value, not copied. */
  value(i: number): Buffer {
    const from = this.valueFrom(i);
    return this.bytes.subarray(from, i + 1 < this.count ? this.#start(i + 1) : this.#startsFrom);
  }

  /** Offset of the i-th value in `bytes`. */
  valueFrom(i: number): number {
    this.#seek(i);
    return this.#restTo;
  }

  /** Whether the i-th key, a result of `find`, equals this key. */
  #isKey(i: number, key: Uint8Array): boolean {
    if (key.length < this.#shared) return false;
    for (let at = 0; at < this.#shared; at++) if (key[at] !== this.bytes[this.#sharedFrom + at]) return false;
    return this.#compareRest(i, key) === 0;
  }

  /** Positive if the i-th key is greater than this one; both begin with the common prefix. */
  #compareRest(i: number, key: Uint8Array): number {
    this.#seek(i);
    const { bytes } = this;
    const end = Math.min(this.#restTo, this.#restFrom + key.length - this.#shared);
    for (let at = this.#restFrom, other = this.#shared; at < end; at++, other++) {
      const difference = bytes[at] - key[other];
      if (difference !== 0) return difference;
    }
    return this.#restTo - this.#restFrom - (key.length - this.#shared);
  }

  /** Locates the rest of the i-th key. */
  #seek(i: number): void {
    this.#seekRun(this.#start(i));
  }

  /** Locates the run whose length is at `at`. */
  #seekRun(at: number): void {
    const { bytes } = this;
    let from = at;
    let byte = bytes[from++];
    let length = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      byte = bytes[from++];
      length |= (byte & 0x7f) << shift;
    }
    this.#restFrom = from;
    this.#restTo = from + length;
  }

  #start(i: number): number {
    return this.#from + wordAt(this.bytes, this.#startsFrom + wordBytes * i);
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}
