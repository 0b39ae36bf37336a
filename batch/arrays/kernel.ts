/**
 * The WebAssembly kernel (sort-kernel.wat) and its memory: the words of facts, and buffers for the kernel's output. Each thread has one.
 * Positions (`at`, `end`, ...) are byte offsets in that memory; views of it are valid until the next call of `words`.
 */
import { maxCoupons } from 'hyperloglog-ts';
import { sortKernelWasmBase64 } from './sort-kernel-wasm.js';

/** Number of low bits of a visit's word: the millisecond within the bucket. */
export const millisecondBits = 22;

/** Words of the visits that began in a bucket. Their milliseconds together are 64 bits, the low word first. */
export const visitWords = { visits: 0, bounces: 1, pageviews: 2, lowMs: 3, highMs: 4, count: 5 } as const;

/** Maximum number of coupons that one call of `cells` writes. */
const couponsAtOnce = 1 << 16;
/** Maximum bytes of a cell besides its coupons, and of a coupon within it. */
const cellBytes = 24;
const blockBytesAtOnce = 1 << 20;
const recordsAtOnce = 1 << 12;
const recordBytes = 12;
const countsBytes = 8192;
const pageBytes = 65_536;
/** Shorter ranges are sorted with shorter digits, because initialising the counts has a cost too. */
const shortRange = 1_024;

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly outEnd: { readonly value: number };
  readonly couponsEnd: { readonly value: number };
  readonly lastBucket: { readonly value: number };
  readonly recordsEnd: { readonly value: number };
  configure(buckets: number, bucketBits: number, maxCoupons: number): void;
  sort(
    from: number,
    spare: number,
    count: number,
    shift: bigint,
    bits: bigint,
    counts: number,
    width: number,
  ): number;
  sortRuns(from: number, end: number, spare: number, counts: number): void;
  cells(at: number, end: number, out: number, coupons: number, last: number, limit: number): number;
  blocks(
    at: number,
    end: number,
    out: number,
    outLimit: number,
    coupons: number,
    records: number,
    recordsLimit: number,
    flatLimit: number,
  ): number;
  visits(at: number, end: number, counts: number, seen: number, gap: bigint, bucketMs: bigint): number;
}

// The parts of the WebAssembly API in use; TypeScript declares them only for browsers.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => { readonly [Symbol.toStringTag]: 'WebAssembly.Module' };
  readonly Instance: new (module: InstanceType<(typeof WebAssembly)['Module']>) => {
    readonly exports: Exports;
  };
};

const compiled = new WebAssembly.Module(Buffer.from(sortKernelWasmBase64, 'base64'));

/** Encoded cells, as in a block, and their coupons, ascending within each cell. */
export interface Cells {
  /** Position of the next cell's words. */
  readonly next: number;
  readonly bytes: Uint8Array;
  readonly coupons: Uint32Array;
  readonly lastBucket: number;
}

/** Flat blocks: `bytes`, and three words for each block: subject, pageviews, length. */
export interface FlatBlocks {
  readonly next: number;
  readonly bytes: Uint8Array;
  readonly records: Uint32Array;
}

export class Kernel {
  /** Number of bits of a bucket's rank. */
  readonly bucketBits: number;
  readonly #exports: Exports = new WebAssembly.Instance(compiled).exports;
  readonly #bucketMs: number;
  readonly #countsAt = 64;
  readonly #visitsAt: number;
  readonly #seenAt: number;
  readonly #couponsAt: number;
  readonly #outAt: number;
  readonly #recordsAt: number;
  readonly #wordsAt: number;
  #capacity = 0;

  /** @param buckets base buckets by rank, ascending */
  constructor(buckets: Uint32Array, options: { readonly lgK: number; readonly bucketMs: number }) {
    const most = maxCoupons(options.lgK);
    this.bucketBits = bitsOf(buckets.length);
    this.#bucketMs = options.bucketMs;
    const bucketsAt = this.#countsAt + countsBytes;
    this.#visitsAt = 8 * Math.ceil((bucketsAt + 4 * buckets.length) / 8);
    this.#seenAt = this.#visitsAt + 4 * visitWords.count * buckets.length;
    this.#couponsAt = this.#seenAt + 4 * buckets.length;
    this.#recordsAt = this.#couponsAt + 4 * (couponsAtOnce + most);
    this.#outAt = this.#recordsAt + recordBytes * recordsAtOnce;
    const outBytes = Math.max(blockBytesAtOnce, cellBytes * couponsAtOnce) + cellBytes * (most + 2048);
    this.#wordsAt = 8 * Math.ceil((this.#outAt + outBytes) / 8);
    this.#reserve(this.#wordsAt);
    new Uint32Array(this.#exports.memory.buffer, bucketsAt, buckets.length).set(buckets);
    this.#exports.configure(bucketsAt, this.bucketBits, most);
  }

  /** Room for `count` words, as pairs of low and high halves, to be filled by the caller. */
  words(count: number): Uint32Array {
    if (count > this.#capacity) {
      this.#capacity = Math.max(count, Math.ceil(1.25 * this.#capacity));
      this.#reserve(this.#wordsAt + 16 * this.#capacity);
    }
    return new Uint32Array(this.#exports.memory.buffer, this.#wordsAt, 2 * count);
  }

  /** Sorts the words [from, to) stably by their bits [fromBit, toBit); returns the position of the result. */
  sort(from: number, to: number, fromBit: number, toBit: number): number {
    const start = this.#wordsAt + 8 * from;
    const spare = start + 8 * this.#capacity;
    const width = to - from < shortRange ? 8 : 11;
    return this.#exports.sort(start, spare, to - from, BigInt(fromBit), BigInt(toBit), this.#countsAt, width);
  }

  /** Sorts the words [at, end), which are already in order of their high halves, by all their bits. */
  sortRuns(at: number, end: number): void {
    const isFirstRoom = at < this.#wordsAt + 8 * this.#capacity;
    this.#exports.sortRuns(
      at,
      end,
      isFirstRoom ? at + 8 * this.#capacity : at - 8 * this.#capacity,
      this.#countsAt,
    );
  }

  /** The high half of the word at a position. */
  highAt(at: number): number {
    return new DataView(this.#exports.memory.buffer).getUint32(at + 4, true);
  }

  /** `count` words from a position, as pairs of halves. */
  view(at: number, count: number): Uint32Array {
    return new Uint32Array(this.#exports.memory.buffer, at, 2 * count);
  }

  /** Encodes cells of the sorted words [at, end) of one subject, up to `next`: the end, or a cell with too many coupons. */
  cells(at: number, end: number, lastBucket: number): Cells {
    const next = this.#exports.cells(at, end, this.#outAt, this.#couponsAt, lastBucket, couponsAtOnce - 1);
    const { memory, outEnd, couponsEnd, lastBucket: last } = this.#exports;
    return {
      next,
      bytes: new Uint8Array(memory.buffer, this.#outAt, outEnd.value - this.#outAt),
      coupons: new Uint32Array(memory.buffer, this.#couponsAt, (couponsEnd.value - this.#couponsAt) / 4),
      lastBucket: last.value,
    };
  }

  /** Encodes flat blocks of the sorted words [at, end), up to `next`: the end, a subject with too many coupons, or a full buffer. */
  blocks(at: number, end: number, flatLimit: number): FlatBlocks {
    const { memory, outEnd, recordsEnd } = this.#exports;
    const recordsLimit = this.#recordsAt + recordBytes * recordsAtOnce;
    const outLimit = this.#outAt + blockBytesAtOnce;
    const next = this.#exports.blocks(
      at,
      end,
      this.#outAt,
      outLimit,
      this.#couponsAt,
      this.#recordsAt,
      recordsLimit,
      flatLimit,
    );
    return {
      next,
      bytes: new Uint8Array(memory.buffer, this.#outAt, outEnd.value - this.#outAt),
      records: new Uint32Array(memory.buffer, this.#recordsAt, (recordsEnd.value - this.#recordsAt) / 4),
    };
  }

  /**
   * Counts the visits of one domain from its sorted words [at, end). Returns the ranks of the buckets with visits, and by rank
   * `visitWords`, which the caller must reset to 0.
   */
  visits(
    at: number,
    end: number,
    gapMs: number,
  ): { readonly ranks: Uint32Array; readonly counts: Uint32Array } {
    const { memory } = this.#exports;
    const seenEnd = this.#exports.visits(
      at,
      end,
      this.#visitsAt,
      this.#seenAt,
      BigInt(gapMs),
      BigInt(this.#bucketMs),
    );
    return {
      ranks: new Uint32Array(memory.buffer, this.#seenAt, (seenEnd - this.#seenAt) / 4),
      counts: new Uint32Array(memory.buffer, this.#visitsAt, (this.#seenAt - this.#visitsAt) / 4),
    };
  }

  #reserve(sizeBytes: number): void {
    const { memory } = this.#exports;
    const missing = Math.ceil((sizeBytes - memory.buffer.byteLength) / pageBytes);
    if (missing > 0) memory.grow(missing);
  }
}

/** Number of bits for numbers below `count`. */
export function bitsOf(count: number): number {
  return Math.ceil(Math.log2(Math.max(1, count)));
}
