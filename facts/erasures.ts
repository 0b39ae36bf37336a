/**
 * What an erased id is known by once its text may stand nowhere: 80 hexadecimal digits, made of it with the secret of the data
 * directory, which an exclusion by `erased` has as its value.
 *
 *   8 digits    which secret: what was made with another one means no id here
 *   8 digits    32 bits of SipHash-1-3 under a key of the secret: rules out nearly every other id at a fraction of the price
 *   64 digits   HMAC-SHA256 under another key of the secret: what decides
 *
 * Without the secret neither hash can be computed of a guessed id, so the record of an erasure tells no one who was erased.
 */
import { createHmac } from 'node:crypto';
import { SwaError } from '../lib/errors/errors.js';
import { secretFor } from '../lib/files/dir-secret.js';
import { hashKeyBytes, hashWords, KeyedHash, type TextSpans } from '../lib/memory/keyed-hash.js';

const valuePattern = /^[0-9a-f]{80}$/;
const idDigits = 8;
const markDigits = 8;

/** Whether a text has the form of such a value. */
export function isErasedValue(value: unknown): value is string {
  return typeof value === 'string' && valuePattern.test(value);
}

interface Keys {
  /** Which secret they are made of. */
  readonly id: string;
  readonly marks: KeyedHash;
  readonly key: Buffer;
}

/** Makes the values of ids. The secret is asked for when it is first needed. */
export class ErasureHash {
  readonly #secret: () => string | undefined;
  #keys: Keys | undefined;

  /** @param secret 64 hexadecimal digits; undefined where there is none, and then no id is erased */
  constructor(secret: () => string | undefined) {
    this.#secret = secret;
  }

  /** Throws `data-dir.unusable` where there is no secret. */
  valueOf(id: string): string {
    const keys = this.keys();
    if (keys === undefined)
      throw new SwaError('data-dir.unusable', 'an id cannot be erased: the data directory has no secret');
    keys.marks.text(id);
    const mark = (keys.marks.words[0] ?? 0) >>> 0;
    const hash = createHmac('sha256', keys.key).update(id).digest('hex');
    return `${keys.id}${hexOf(mark)}${hash}`;
  }

  /** Undefined where there is no secret. */
  keys(): Keys | undefined {
    if (this.#keys !== undefined) return this.#keys;
    const secret = this.#secret();
    if (secret === undefined) return undefined;
    const keyFor = (purpose: string): Buffer =>
      createHmac('sha256', Buffer.from(secret, 'hex')).update(purpose).digest();
    const marks = new KeyedHash(keyFor('marks').subarray(0, hashKeyBytes));
    const id = keyFor('id').toString('hex').slice(0, idDigits);
    return (this.#keys = { id, marks, key: keyFor('hashes') });
  }
}

/** Of a data directory, by its secret. */
export function erasureHashOf(dataDir: string): ErasureHash {
  return new ErasureHash(() => secretFor('erasures', dataDir));
}

/** The ids that some values mean. */
export class ErasedIds {
  readonly #hash: ErasureHash;
  readonly #values: ReadonlySet<string>;
  readonly #marks = new Set<number>();
  /** Values that were made with another secret, so that no id can be told by them. */
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

  /** Which of these texts are such ids, ascending. */
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
