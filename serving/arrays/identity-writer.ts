/**
 * Builds the entries of identity.dat (format: serving/identity.ts) from the persons of a view. Ids and their CRCs are in typed arrays, because
 * there are millions.
 */
import { crc32 } from 'node:zlib';
import { byGroup, groupStarts } from '../../lib/memory/counting-sort.js';
import { grown } from '../../lib/memory/grown.js';
import type { PackedTexts } from '../../lib/memory/packed-texts.js';
import { ByteWriter } from './bytes.js';

/** The bucket of an id is the upper half of its CRC-32. */
const bucketCount = 1 << 16;
export const bucketShift = 16;
const entryWords = 3;
export const entryBytes = 4 * entryWords;
export const idsPerBlock = 16;

/** Position of an id: its person, and the block of the person's ids that contains it. */
export interface IdLocation {
  readonly person: number;
  readonly block: number;
}

export function keyOfBucket(bucket: number): Buffer {
  const key = Buffer.alloc(2);
  key.writeUInt16BE(bucket);
  return key;
}

export function blockKey({ person, block }: IdLocation): Buffer {
  const key = Buffer.alloc(8);
  key.writeUInt32BE(person);
  key.writeUInt32BE(block, 4);
  return key;
}

/** Key and value are valid only during the call. */
type Add = (table: 'persons' | 'ids', key: Uint8Array, value: Uint8Array) => void;

/** Takes the persons of a view in order, and emits the entries of both tables, each in key order. */
export class IdentityWriter {
  readonly #add: Add;
  readonly #record = new ByteWriter();
  /** (CRC, person, block) of every id. */
  #entries = new Uint32Array(entryWords * 1024);
  #ids = 0;
  #persons = 0;

  constructor(add: Add) {
    this.#add = add;
  }

  /** Adds the next person, given by the numbers of two or more of the ids, ascending in UTF-8 byte order. */
  person(ids: PackedTexts, numbers: Iterable<number>): void {
    const { bytes } = ids;
    const record = this.#record;
    let written = 0;
    let before = 0;
    let beforeEnd = 0;
    for (const number of numbers) {
      const from = ids.startOf(number);
      const to = ids.endOf(number);
      const isFirst = written % idsPerBlock === 0;
      if (isFirst && written > 0) this.#endBlock(written / idsPerBlock - 1);
      if (isFirst) record.clear();
      const shared = isFirst ? 0 : sharedBytes(bytes, before, beforeEnd, from, to);
      record.varint(charactersIn(bytes, from, from + shared));
      record.prefixed(bytes, from + shared, to);
      this.#remember(crc32(bytes.subarray(from, to)), Math.floor(written / idsPerBlock));
      written++;
      before = from;
      beforeEnd = to;
    }
    this.#endBlock(Math.ceil(written / idsPerBlock) - 1);
    this.#persons++;
  }

  finish(): void {
    const hashes = new Uint32Array(this.#ids);
    for (let id = 0; id < hashes.length; id++) hashes[id] = this.#entries[entryWords * id];
    const buckets = Uint16Array.from(hashes, (hash) => hash >>> bucketShift);
    const starts = groupStarts(buckets, bucketCount);
    const order = byGroup(buckets, starts);
    const record = this.#record;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      const [from, to] = [starts[bucket], starts[bucket + 1]];
      if (from === to) continue;
      sortByHash(order, hashes, from, to);
      record.clear();
      for (let i = from; i < to; i++)
        record.u32s(this.#entries, entryWords * order[i], entryWords * (order[i] + 1));
      this.#add('ids', keyOfBucket(bucket), record.view());
    }
  }

  #endBlock(block: number): void {
    this.#add('persons', blockKey({ person: this.#persons, block }), this.#record.view());
  }

  #remember(hash: number, block: number): void {
    const at = entryWords * this.#ids++;
    if (at === this.#entries.length) this.#entries = grown(this.#entries);
    this.#entries[at] = hash;
    this.#entries[at + 1] = this.#persons;
    this.#entries[at + 2] = block;
  }
}

/** Stable insertion sort, so that persons and blocks ascend within a CRC. A bucket has a few dozen ids. */
function sortByHash(order: Uint32Array, hashes: Uint32Array, from: number, to: number): void {
  for (let i = from + 1; i < to; i++) {
    const id = order[i];
    let hole = i;
    for (; hole > from && hashes[order[hole - 1]] > hashes[id]; hole--) order[hole] = order[hole - 1];
    order[hole] = id;
  }
}

/** Length in bytes of the common prefix of [a, aEnd) and [b, bEnd), without splitting a character. */
function sharedBytes(bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): number {
  const most = Math.min(aEnd - a, bEnd - b);
  let shared = 0;
  while (shared < most && bytes[a + shared] === bytes[b + shared]) shared++;
  while (shared > 0 && isContinuation(bytes[b + shared])) shared--;
  return shared;
}

/** Number of UTF-16 units of the UTF-8 in [from, to): two for characters of four bytes, otherwise one. */
function charactersIn(bytes: Uint8Array, from: number, to: number): number {
  let units = 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i];
    if (!isContinuation(byte)) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
