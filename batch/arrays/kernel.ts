/**
 * The WebAssembly kernel (sort-kernel.wat) and its memory: the words of facts, and buffers for the kernel's output. Each thread has one.
 * Positions (`at`, `end`, ...) are byte offsets in that memory; views of it are valid until the next call of `words`.
 */
import { maxCoupons } from 'hyperloglog-ts';
import type { BucketWidth } from '../../lib/time/buckets.js';
import { deriveLimitOf } from '../../serving/arrays/cells.js';
import { sortKernelWasmBase64 } from './sort-kernel-wasm.js';

/** Number of low bits of a visit's word: the millisecond within the bucket. */
export const millisecondBits = 22;

/** Words of the visits that began in a bucket. Their milliseconds together are 64 bits, the low word first. */
export const visitWords = { visits: 0, bounces: 1, pageviews: 2, lowMs: 3, highMs: 4, count: 5 } as const;

/** Maximum number of coupons of cells that the kernel writes at once. */
const couponsAtOnce = 1 << 16;
/** Maximum bytes of a cell besides its coupons or registers. */
const maxHeadBytes = 32;
const blockBytesAtOnce = 1 << 20;
const recordsAtOnce = 1 << 12;
const recordBytes = 12;
const dayBytes = 12;
const monthBytes = 8;
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
  readonly daysEnd: { value: number };
  readonly monthsEnd: { value: number };
  readonly dayRecordsEnd: { value: number };
  readonly monthRecordsEnd: { value: number };
  readonly subjectCoupons: { value: number };
  configureSpans(
    dayOf: number,
    monthOf: number,
    perDay: number,
    dayLimit: number,
    monthLimit: number,
    lgK: number,
    lgTable: number,
    day: number,
    month: number,
    registers: number,
    work: number,
    counts: number,
  ): void;
  tabled(
    at: number,
    end: number,
    out: number,
    outLimit: number,
    daysLimit: number,
    monthsLimit: number,
    dayRecordsLimit: number,
    coupons: number,
    couponLimit: number,
  ): number;
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

/** Days and months of one subject, as `BlockPart` has them. The memory is valid until the next call. */
export interface Spans {
  /** Position of the next words: of the next day, or of the next subject. */
  readonly next: number;
  readonly buckets: Uint8Array;
  readonly days: Uint8Array;
  readonly months: Uint8Array;
  /** Three words per day, two per month. */
  readonly dayTable: Uint32Array;
  readonly monthTable: Uint32Array;
  /** Number of coupons in the base cells. */
  readonly coupons: number;
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
  #end = 64;
  readonly #countsAt = this.#place(countsBytes);
  readonly #visitsAt: number;
  readonly #seenAt: number;
  readonly #couponsAt: number;
  readonly #outAt: number;
  readonly #recordsAt: number;
  readonly #daysAt: number;
  readonly #monthsAt: number;
  readonly #dayRecordsAt: number;
  readonly #monthRecordsAt: number;
  readonly #wordsAt: number;
  #capacity = 0;

  /** @param buckets base buckets by rank, ascending */
  constructor(buckets: Uint32Array, { lgK, width }: { readonly lgK: number; readonly width: BucketWidth }) {
    const most = maxCoupons(lgK);
    const registers = 2 ** lgK;
    const cellBytes = registers + maxHeadBytes;
    const lgTable = Math.max(4, bitsOf(2 * (most + 1)));
    const unionBytes = 16 + 4 * 2 ** lgTable + registers;
    this.bucketBits = bitsOf(buckets.length);
    this.#bucketMs = width.ms;
    const bucketsAt = this.#place(4 * buckets.length);
    const [dayOfAt, monthOfAt] = [this.#place(4 * buckets.length), this.#place(4 * buckets.length)];
    this.#visitsAt = this.#place(4 * visitWords.count * buckets.length);
    this.#seenAt = this.#place(4 * buckets.length);
    this.#couponsAt = this.#place(4 * (couponsAtOnce + most));
    this.#recordsAt = this.#place(recordBytes * recordsAtOnce);
    this.#outAt = this.#place(
      blockBytesAtOnce + Math.max(width.perDay * cellBytes, maxHeadBytes * (most + 2_048)),
    );
    this.#daysAt = this.#place(blockBytesAtOnce + cellBytes);
    this.#monthsAt = this.#place(blockBytesAtOnce + cellBytes);
    this.#dayRecordsAt = this.#place(dayBytes * recordsAtOnce);
    this.#monthRecordsAt = this.#place(monthBytes * (recordsAtOnce + 1));
    const [dayAt, monthAt] = [this.#place(unionBytes), this.#place(unionBytes)];
    const registersAt = this.#place(registers);
    const workAt = this.#place(Math.max(16 * (most + 2), 6 * registers + 64));
    this.#wordsAt = this.#place(0);
    this.#reserve(this.#wordsAt);
    const table = (at: number): Uint32Array =>
      new Uint32Array(this.#exports.memory.buffer, at, buckets.length);
    table(bucketsAt).set(buckets);
    table(dayOfAt).set(buckets.map((bucket) => width.dayOf(bucket)));
    table(monthOfAt).set(buckets.map((bucket) => width.monthOf(bucket)));
    this.#exports.configure(bucketsAt, this.bucketBits, most);
    this.#exports.configureSpans(
      dayOfAt,
      monthOfAt,
      width.perDay,
      deriveLimitOf('day', lgK),
      deriveLimitOf('month', lgK),
      lgK,
      lgTable,
      dayAt,
      monthAt,
      registersAt,
      workAt,
      this.#countsAt,
    );
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

  /**
   * Encodes days and months of the subject whose sorted words begin at `at`, up to `next`: the end of the subject, or a
   * full buffer; then the next call continues there.
   */
  tabled(at: number, end: number): Spans {
    const exports = this.#exports;
    exports.daysEnd.value = this.#daysAt;
    exports.monthsEnd.value = this.#monthsAt;
    exports.dayRecordsEnd.value = this.#dayRecordsAt;
    exports.monthRecordsEnd.value = this.#monthRecordsAt;
    exports.subjectCoupons.value = 0;
    const next = exports.tabled(
      at,
      end,
      this.#outAt,
      this.#outAt + blockBytesAtOnce,
      this.#daysAt + blockBytesAtOnce,
      this.#monthsAt + blockBytesAtOnce,
      this.#dayRecordsAt + dayBytes * (recordsAtOnce - 1),
      this.#couponsAt,
      couponsAtOnce - 1,
    );
    const { buffer } = exports.memory;
    const bytes = (from: number, to: number): Uint8Array => new Uint8Array(buffer, from, to - from);
    const words = (from: number, to: number): Uint32Array => new Uint32Array(buffer, from, (to - from) / 4);
    return {
      next,
      buckets: bytes(this.#outAt, exports.outEnd.value),
      days: bytes(this.#daysAt, exports.daysEnd.value),
      months: bytes(this.#monthsAt, exports.monthsEnd.value),
      dayTable: words(this.#dayRecordsAt, exports.dayRecordsEnd.value),
      monthTable: words(this.#monthRecordsAt, exports.monthRecordsEnd.value),
      coupons: exports.subjectCoupons.value,
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

  /** Takes the next `sizeBytes` of memory; returns their position, a multiple of 16. */
  #place(sizeBytes: number): number {
    const at = this.#end;
    this.#end = 16 * Math.ceil((at + sizeBytes) / 16);
    return at;
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
