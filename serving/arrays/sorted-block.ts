/**
 * A block of entries in key order, which is searched as it lies:
 *
 *   block   varint length, the bytes that all its keys begin with
 *           (varint length, rest of the key, value)*      a value ends where the next entry starts
 *           u32 start of each entry | u32 entries         little-endian
 */
import { ByteReader, ByteWriter } from './bytes.js';

const wordBytes = 4;

/** Gathers entries and makes blocks of them. */
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

  /** An upper bound of the block's size if this were added. */
  sizeWith(key: Uint8Array, value: Uint8Array): number {
    // Each start takes a word; the lengths of the new key and value, and what the block has beyond its entries, 32 bytes at most.
    return this.#entries.length + key.length + value.length + wordBytes * (this.#count + 1) + 32;
  }

  /** (key length, key, value length, value)* of what was added, lengths as varints. Valid until the next call. */
  get entries(): Uint8Array {
    return this.#entries.view();
  }

  /** Copies key and value. False, and nothing is added, when the key is not above the one before. */
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

  /** The block of what was added, which is at least one entry. Valid until the next call. */
  finish(): Uint8Array {
    const block = this.#block;
    const reader = new ByteReader(this.#entries.view());
    const first = reader.raw(reader.varint());
    const shared = sharedBytes(first, this.#last()); // in key order, so all that lie between begin like that, too
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

/** Length of the common start. */
export function sharedBytes(a: Uint8Array, b: Uint8Array): number {
  let shared = 0;
  while (shared < a.length && shared < b.length && a[shared] === b[shared]) shared++;
  return shared;
}

/** One block at a time, in memory that holds others too: to look at another one, move it there. */
export class SortedBlock {
  count = 0;
  bytes: Buffer = Buffer.alloc(0);
  #from = 0;
  #startsFrom = 0;
  #sharedFrom = 0;
  #shared = 0;
  #restFrom = 0;
  #restTo = 0;

  /** To the block in [from, to) of `bytes`. */
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

  /** Number of the last entry whose key is not above this one; -1 when all are. */
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

  /** The value of exactly this key, not copied. */
  get(key: Uint8Array): Buffer | undefined {
    const found = this.find(key);
    return found >= 0 && this.#isKey(found, key) ? this.value(found) : undefined;
  }

  key(i: number): Buffer {
    this.#seek(i);
    const shared = this.bytes.subarray(this.#sharedFrom, this.#sharedFrom + this.#shared);
    return Buffer.concat([shared, this.bytes.subarray(this.#restFrom, this.#restTo)]);
  }

  /** Not copied. */
  value(i: number): Buffer {
    const from = this.valueFrom(i);
    return this.bytes.subarray(from, i + 1 < this.count ? this.#start(i + 1) : this.#startsFrom);
  }

  /** Where the value starts in `bytes`. */
  valueFrom(i: number): number {
    this.#seek(i);
    return this.#restTo;
  }

  /** Of the entry that `find` came to. */
  #isKey(i: number, key: Uint8Array): boolean {
    if (key.length < this.#shared) return false;
    for (let at = 0; at < this.#shared; at++) if (key[at] !== this.bytes[this.#sharedFrom + at]) return false;
    return this.#compareRest(i, key) === 0;
  }

  /** Above 0 when the i-th key is above this one; both begin with what all keys here share. */
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

  /** Finds the rest of the i-th key. */
  #seek(i: number): void {
    this.#seekRun(this.#start(i));
  }

  /** Finds the run whose length is at `at`. */
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
