/**
 * identity.dat: persons and their visitor ids, in two tables (serving/sorted-file.ts). Persons are numbered in the order of their PersonIDs.
 *
 *   persons   u32 person, u32 block   -> up to 16 ids of a person with two or more, ascending; the first id of block 0 is
 *                                        the PersonID: (characters shared with the id before, length-prefixed rest)*
 *   ids       u16 bucket              -> (u32 CRC-32, u32 person, u32 block)* of the ids whose CRC begins with these 16
 *                                        bits, ascending; little-endian
 *
 * Keys are big-endian, so that byte order is numeric order. An id's CRC only leads to the block that may contain it: the ids there are compared
 * as texts, so a hash collision never joins two ids.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { PackedTexts } from '../lib/memory/packed-texts.js';
import { ByteReader } from './arrays/bytes.js';
import {
  blockKey,
  bucketShift,
  entryBytes,
  IdentityWriter,
  idsPerBlock,
  keyOfBucket,
  type IdLocation,
} from './arrays/identity-writer.js';
import { SortedFileWriter, type Sorted } from './sorted-file.js';

export const identityNames = ['persons', 'ids'] as const;
export type IdentityName = (typeof identityNames)[number];

/** One look-up in a table of the file. The value is valid until the next call. */
export type ReadIdentity = (table: IdentityName, key: Buffer) => Buffer | undefined;

/** PersonID of a visitor id; undefined if no live edge joins the id to another. */
export function personIdOf(read: ReadIdentity, visitor: string): string | undefined {
  for (const place of placesOf(read, visitor)) {
    const ids = blockOf(read, place);
    if (!ids.includes(visitor)) continue;
    return place.block === 0 ? ids[0] : blockOf(read, { ...place, block: 0 })[0];
  }
  return undefined;
}

/** The first ids of the person with this PersonID, ascending; undefined if it is not the PersonID of two or more ids. */
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

/** Number of ids of the person; undefined as for `idsOfPerson`. Finds the last block by galloping, then by binary search. */
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

/** Number of the person with this PersonID. */
function personWith(read: ReadIdentity, personId: string): number | undefined {
  return placesOf(read, personId).find(
    ({ person, block }) => block === 0 && blockOf(read, { person, block })[0] === personId,
  )?.person;
}

/** The ids of every person, ascending, in the order of their PersonIDs. `entries`: all entries of `persons`, in order. */
export function* allPersons(entries: Iterable<readonly [key: Buffer, value: Buffer]>): Generator<string[]> {
  let ids: string[] = [];
  for (const [key, record] of entries) {
    const isFirstBlock = key.readUInt32BE(4) === 0;
    if (isFirstBlock && ids.length > 0) yield ids;
    ids = isFirstBlock ? idsIn(record) : [...ids, ...idsIn(record)];
  }
  if (ids.length > 0) yield ids;
}

/** Key of the bucket that lists a visitor id, if a person has it. */
export function bucketKey(visitor: string): Buffer {
  return keyOfBucket(crc32(visitor) >>> bucketShift);
}

/** Positions of all ids with the CRC of this one: usually only the id itself, or none. */
function placesOf(read: ReadIdentity, visitor: string): readonly IdLocation[] {
  const hash = crc32(visitor);
  const bucket = read('ids', keyOfBucket(hash >>> bucketShift));
  if (bucket === undefined) return [];
  const places: IdLocation[] = [];
  for (
    let at = firstEntry(bucket, hash);
    at < bucket.length && bucket.readUInt32LE(at) === hash;
    at += entryBytes
  )
    places.push({ person: bucket.readUInt32LE(at + 4), block: bucket.readUInt32LE(at + 8) });
  return places;
}

/** Offset of the first entry with a CRC not below `hash`. */
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

/** The ids of a block, ascending; empty if there is no such block. */
function blockOf(read: ReadIdentity, place: IdLocation): string[] {
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

/** Number of persons written before yielding to the event loop. */
const personsPerTurn = 500;

/**
 * Writes the file at `path`, which must not exist. A person is given by the numbers of two or more of the ids, ascending in UTF-8 byte order;
 * persons come in the order of their first ids. `onTurn` is called periodically, and may throw to cancel.
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
