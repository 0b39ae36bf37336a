/**
 * A keyed 128-bit hash of texts: SipHash-1-3 with 128 bits of output (sip-hash.wat) under a random key. It identifies
 * texts without storing them: two different texts collide with probability 2^-128, any two of a million with about
 * 10^-27, and collisions cannot be forged, because each process draws a new key that never leaves it. For the same
 * reason a hash is meaningless outside the process: it must not be stored or sent.
 *
 * One round per word instead of two: the best published differential that makes two texts collide internally has
 * probability 2^-167 (Dobraunig, Mendel and Schläffer, "Differential Cryptanalysis of SipHash", 2014), which is below
 * 2^-128, and an attacker never sees a hash. Rust and CPython use the same variant for their hash tables.
 */
import { randomBytes } from 'node:crypto';
import { sipHashWasmBase64 } from './sip-hash-wasm.js';

/** Size of a key in bytes. */
export const hashKeyBytes = 16;
/** Number of 32-bit words of a hash. */
export const hashWords = 4;
export const hashBytes = 4 * hashWords;

/** Bytes reserved at the start of a kernel's memory. */
export const reservedBytes = 16;
/** Readable bytes that must follow every text in a kernel's memory. */
export const slackBytes = 16;

/**
 * Hash functions over texts in one memory, whose layout beyond `reservedBytes` the creator decides. Positions (`at`,
 * `out`, ...) are byte offsets in `bytes`; integers in memory are little-endian. A hash takes `hashBytes` bytes.
 */
export interface HashKernels {
  readonly bytes: Uint8Array<ArrayBuffer>;
  hash(at: number, length: number, out: number): void;
  /**
   * Computes out[i] = hash of the bytes from starts[i] to ends[i] for `count` hashes; starts and ends are 32-bit
   * offsets from `data`.
   */
  hashSpans(data: number, starts: number, ends: number, out: number, count: number): void;
  /**
   * Hashes the text from `at` up to the next quote, the end of a JSON string without escapes. Returns the quote's
   * position, or -1 without a hash if there is none before `limit`, or if a backslash or a byte that is not printable
   * ASCII comes first.
   */
  hashQuoted(at: number, limit: number, out: number): number;
}

/** Many texts in one array: text i is `bytes[starts[i], ends[i])`; all are below `sizeBytes`. */
export interface TextSpans {
  readonly bytes: Uint8Array;
  readonly sizeBytes: number;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly count: number;
}

/** Length in UTF-16 units of texts that fit the initial memory. */
const usualUnits = 4_096;

export class KeyedHash {
  /** The hash computed by the last call of `text` or `bytes`. */
  readonly words = new Int32Array(hashWords);
  readonly #key: Uint8Array;
  #kernels: HashKernels;
  #result: Int32Array;
  readonly #encoder = new TextEncoder();

  /** @param key `hashKeyBytes` bytes; passed if threads must agree on hashes, and in tests */
  constructor(key: Uint8Array = randomBytes(hashKeyBytes)) {
    if (key.length !== hashKeyBytes)
      throw new RangeError(`a key has ${hashKeyBytes} bytes, not ${key.length}`);
    this.#key = Uint8Array.from(key);
    this.#kernels = this.kernels(textAt + 3 * usualUnits);
    this.#result = resultIn(this.#kernels);
  }

  /** Hashes the text's UTF-8 (with U+FFFD for an unpaired surrogate, as in stored texts). */
  text(text: string): void {
    this.#reserve(3 * text.length);
    const { bytes } = this.#kernels;
    this.#hash(this.#encoder.encodeInto(text, bytes.subarray(textAt)).written);
  }

  /** Hashes `bytes[from, to)`; equals the hash of the text with this UTF-8. */
  bytes(bytes: Uint8Array, from = 0, to = bytes.length): void {
    this.#reserve(to - from);
    this.#kernels.bytes.set(bytes.subarray(from, to), textAt);
    this.#hash(to - from);
  }

  /** Hashes many texts, four words each into `out`. */
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

  /**
   * Creates the hash functions, with the same key, over a zeroed memory of at least `sizeBytes` bytes for the caller.
   */
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

/** Position of the text, after the space for its hash. */
const textAt = reservedBytes + hashBytes;

function resultIn({ bytes }: HashKernels): Int32Array {
  return new Int32Array(bytes.buffer, reservedBytes, hashWords);
}

const pageBytes = 65_536;

// The parts of the WebAssembly API used here; TypeScript declares them only for browsers.
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
