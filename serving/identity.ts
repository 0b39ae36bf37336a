/**
 * identity.dat: who is who in a view, in two tables (serving/sorted-file.ts). Persons are numbered in order of their
 * PersonIDs.
 *
 *   persons   u32 person, u32 block   -> up to 16 ids of a person of two or more, ascending; the first id of block 0 is
 *                                        the PersonID: (characters shared with the id before, length-prefixed rest)*
 *   ids       u16 bucket              -> (u32 CRC-32, u32 person, u32 block)* of the ids whose CRC begins with these 16
 *                                        bits, ascending; little-endian
 *
 * Keys are big-endian, so that their order as bytes is their order as numbers. An id's CRC only leads to the block that may hold it: the ids there
 * are compared as texts, so two ids are never taken for one because their hashes are equal.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { grown } from '../lib/memory/grown.js';
import type { PackedTexts } from '../lib/memory/packed-texts.js';
import { ByteReader, ByteWriter } from './bytes.js';
import { SortedFileWriter, type Sorted } from './sorted-file.js';

export const identityNames = ['persons', 'ids'] as const;
export type IdentityName = (typeof identityNames)[number];

const bucketCount = 1 << 16;
const bucketShift = 16;
const entryWords = 3;
const entryBytes = 4 * entryWords;
const idsPerBlock = 16;

/** One look-up in a table of the file. The value is valid until the next call. */
export type ReadIdentity = (table: IdentityName, key: Buffer) => Buffer | undefined;

/** Where an id stands: its person, and the block of the person's ids that holds it. */
interface Place {
  readonly person: number;
  readonly block: number;
}

/** The PersonID of a visitor id; undefined for an id that no live edge joins to another. */
export function personIdOf(read: ReadIdentity, visitor: string): string | undefined {
  for (const place of placesOf(read, visitor)) {
    const ids = blockOf(read, place);
    if (!ids.includes(visitor)) continue;
    return place.block === 0 ? ids[0] : blockOf(read, { ...place, block: 0 })[0];
  }
  return undefined;
}

/** The first ids of the person with this PersonID, ascending; undefined when it is not the PersonID of two or more ids. */
export function idsOfPerson(
  read: ReadIdentity,
  personId: string,
  limit = Infinity,
): readonly string[] | undefined {
  const person = personWith(read, personId);
  if (person === undefined) return undefined;
  const ids: string[] = [];
  for (let block = 0; ids.length === block * idsPerBlock && ids.length < limit; block++)
    ids.push(...blockOf(read, { person, block }));
  return ids.length > limit ? ids.slice(0, limit) : ids;
}

/** How many ids the person has: the last of its blocks is looked for in ever longer steps, then in ever shorter ones. */
export function idCountOfPerson(read: ReadIdentity, personId: string): number | undefined {
  const person = personWith(read, personId);
  if (person === undefined) return undefined;
  const has = (block: number): boolean => read('persons', blockKey({ person, block })) !== undefined;
  let last = 0;
  let step = 1;
  for (; has(last + step); step *= 2) last += step;
  for (; step >= 1; step /= 2) if (has(last + step)) last += step;
  return last * idsPerBlock + blockOf(read, { person, block: last }).length;
}

/** The number of the person that has this PersonID. */
function personWith(read: ReadIdentity, personId: string): number | undefined {
  return placesOf(read, personId).find(
    ({ person, block }) => block === 0 && blockOf(read, { person, block })[0] === personId,
  )?.person;
}

/** The ids of every person, ascending, in order of their PersonIDs: from all entries of `persons` in order. */
export function* allPersons(entries: Iterable<readonly [key: Buffer, value: Buffer]>): Generator<string[]> {
  let ids: string[] = [];
  for (const [key, record] of entries) {
    const isFirstBlock = key.readUInt32BE(4) === 0;
    if (isFirstBlock && ids.length > 0) yield ids;
    ids = isFirstBlock ? idsIn(record) : [...ids, ...idsIn(record)];
  }
  if (ids.length > 0) yield ids;
}

/** The bucket that leads to a visitor id, if a person has it. */
export function bucketKey(visitor: string): Buffer {
  return keyOfBucket(crc32(visitor) >>> bucketShift);
}

function keyOfBucket(bucket: number): Buffer {
  const key = Buffer.alloc(2);
  key.writeUInt16BE(bucket);
  return key;
}

function blockKey({ person, block }: Place): Buffer {
  const key = Buffer.alloc(8);
  key.writeUInt32BE(person);
  key.writeUInt32BE(block, 4);
  return key;
}

/** Where the ids stand that have the CRC of this one: mostly just itself, or none. */
function placesOf(read: ReadIdentity, visitor: string): readonly Place[] {
  const hash = crc32(visitor);
  const bucket = read('ids', keyOfBucket(hash >>> bucketShift));
  if (bucket === undefined) return [];
  const places: Place[] = [];
  for (
    let at = firstEntry(bucket, hash);
    at < bucket.length && bucket.readUInt32LE(at) === hash;
    at += entryBytes
  )
    places.push({ person: bucket.readUInt32LE(at + 4), block: bucket.readUInt32LE(at + 8) });
  return places;
}

/** Where the entries begin that are not below a hash. */
function firstEntry(bucket: Buffer, hash: number): number {
  let from = 0;
  let to = bucket.length / entryBytes;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (bucket.readUInt32LE(middle * entryBytes) < hash) from = middle + 1;
    else to = middle;
  }
  return from * entryBytes;
}

/** The ids of a block, ascending; none when there is no such block. */
function blockOf(read: ReadIdentity, place: Place): string[] {
  const record = read('persons', blockKey(place));
  return record === undefined ? [] : idsIn(record);
}

function idsIn(record: Buffer): string[] {
  const ids: string[] = [];
  const reader = new ByteReader(record);
  let id = '';
  while (!reader.done) {
    id = id.slice(0, reader.varint()) + reader.text();
    ids.push(id);
  }
  return ids;
}

/** Key and value are valid during the call. */
type Add = (table: IdentityName, key: Uint8Array, value: Uint8Array) => void;

/** Persons written before the event loop gets a turn. */
const personsPerTurn = 500;

/**
 * Writes the file at `path`, which must not exist. A person is the numbers of two or more of the ids, ascending in UTF-8
 * byte order; persons come in order of their first ids. What `onTurn`, called now and then, throws ends the work.
 */
export async function writeIdentity(
  path: string,
  ids: PackedTexts,
  persons: Iterable<Iterable<number>>,
  onTurn: () => void = () => undefined,
): Promise<Sorted<IdentityName>> {
  const file = new SortedFileWriter(path, identityNames);
  try {
    const writer = new IdentityWriter((name, key, value) => file.add(name, key, value));
    let written = 0;
    for (const numbers of persons) {
      writer.person(ids, numbers);
      if (++written % personsPerTurn !== 0) continue;
      await turn();
      onTurn();
    }
    writer.finish();
    return await file.close();
  } finally {
    file.abandon();
  }
}

/** Takes the persons of a view in order, and hands out entries of both tables, each in key order. */
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

  /** The next person: numbers of two or more of the ids, ascending in UTF-8 byte order. */
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
    const { entries, ends } = this.#byBucket();
    let from = 0;
    ends.forEach((to, bucket) => {
      if (to > from) {
        sortEntries(entries, from, to);
        this.#record.clear();
        this.#record.u32s(entries, entryWords * from, entryWords * to);
        this.#add('ids', keyOfBucket(bucket), this.#record.view());
      }
      from = to;
    });
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

  /** The entries dealt to their buckets, and where each bucket ends. */
  #byBucket(): { entries: Uint32Array; ends: Uint32Array } {
    const words = entryWords * this.#ids;
    const source = this.#entries;
    const next = new Uint32Array(bucketCount + 1);
    for (let at = 0; at < words; at += entryWords) {
      const after = ((source[at] ?? 0) >>> bucketShift) + 1;
      next[after] = (next[after] ?? 0) + 1;
    }
    for (let bucket = 1; bucket <= bucketCount; bucket++)
      next[bucket] = (next[bucket] ?? 0) + (next[bucket - 1] ?? 0);
    const entries = new Uint32Array(words);
    for (let at = 0; at < words; at += entryWords) {
      const bucket = (source[at] ?? 0) >>> bucketShift;
      const place = next[bucket] ?? 0;
      next[bucket] = place + 1;
      for (let word = 0; word < entryWords; word++)
        entries[place * entryWords + word] = source[at + word] ?? 0;
    }
    return { entries, ends: next.subarray(0, bucketCount) };
  }
}

/** Insertion sort by CRC, stable, so that persons and blocks ascend below it: a bucket has a few dozen entries. */
function sortEntries(entries: Uint32Array, from: number, to: number): void {
  const least = from * entryWords;
  for (let i = from + 1; i < to; i++) {
    let hole = i * entryWords;
    const hash = entries[hole] ?? 0;
    const person = entries[hole + 1] ?? 0;
    const block = entries[hole + 2] ?? 0;
    for (let before = hole - entryWords; before >= least; before -= entryWords) {
      if ((entries[before] ?? 0) <= hash) break;
      entries[hole] = entries[before] ?? 0;
      entries[hole + 1] = entries[before + 1] ?? 0;
      entries[hole + 2] = entries[before + 2] ?? 0;
      hole = before;
    }
    entries[hole] = hash;
    entries[hole + 1] = person;
    entries[hole + 2] = block;
  }
}

/** Length of the common start of two texts, [a, aEnd) and [b, bEnd), which never ends within a character. */
function sharedBytes(bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): number {
  const most = Math.min(aEnd - a, bEnd - b);
  let shared = 0;
  while (shared < most && bytes[a + shared] === bytes[b + shared]) shared++;
  while (shared > 0 && isContinuation(bytes[b + shared])) shared--;
  return shared;
}

/** How many UTF-16 units the UTF-8 in [from, to) stands for: one a character, two for those of four bytes. */
function charactersIn(bytes: Uint8Array, from: number, to: number): number {
  let units = 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i] ?? 0;
    if (!isContinuation(byte)) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}

function isContinuation(byte = 0): boolean {
  return (byte & 0xc0) === 0x80;
}
