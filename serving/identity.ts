/**
 * identity.mdb: who is who in a view, in two databases (serving/sorted-file.ts). Persons are numbered in order of their
 * PersonIDs.
 *
 *   persons   u32 person      -> ids of a person of two or more, ascending, so the PersonID first:
 *                                (characters shared with the id before, length-prefixed rest)*
 *   ids       u16 bucket      -> (u32 hash high, u32 hash low, u32 person)* of the ids whose hash begins with these 16
 *                                bits, ascending; little-endian
 *
 * Keys are big-endian, so that LMDB's order is theirs. An id is looked up by its 64-bit hash (lib/hash/string-hash.ts): a
 * dozen bytes where its text and its PersonID's would be four times that. That an id which is in no person hashes like one
 * that is has odds of one in 10^13 at a million ids. The hash has no key, so such an id can be made: its pageviews count as
 * the person's, which its maker could have had by sending the person's id, and who lists a person's ids has to look.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { grown } from '../lib/grown.js';
import { StringHash } from '../lib/hash/string-hash.js';
import { textSeparator, type PackedTexts } from '../lib/packed-texts.js';
import { ByteReader, ByteWriter } from './bytes.js';
import { SortedFileWriter, type Sorted } from './sorted-file.js';

export const identityNames = ['persons', 'ids'] as const;
export type IdentityName = (typeof identityNames)[number];

const bucketCount = 1 << 16;
const bucketShift = 16;
const entryWords = 3;

export function personKey(person: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32BE(person);
  return key;
}

/** The bucket that holds a visitor id, if any does. */
export function bucketKey(visitor: string): Buffer {
  const hash = new StringHash();
  hash.of(visitor);
  return keyOfBucket(hash.hi >>> bucketShift);
}

function keyOfBucket(bucket: number): Buffer {
  const key = Buffer.alloc(2);
  key.writeUInt16BE(bucket);
  return key;
}

/** The person of a visitor id in its bucket, or -1. */
export function personIn(bucket: Buffer, visitor: string): number {
  const hash = new StringHash();
  hash.of(visitor);
  const [high, low] = [hash.hi >>> 0, hash.lo >>> 0];
  let from = 0;
  let to = bucket.length / (4 * entryWords);
  while (from < to) {
    const middle = (from + to) >>> 1;
    const at = middle * 4 * entryWords;
    const difference = bucket.readUInt32LE(at) - high || bucket.readUInt32LE(at + 4) - low;
    if (difference === 0) return bucket.readUInt32LE(at + 8);
    if (difference < 0) from = middle + 1;
    else to = middle;
  }
  return -1;
}

/** The ids of a person, ascending; the first is the PersonID. */
export function* idsIn(record: Uint8Array): Generator<string> {
  const reader = new ByteReader(record);
  let id = '';
  while (!reader.done) {
    id = id.slice(0, reader.varint()) + reader.text();
    yield id;
  }
}

/** Key and value are valid during the call. */
type Add = (database: IdentityName, key: Uint8Array, value: Uint8Array) => void;

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
    await file.abandon();
  }
}

/** Takes the persons of a view in order, and hands out entries of both databases, each in key order. */
export class IdentityWriter {
  readonly #add: Add;
  readonly #record = new ByteWriter();
  readonly #hash = new StringHash();
  /** (hash high, hash low, person) of every id. */
  #entries = new Uint32Array(entryWords * 1024);
  #ids = 0;
  #persons = 0;

  constructor(add: Add) {
    this.#add = add;
  }

  /** The next person: numbers of two or more of the ids, ascending in UTF-8 byte order. */
  person(ids: PackedTexts, numbers: Iterable<number>): void {
    const { bytes } = ids;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const record = this.#record;
    record.clear();
    let before = 0;
    let beforeEnd = 0;
    for (const number of numbers) {
      const from = ids.startOf(number);
      const to = ids.endOf(number);
      const shared = sharedBytes(bytes, before, beforeEnd, from, to);
      record.varint(charactersIn(bytes, from, from + shared));
      record.prefixed(bytes, from + shared, to);
      if (this.#hash.ofPlain(view, from, bytes.length, textSeparator) < 0) this.#hash.of(ids.text(number));
      this.#remember();
      before = from;
      beforeEnd = to;
    }
    this.#add('persons', personKey(this.#persons++), record.view());
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

  #remember(): void {
    const at = entryWords * this.#ids++;
    if (at === this.#entries.length) this.#entries = grown(this.#entries);
    this.#entries[at] = this.#hash.hi;
    this.#entries[at + 1] = this.#hash.lo;
    this.#entries[at + 2] = this.#persons;
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

/** Insertion sort by (high, low): a bucket has a few dozen entries. */
function sortEntries(entries: Uint32Array, from: number, to: number): void {
  const least = from * entryWords;
  for (let i = from + 1; i < to; i++) {
    let hole = i * entryWords;
    const high = entries[hole] ?? 0;
    const low = entries[hole + 1] ?? 0;
    const person = entries[hole + 2] ?? 0;
    for (let before = hole - entryWords; before >= least; before -= entryWords) {
      const beforeHigh = entries[before] ?? 0;
      if (beforeHigh < high || (beforeHigh === high && (entries[before + 1] ?? 0) <= low)) break;
      entries[hole] = beforeHigh;
      entries[hole + 1] = entries[before + 1] ?? 0;
      entries[hole + 2] = entries[before + 2] ?? 0;
      hole = before;
    }
    entries[hole] = high;
    entries[hole + 1] = low;
    entries[hole + 2] = person;
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
