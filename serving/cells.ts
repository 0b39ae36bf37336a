/**
 * pages.dat and domains.dat: the buckets of every page or domain, one block after the other in key order.
 * A block is written and read as a whole or in contiguous runs, so a query costs one or two reads whatever its range:
 *
 *   block    table | hour cells, day after day | day cells | month cells
 *   table    days (0: flat), then per day:   day delta, bytes of its hour cells, bytes of its day cell (0: derive)
 *            months,         then per month: month delta, bytes of its month cell (0: derive)
 *   cell     head = bucket delta * 4 + form
 *            form 0  one person, one pageview     u32 coupon
 *            form 1  few people                   pageviews, n * 2 + packing, then n coupons ascending:
 *                                                 packing 0 as u32, packing 1 as varints of their differences
 *            form 2  very many people             pageviews, 2^lgK bytes HLL_8 registers
 *            form 3  many people                  pageviews, n, n bytes: 1..63 a register, 64..255 a run of 1..192
 *                                                 empty registers; the rest is empty
 *
 * Of two ways to write the same, the shorter one is taken. Numbers are varints, coupons little-endian. Hour deltas count from the day's first hour, then from the hour before.
 *
 * Rare subjects (at most 1,024 coupons in all) are flat: no tables, hour cells alone, deltas from hour 0. A day or month
 * that at most 1,024 coupons lie under has no cell of its own: it is cheaper to unite its hours on reading than to store
 * their people again (a year of derived months costs microseconds). So every person of an hour is stored about once.
 */
import { maxCoupons } from 'hyperloglog-ts';
import { SwaError } from '../lib/errors.js';
import type { BucketCell, SketchView } from '../lib/views/view.js';
import type { ByteReader, ByteWriter } from './bytes.js';

/** A day or month with at most this many coupons under it is not stored but united from its hours. */
export function deriveLimitOf(lgK: number): number {
  return Math.min(1024, maxCoupons(lgK));
}

const singleForm = 0;
const couponsForm = 1;
const registersForm = 2;
const sparseForm = 3;

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
    if (differencesLength(coupons, from, to) < 4 * (to - from)) {
      out.varint((to - from) * 2 + 1);
      for (let i = from, last = 0; i < to; i++) {
        const coupon = coupons[i] ?? 0;
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
    const difference = (coupons[i] ?? 0) - last;
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
  const sparse = encodeSparse(registers);
  out.varint(delta * 4 + (sparse === undefined ? registersForm : sparseForm));
  out.varint(pageviews);
  if (sparse !== undefined) out.varint(sparse.length);
  out.raw(sparse ?? registers);
}

const longestRun = 192;

/** Undefined when it would not be shorter. */
function encodeSparse(registers: Uint8Array): Uint8Array | undefined {
  const bytes = new Uint8Array(registers.length);
  let length = 0;
  let empty = 0;
  for (const value of registers) {
    if (value === 0) {
      empty++;
      continue;
    }
    for (; empty > 0; empty -= longestRun) {
      if (length === bytes.length) return undefined;
      bytes[length++] = 63 + Math.min(empty, longestRun);
    }
    empty = 0;
    if (length === bytes.length) return undefined;
    bytes[length++] = value;
  }
  return length < registers.length ? bytes.subarray(0, length) : undefined;
}

function decodeSparse(bytes: Uint8Array, registers: Uint8Array): void {
  registers.fill(0);
  let slot = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    const run = (63 - byte) >> 31; // all ones for a run: no branch, which would be guessed wrong every other time
    registers[slot] = byte & ~run;
    slot += 1 + ((byte - 64) & run);
  }
  if (slot > registers.length)
    throw new SwaError('view.corrupt', 'a cell has more registers than its sketch');
}

/**
 * Decodes cells one after the other into memory that the next call reuses: `head` says which bucket comes next, then
 * `body` reads it or `skip` moves past it.
 */
export class CellReader implements BucketCell {
  bucket = 0;
  pageviews = 0;
  readonly #registerBytes: number;
  readonly #maxCoupons: number;
  #form = singleForm;
  #coupons = new Uint32Array(256);
  #couponCount = 0;
  /** Of the last cell, when it has registers. */
  #registers: Uint8Array | undefined;
  /** Made when first needed. */
  #unpacked: Uint8Array | undefined;

  constructor(lgK: number) {
    this.#registerBytes = 2 ** lgK;
    this.#maxCoupons = maxCoupons(lgK);
  }

  /** Made when asked for: where many cells of few people are read, views of them cost more than reading. */
  get sketch(): SketchView {
    if (this.#registers !== undefined) return { kind: 'registers', registers: this.#registers };
    return { kind: 'coupons', coupons: this.#coupons.subarray(0, this.#couponCount) };
  }

  /** Copies the coupons to `into` from index `at`; false when there are registers, or no room. */
  copyCoupons(into: Uint32Array, at: number): boolean {
    const count = this.#couponCount;
    if (this.#registers !== undefined || at + count > into.length) return false;
    for (let i = 0; i < count; i++) into[at + i] = this.#coupons[i] ?? 0;
    return true;
  }

  /** Coupons of the last cell; 0 when it has registers. */
  get couponCount(): number {
    return this.#couponCount;
  }

  /** Reads the next cell, whose delta counts from `base`. */
  read(from: ByteReader, base: number): void {
    this.body(from, this.head(from, base));
  }

  /** The bucket of the next cell, whose delta counts from `base`. */
  head(from: ByteReader, base: number): number {
    const head = from.varint();
    this.#form = head % 4;
    return base + Math.floor(head / 4);
  }

  /** Reads the cell whose head was read last. */
  body(from: ByteReader, bucket: number): void {
    this.bucket = bucket;
    this.pageviews = this.#form === singleForm ? 1 : from.varint();
    this.#couponCount = 0;
    this.#registers = undefined;
    if (this.#form === singleForm) {
      this.#readCoupons(from, 1);
    } else if (this.#form === couponsForm) {
      const packed = from.varint();
      const count = Math.floor(packed / 2);
      if (packed % 2 === 0) this.#readCoupons(from, count);
      else this.#readDifferences(from, count);
    } else {
      this.#registers = this.#readRegisters(from);
    }
  }

  /** Moves past the cell whose head was read last. */
  skip(from: ByteReader): void {
    if (this.#form === singleForm) {
      from.skip(4);
      return;
    }
    from.varint();
    if (this.#form === registersForm) {
      from.skip(this.#registerBytes);
    } else if (this.#form === sparseForm) {
      from.skip(from.varint());
    } else {
      const packed = from.varint();
      const count = Math.floor(packed / 2);
      if (packed % 2 === 0) from.skip(4 * count);
      else from.skipVarints(count);
    }
  }

  #readRegisters(from: ByteReader): Uint8Array {
    if (this.#form === registersForm) return from.raw(this.#registerBytes);
    this.#unpacked ??= new Uint8Array(this.#registerBytes);
    decodeSparse(from.raw(from.varint()), this.#unpacked);
    return this.#unpacked;
  }

  #readCoupons(from: ByteReader, count: number): void {
    this.#makeRoom(count);
    from.u32s(this.#coupons, 0, count);
    this.#couponCount = count;
  }

  #readDifferences(from: ByteReader, count: number): void {
    this.#makeRoom(count);
    const coupons = this.#coupons;
    let last = 0;
    for (let i = 0; i < count; i++) coupons[i] = last += from.varint();
    this.#couponCount = count;
  }

  #makeRoom(count: number): void {
    if (count > this.#maxCoupons) throw new SwaError('view.corrupt', `a cell claims ${count} coupons`);
    if (count > this.#coupons.length) this.#coupons = new Uint32Array(this.#maxCoupons);
  }
}
