/**
 * A keyed 128-bit hash of texts: SipHash-1-3 with 128 bits of output (sip-hash.wat) under a random key. What is told
 * apart by it needs no texts at hand: two different texts share a hash with odds of 2^-128, a million of them with odds
 * of 10^-27, and no one can make two that do, since each process draws a new key that never leaves it. For the
 * same reason a hash means nothing outside of the process: it must not be stored or sent.
 *
 * One round for each word, not two: the best published way to make two texts collide inside has a chance of 2^-167
 * (Dobraunig, Mendel and Schläffer, "Differential Cryptanalysis of SipHash", 2014), which is below 2^-128 already, and
 * an attacker never sees a hash. Rust and CPython use the same variant for their hash tables.
 */
import { randomBytes } from 'node:crypto';
import { sipHashWasmBase64 } from './sip-hash-wasm.js';

/** Bytes of a key. */
export const hashKeyBytes = 16;
/** Words (int32) of a hash. */
export const hashWords = 4;
export const hashBytes = 4 * hashWords;

/** Bytes at the start of a kernels' memory that are the kernels' own. */
export const reservedBytes = 16;
/** Readable bytes that must follow every text in a kernels' memory. */
export const slackBytes = 16;

/**
 * The hash over texts in one memory, whose layout its creator decides, beyond `reservedBytes`. Places (`at`, `out`, ...)
 * are byte offsets in `bytes`; integers in memory are little-endian. A hash takes `hashBytes` bytes.
 */
export interface HashKernels {
  readonly bytes: Uint8Array<ArrayBuffer>;
  hash(at: number, length: number, out: number): void;
  /** out[i] = the hash of the bytes from starts[i] to ends[i], 32-bit offsets from `data`; `count` hashes. */
  hashSpans(data: number, starts: number, ends: number, out: number, count: number): void;
  /**
   * Hashes the text from `at` up to the next quote, as of a JSON string without escapes. Returns where the quote is; -1,
   * and no hash, when there is none before `limit`, or something before it that is not printable ASCII, or a backslash.
   */
  hashQuoted(at: number, limit: number, out: number): number;
}

/** Many texts in one array: text i is `bytes[starts[i], ends[i])`, and all lie below `sizeBytes`. */
export interface TextSpans {
  readonly bytes: Uint8Array;
  readonly sizeBytes: number;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly count: number;
}

/** UTF-16 units of a text that is hashed without asking for memory first. */
const usualUnits = 4_096;

export class KeyedHash {
  /** The hash that `text` or `bytes` made last. */
  readonly words = new Int32Array(hashWords);
  readonly #key: Uint8Array;
  #kernels: HashKernels;
  #result: Int32Array;
  readonly #encoder = new TextEncoder();

  /** @param key `hashKeyBytes`; given where threads have to agree, and in tests */
  constructor(key: Uint8Array = randomBytes(hashKeyBytes)) {
    if (key.length !== hashKeyBytes)
      throw new RangeError(`a key has ${hashKeyBytes} bytes, not ${key.length}`);
    this.#key = Uint8Array.from(key);
    this.#kernels = this.kernels(textAt + 3 * usualUnits);
    this.#result = resultIn(this.#kernels);
  }

  /** Hashes the text's UTF-8 (with U+FFFD for half a surrogate pair, as wherever texts are stored). */
  text(text: string): void {
    this.#reserve(3 * text.length);
    const { bytes } = this.#kernels;
    this.#hash(this.#encoder.encodeInto(text, bytes.subarray(textAt)).written);
  }

  /** Hashes `bytes[from, to)`: equal to the hash of the text whose UTF-8 they are. */
  bytes(bytes: Uint8Array, from = 0, to = bytes.length): void {
    this.#reserve(to - from);
    this.#kernels.bytes.set(bytes.subarray(from, to), textAt);
    this.#hash(to - from);
  }

  /** Hashes of many texts, four words each into `out`. */
  spans({ bytes, sizeBytes, starts, ends, count }: TextSpans, out: Int32Array): void {
    const startsAt = textAt;
    const endsAt = startsAt + 4 * count;
    const outAt = endsAt + 4 * count;
    const dataAt = outAt + count * hashBytes;
    this.#reserve(dataAt + sizeBytes - textAt);
    const memory = this.#kernels.bytes;
    new Uint32Array(memory.buffer, startsAt, count).set(starts.subarray(0, count));
    new Uint32Array(memory.buffer, endsAt, count).set(ends.subarray(0, count));
    memory.set(bytes.subarray(0, sizeBytes), dataAt);
    this.#kernels.hashSpans(dataAt, startsAt, endsAt, outAt, count);
    out.set(new Int32Array(memory.buffer, outAt, count * hashWords));
  }

  /** The same hash for texts in a memory of at least `sizeBytes` bytes of the caller's own, zeroed. */
  kernels(sizeBytes: number): HashKernels {
    const { memory, hash, hashSpans, hashQuoted } = new WebAssembly.Instance(compiled).exports;
    const missingPages = Math.ceil((sizeBytes + slackBytes - memory.buffer.byteLength) / pageBytes);
    if (missingPages > 0) memory.grow(missingPages);
    const bytes = new Uint8Array(memory.buffer);
    bytes.set(this.#key);
    return { bytes, hash, hashSpans, hashQuoted };
  }

  #hash(length: number): void {
    this.#kernels.hash(textAt, length, reservedBytes);
    this.words.set(this.#result);
  }

  #reserve(length: number): void {
    const needed = textAt + length + slackBytes;
    if (needed <= this.#kernels.bytes.length) return;
    this.#kernels = this.kernels(2 * needed);
    this.#result = resultIn(this.#kernels);
  }
}

/** Where a text is put, behind the place for its hash. */
const textAt = reservedBytes + hashBytes;

function resultIn({ bytes }: HashKernels): Int32Array {
  return new Int32Array(bytes.buffer, reservedBytes, hashWords);
}

const pageBytes = 65_536;

// The few parts of the WebAssembly API in use; TypeScript declares them only for browsers.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => Module;
  readonly Instance: new (module: Module) => { readonly exports: Exports };
};

interface Module {
  readonly [Symbol.toStringTag]: 'WebAssembly.Module';
}

interface Exports extends Omit<HashKernels, 'bytes'> {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
}

const compiled = new WebAssembly.Module(Buffer.from(sipHashWasmBase64, 'base64'));
