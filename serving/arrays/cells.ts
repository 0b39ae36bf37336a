/**
 * Cell files (pages.dat, domains.dat, value-<dimension>.dat): the buckets of every subject, block after block. The index has the position of
 * each block. A block is written and read as a whole or in contiguous runs, so a query costs one or two reads whatever its range:
 *
 *   block    table | base cells,   day after day | day cells | month cells
 *   table    days (0: flat), then per day:   day delta, bytes of its base cells, bytes of its day cell (0: derive)
 *            months,         then per month: month delta, bytes of its month cell (0: derive)
 *   cell     head = bucket delta * 4 + form
 *            form 0  one person, one pageview     u32 coupon
 *            form 1  few people                   pageviews, n * 2 + packing, then n coupons ascending:
 *                                                 packing 0 as u32, packing 1 as varints of their differences,
 *                                                 preceded by their length in bytes
 *            form 2  too many to pack             pageviews, 2^lgK bytes HLL_8 registers
 *            form 3  many people                  pageviews, length, packed registers (hyperloglog-ts/src/packed.ts)
 *
 * The shorter of two possible encodings is used. Numbers are varints, coupons little-endian. Bucket deltas count from the day's first bucket,
 * then from the bucket before. Packed registers take 2.8 to 10 KB instead of 16, and a union merges them without unpacking: a year of them in
 * microseconds.
 *
 * Small subjects (at most 1,024 coupons in all) are flat: no tables, only base cells, deltas from bucket 0. A day with at most 1,024 coupons in
 * its buckets has no cell of its own, nor has a month with at most 256: uniting its buckets when reading is cheaper than storing its people
 * again. The limit is lower for months because their people are spread over hundreds of buckets, and a year reads twelve of them. So every
 * person of a bucket is stored about once.
 */
import { HllError, maxCoupons, packRegisters, unpackRegisters } from 'hyperloglog-ts';
import { SwaError } from '../../lib/errors/errors.js';
import type { BucketCell, PeopleSink, SketchView } from '../../facts/views/cell.js';
import { ByteReader, type ByteWriter } from './bytes.js';

/** Maximum number of coupons in the buckets of a day or month that is not stored but united from its buckets. */
export function deriveLimitOf(span: 'day' | 'month', lgK: number): number {
  return Math.min(span === 'day' ? 1024 : 256, maxCoupons(lgK));
}

const singleForm = 0;
const couponsForm = 1;
const registersForm = 2;
const packedForm = 3;

export function writeCouponCell(
  out: ByteWriter,
  delta: number,
  pageviews: number,
  coupons: Uint32Array,
  from: number,
  to: number,
): void {
  if (to - from === 1 && pageviews === 1) {
    out.varint(delta * 4 + singleForm);
  } else {
    out.varint(delta * 4 + couponsForm);
    out.varint(pageviews);
    const length = differencesLength(coupons, from, to);
    if (length < 4 * (to - from)) {
      out.varint((to - from) * 2 + 1);
      out.varint(length);
      for (let i = from, last = 0; i < to; i++) {
        const coupon = coupons[i];
        out.varint(coupon - last);
        last = coupon;
      }
      return;
    }
    out.varint((to - from) * 2);
  }
  out.u32s(coupons, from, to);
}

function differencesLength(coupons: Uint32Array, from: number, to: number): number {
  let length = 0;
  for (let i = from, last = 0; i < to; i++) {
    const difference = coupons[i] - last;
    last += difference;
    length +=
      difference < 0x80
        ? 1
        : difference < 0x4000
          ? 2
          : difference < 0x200000
            ? 3
            : difference < 0x10000000
              ? 4
              : 5;
  }
  return length;
}

export function writeRegisterCell(
  out: ByteWriter,
  delta: number,
  pageviews: number,
  registers: Uint8Array,
): void {
  const packed = packRegisters(registers);
  const pays = packed.length < registers.length;
  out.varint(delta * 4 + (pays ? packedForm : registersForm));
  out.varint(pageviews);
  if (pays) out.varint(packed.length);
  out.raw(pays ? packed : registers);
}

/**
 * Decodes cells one after the other into memory that the next call reuses: `head` gives the bucket of the next cell, then `body` reads the cell
 * or `skip` moves past it.
 */
export class CellReader implements BucketCell {
  bucket = 0;
  pageviews = 0;
  readonly #registerBytes: number;
  readonly #maxCoupons: number;
  #form = singleForm;
  #coupons = new Uint32Array(256);
  #couponCount = 0;
  /** Coupons of the last cell encoded as differences; decoded on demand. */
  #differences: Uint8Array | undefined;
  /** Registers of the last cell in their stored form, packed or not. */
  #registers: Uint8Array | undefined;

  constructor(lgK: number) {
    this.#registerBytes = 2 ** lgK;
    this.#maxCoupons = maxCoupons(lgK);
  }

  /** Decoded on demand: when many cells of few people are read, creating these arrays costs more than the reading. */
  get sketch(): SketchView {
    const registers = this.#registers;
    if (registers === undefined) {
      this.#readDifferences();
      return { kind: 'coupons', coupons: this.#coupons.subarray(0, this.#couponCount) };
    }
    if (this.#form === registersForm) return { kind: 'registers', registers };
    return { kind: 'registers', registers: orCorrupt(() => unpackRegisters(registers)) };
  }

  addTo(people: PeopleSink): void {
    const registers = this.#registers;
    const differences = this.#differences;
    if (differences !== undefined) orCorrupt(() => people.addDifferences(differences, this.#couponCount));
    else if (registers === undefined) orCorrupt(() => people.addCoupons(this.#coupons, 0, this.#couponCount));
    else if (this.#form === registersForm) orCorrupt(() => people.addRegisters(registers));
    else orCorrupt(() => people.addPacked(registers));
  }

  /** Copies the coupons to `into` from index `at`; false if the cell has registers or does not fit. */
  copyCoupons(into: Uint32Array, at: number): boolean {
    const count = this.#couponCount;
    if (this.#registers !== undefined || at + count > into.length) return false;
    this.#readDifferences();
    for (let i = 0; i < count; i++) into[at + i] = this.#coupons[i];
    return true;
  }

  /** Number of coupons of the last cell; 0 if it has registers. */
  get couponCount(): number {
    return this.#couponCount;
  }

  /** Reads the next cell, whose delta counts from `base`. */
  read(from: ByteReader, base: number): void {
    this.body(from, this.head(from, base));
  }

  /** Reads the head of the next cell, and returns its bucket. Its delta counts from `base`. */
  head(from: ByteReader, base: number): number {
    const head = from.varint();
    this.#form = head % 4;
    return base + Math.floor(head / 4);
  }

  /** Reads the rest of the cell whose head was read last. */
  body(from: ByteReader, bucket: number): void {
    this.bucket = bucket;
    this.pageviews = this.#form === singleForm ? 1 : from.varint();
    this.#couponCount = 0;
    this.#differences = undefined;
    this.#registers = undefined;
    if (this.#form === singleForm) {
      this.#readCoupons(from, 1);
    } else if (this.#form === couponsForm) {
      const packed = from.varint();
      const count = Math.floor(packed / 2);
      if (packed % 2 === 0) this.#readCoupons(from, count);
      else {
        this.#makeRoom(count);
        this.#couponCount = count;
        this.#differences = from.raw(from.varint());
      }
    } else {
      this.#registers = from.raw(this.#form === registersForm ? this.#registerBytes : from.varint());
    }
  }

  /** Skips the rest of the cell whose head was read last. */
  skip(from: ByteReader): void {
    if (this.#form === singleForm) {
      from.skip(4);
      return;
    }
    from.varint();
    if (this.#form === registersForm) {
      from.skip(this.#registerBytes);
    } else if (this.#form === packedForm) {
      from.skip(from.varint());
    } else {
      const packed = from.varint();
      const count = Math.floor(packed / 2);
      if (packed % 2 === 0) from.skip(4 * count);
      else from.skip(from.varint());
    }
  }

  #readCoupons(from: ByteReader, count: number): void {
    this.#makeRoom(count);
    from.u32s(this.#coupons, 0, count);
    this.#couponCount = count;
  }

  #readDifferences(): void {
    if (this.#differences === undefined) return;
    new ByteReader(this.#differences).sums(this.#coupons, this.#couponCount);
    this.#differences = undefined;
  }

  #makeRoom(count: number): void {
    if (count > this.#maxCoupons) throw new SwaError('view.corrupt', `a cell claims ${count} coupons`);
    if (count > this.#coupons.length) this.#coupons = new Uint32Array(this.#maxCoupons);
  }
}

/** Runs `work`, and rethrows an HllError (a sketch that the union refuses) as `view.corrupt`. */
export function orCorrupt<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof HllError)) throw cause;
    throw new SwaError('view.corrupt', `a cell is damaged: ${cause.message}`, { cause });
  }
}
