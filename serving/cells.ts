/**
 * pages.dat and domains.dat: the buckets of every page or domain, one block after the other in key order.
 * A block is written and read as a whole or in contiguous runs, so a query costs one or two reads whatever its range:
 *
 *   block    table | hour cells, day after day | day cells | month cells
 *   table    days (0: flat), then per day:   day delta, bytes of its hour cells, bytes of its day cell (0: derive)
 *            months,         then per month: month delta, bytes of its month cell (0: derive)
 *   cell     head = bucket delta * 4 + form
 *            form 0  one person, one pageview     u32 coupon
 *            form 1  few people                   pageviews, n, n * u32 coupons ascending
 *            form 2  many people                  pageviews, 2^lgK bytes HLL_8 registers
 *
 * Numbers are varints, coupons little-endian. Hour deltas count from the day's first hour, then from the hour before.
 *
 * Rare subjects (at most 512 coupons in all) are flat: no tables, hour cells alone, deltas from hour 0. A day or month
 * that at most 512 coupons lie under has no cell of its own: it is cheaper to unite its hours on reading than to store
 * their people again (a year of derived months costs microseconds). So every person of an hour is stored about once.
 */
import { SwaError } from '../lib/errors.js';
import type { BucketCell, SketchView } from '../lib/views/view.js';
import type { ByteReader, ByteWriter } from './bytes.js';

/** A day or month with at most this many coupons under it is not stored but united from its hours. */
export function deriveLimitOf(lgK: number): number {
  return Math.min(512, maxCouponsOf(lgK));
}

/** Most coupons a bucket holds before it becomes registers: the promotion rule of the DataSketches HLL format. */
export function maxCouponsOf(lgK: number): number {
  return 0.75 * 2 ** (lgK - 3);
}

const singleForm = 0;
const couponsForm = 1;
const registersForm = 2;

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
    out.varint(to - from);
  }
  out.u32s(coupons, from, to);
}

export function writeRegisterCell(
  out: ByteWriter,
  delta: number,
  pageviews: number,
  registers: Uint8Array,
): void {
  out.varint(delta * 4 + registersForm);
  out.varint(pageviews);
  out.raw(registers);
}

/** Decodes cells one after the other into memory that the next call reuses. */
export class CellReader implements BucketCell {
  bucket = 0;
  pageviews = 0;
  sketch: SketchView;
  readonly #registerBytes: number;
  readonly #maxCoupons: number;
  #coupons = new Uint32Array(256);

  constructor(lgK: number) {
    this.#registerBytes = 2 ** lgK;
    this.#maxCoupons = maxCouponsOf(lgK);
    this.sketch = { kind: 'coupons', coupons: this.#coupons.subarray(0, 0) };
  }

  /** Reads the next cell, whose delta counts from `base`. */
  read(from: ByteReader, base: number): void {
    const bucket = this.#head(from, base);
    if (this.#form === singleForm) {
      this.pageviews = 1;
      this.sketch = { kind: 'coupons', coupons: this.#readCoupons(from, 1) };
    } else if (this.#form === couponsForm) {
      this.pageviews = from.varint();
      this.sketch = { kind: 'coupons', coupons: this.#readCoupons(from, from.varint()) };
    } else {
      this.pageviews = from.varint();
      this.sketch = { kind: 'registers', registers: from.raw(this.#registerBytes) };
    }
    this.bucket = bucket;
  }

  /** Moves past the next cell and returns its bucket. */
  skip(from: ByteReader, base: number): number {
    const bucket = this.#head(from, base);
    if (this.#form === singleForm) {
      from.skip(4);
    } else {
      from.varint();
      from.skip(this.#form === couponsForm ? 4 * from.varint() : this.#registerBytes);
    }
    return bucket;
  }

  #form = 0;

  #head(from: ByteReader, base: number): number {
    const head = from.varint();
    this.#form = head % 4;
    if (this.#form > registersForm)
      throw new SwaError('view.corrupt', `a cell of unknown form ${this.#form}`);
    return base + Math.floor(head / 4);
  }

  #readCoupons(from: ByteReader, count: number): Uint32Array {
    if (count > this.#maxCoupons) throw new SwaError('view.corrupt', `a cell claims ${count} coupons`);
    if (count > this.#coupons.length) this.#coupons = new Uint32Array(this.#maxCoupons);
    from.u32s(this.#coupons, 0, count);
    return this.#coupons.subarray(0, count);
  }
}
