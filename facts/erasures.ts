/**
 * Hashes that identify erased ids once their texts must not be stored anywhere: 80 hexadecimal digits, computed from the id with the secret of
 * the data directory, or, where hosts share facts, with a key that they share. They are the values of exclusions by `erased`.
 *
 *   8 digits    id of the secret: values made with another secret match no id here
 *   8 digits    32 bits of SipHash-1-3 under a key derived from the secret: a cheap filter that rules out nearly all other ids
 *   64 digits   HMAC-SHA256 under another derived key: decides
 *
 * Without the secret, neither hash can be computed for a guessed id, so the record of an erasure does not reveal who was erased.
 */
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { SwaError } from '../lib/errors/errors.js';
import { roomOf } from '../lib/files/data-dir.js';
import { secretFor } from '../lib/files/dir-secret.js';
import { replaceFile } from '../lib/files/durable.js';
import { readIfThere } from '../lib/files/read-if-there.js';
import { compareUtf8 } from './fact.js';
import { hashBytes, hashKeyBytes, hashWords, KeyedHash, type TextSpans } from '../lib/memory/keyed-hash.js';

const valuePattern = /^[0-9a-f]{80}$/;
const idDigits = 8;
const markDigits = 8;

/** Whether a value has the form of such a hash. */
export function isErasedValue(value: unknown): value is string {
  return typeof value === 'string' && valuePattern.test(value);
}

interface Keys {
  /** Identifies the secret that the keys are derived from. */
  readonly id: string;
  readonly marks: KeyedHash;
  /** Of pairs of ids. */
  readonly pairs: KeyedHash;
  readonly key: Buffer;
}

/** Computes the hashes of ids. Reads the secret on first use. */
export class ErasureHash {
  readonly #secret: () => string | undefined;
  #keys: Keys | undefined;

  /** @param secret 64 hexadecimal digits; undefined if there is no secret, and then no id is erased */
  constructor(secret: () => string | undefined) {
    this.#secret = secret;
  }

  /** Hash of an id. Throws `data-dir.unusable` if there is no secret. */
  valueOf(id: string): string {
    const keys = this.keys();
    if (keys === undefined)
      throw new SwaError('data-dir.unusable', 'an id cannot be erased: the data directory has no secret');
    keys.marks.text(id);
    const mark = (keys.marks.words[0] ?? 0) >>> 0;
    const hash = createHmac('sha256', keys.key).update(id).digest('hex');
    return `${keys.id}${hexOf(mark)}${hash}`;
  }

  /** Hash of the pair of an edge, in either order: 16 bytes. Throws `data-dir.unusable` if there is no secret. */
  ofPair({ a, b }: { readonly a: string; readonly b: string }): Buffer {
    const keys = this.keys();
    if (keys === undefined)
      throw new SwaError('data-dir.unusable', 'an edge cannot be erased: the data directory has no secret');
    keys.pairs.text(JSON.stringify(compareUtf8(a, b) <= 0 ? [a, b] : [b, a]));
    const { buffer, byteOffset } = keys.pairs.words;
    return Buffer.from(new Uint8Array(buffer, byteOffset, hashBytes)); // a copy
  }

  /** Undefined if there is no secret. */
  keys(): Keys | undefined {
    if (this.#keys !== undefined) return this.#keys;
    const secret = this.#secret();
    if (secret === undefined) return undefined;
    const keyFor = (purpose: string): Buffer =>
      createHmac('sha256', Buffer.from(secret, 'hex')).update(purpose).digest();
    const marks = new KeyedHash(keyFor('marks').subarray(0, hashKeyBytes));
    const pairs = new KeyedHash(keyFor('pairs').subarray(0, hashKeyBytes));
    const id = keyFor('id').toString('hex').slice(0, idDigits);
    return (this.#keys = { id, marks, pairs, key: keyFor('hashes') });
  }
}

/** The hash under the key of a data directory. */
export function erasureHashOf(dataDir: string): ErasureHash {
  return new ErasureHash(() => erasureKeyOf(dataDir));
}

/**
 * The key that erased ids are hashed with here, 64 hexadecimal digits: the one taken over from other hosts, otherwise derived from the secret of the
 * data directory. Undefined if there is neither.
 */
export function erasureKeyOf(dataDir: string): string | undefined {
  const shared = readIfThere(sharedKeyPath(dataDir))?.trimEnd();
  if (shared === undefined) return secretFor('erasures', dataDir);
  if (keyPattern.test(shared)) return shared;
  throw new SwaError('data-dir.unusable', `${sharedKeyPath(dataDir)} is damaged`, {
    hint: 'delete it: it is fetched again from what hosts share',
  });
}

/** From now on this key is used here: that of all hosts that share facts and views. Durable on return. */
export function useSharedKey(dataDir: string, key: string): void {
  replaceFile(sharedKeyPath(dataDir), `${key}\n`);
}

/** Whether a text has the form of such a key. */
export function isErasureKey(text: string): boolean {
  return keyPattern.test(text);
}

const keyPattern = /^[0-9a-f]{64}$/;

function sharedKeyPath(dataDir: string): string {
  return join(roomOf(dataDir, 'erasures'), 'key');
}

/** Tests whether ids are among a set of erased ones, given by their hashes. */
export class ErasedIds {
  readonly #hash: ErasureHash;
  readonly #values: ReadonlySet<string>;
  readonly #marks = new Set<number>();
  /** Number of values made with another secret, which match no id. */
  readonly foreign: number;

  constructor(values: Iterable<string>, hash: ErasureHash) {
    this.#hash = hash;
    const all = new Set(values);
    const id = all.size === 0 ? undefined : hash.keys()?.id;
    this.#values = new Set([...all].filter((value) => id !== undefined && value.startsWith(id)));
    this.foreign = all.size - this.#values.size;
    for (const value of this.#values)
      this.#marks.add(parseInt(value.slice(idDigits, idDigits + markDigits), 16));
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  has(id: string): boolean {
    const marks = this.#hash.keys()?.marks;
    if (this.isEmpty || marks === undefined) return false;
    marks.text(id);
    return this.#marks.has((marks.words[0] ?? 0) >>> 0) && this.#values.has(this.#hash.valueOf(id));
  }

  /** Indexes of the texts that are erased ids, ascending. */
  among(texts: TextSpans): number[] {
    const marks = this.#hash.keys()?.marks;
    if (this.isEmpty || marks === undefined) return [];
    const hashes = new Int32Array(hashWords * texts.count);
    marks.spans(texts, hashes);
    const found: number[] = [];
    for (let i = 0; i < texts.count; i++) {
      if (!this.#marks.has((hashes[hashWords * i] ?? 0) >>> 0)) continue;
      if (this.has(textOf(texts, i))) found.push(i);
    }
    return found;
  }
}

function textOf({ bytes, starts, ends }: TextSpans, i: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8', starts[i], ends[i]);
}

function hexOf(word: number): string {
  return word.toString(16).padStart(markDigits, '0');
}
