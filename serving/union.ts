/** Uniting coupons while a view is built: bounded memory whatever the number of people. */
import type { ByteWriter } from './bytes.js';
import { deriveLimitOf, maxCouponsOf, writeCouponCell, writeRegisterCell } from './cells.js';

/** Raises the registers to the coupons' values. */
export function applyCoupons(registers: Uint8Array, coupons: Uint32Array, from: number, to: number): void {
  const mask = registers.length - 1;
  for (let i = from; i < to; i++) {
    const coupon = coupons[i] ?? 0;
    const slot = coupon & mask;
    const value = coupon >>> 26;
    if (value > (registers[slot] ?? 0)) registers[slot] = value;
  }
}

/** Sorts `coupons[0, length)` and drops repeats; returns how many are left. */
export function sortUnique(coupons: Uint32Array, length: number): number {
  coupons.subarray(0, length).sort();
  let kept = 0;
  for (let i = 0; i < length; i++) {
    const coupon = coupons[i] ?? 0;
    if (kept === 0 || coupon !== coupons[kept - 1]) coupons[kept++] = coupon;
  }
  return kept;
}

/** The union of a day's or month's people: coupons until there are too many, then registers. */
export class Union {
  /** Coupons that came in, repeats counted: what deriving this bucket would have to read. */
  added = 0;
  #pageviews = 0;
  #length = 0;
  #dense = false;
  readonly #coupons: Uint32Array;
  readonly #registers: Uint8Array;
  readonly #maxCoupons: number;

  constructor(lgK: number) {
    this.#maxCoupons = maxCouponsOf(lgK);
    this.#coupons = new Uint32Array(Math.max(4 * this.#maxCoupons, 2 * deriveLimitOf(lgK)));
    this.#registers = new Uint8Array(2 ** lgK);
  }

  add(pageviews: number, coupons: Uint32Array, from: number, to: number): void {
    this.#pageviews += pageviews;
    this.added += to - from;
    this.#addCoupons(coupons, from, to);
  }

  /** Adds what the other has gathered; `added` grows by what it read, since a derived month reads hours. */
  addUnion(other: Union): void {
    this.#pageviews += other.#pageviews;
    this.added += other.added;
    if (!other.#dense) {
      this.#addCoupons(other.#coupons, 0, other.#length);
      return;
    }
    this.#makeDense();
    const registers = this.#registers;
    for (let i = 0; i < registers.length; i++) {
      const value = other.#registers[i] ?? 0;
      if (value > (registers[i] ?? 0)) registers[i] = value;
    }
  }

  writeCell(out: ByteWriter): void {
    if (!this.#dense) this.#length = sortUnique(this.#coupons, this.#length);
    if (this.#length > this.#maxCoupons) this.#makeDense();
    if (this.#dense) writeRegisterCell(out, 0, this.#pageviews, this.#registers);
    else writeCouponCell(out, 0, this.#pageviews, this.#coupons, 0, this.#length);
  }

  clear(): void {
    this.added = 0;
    this.#pageviews = 0;
    this.#length = 0;
    if (this.#dense) this.#registers.fill(0);
    this.#dense = false;
  }

  #addCoupons(coupons: Uint32Array, from: number, to: number): void {
    if (!this.#dense && this.#length + (to - from) > this.#coupons.length) this.#compact(to - from);
    if (this.#dense) {
      applyCoupons(this.#registers, coupons, from, to);
      return;
    }
    this.#coupons.set(coupons.subarray(from, to), this.#length);
    this.#length += to - from;
  }

  #compact(needed: number): void {
    this.#length = sortUnique(this.#coupons, this.#length);
    const room = this.#coupons.length - this.#length;
    // `needed` coupons are distinct, so if they do not fit there are more than `maxCoupons` in them or here.
    if (this.#length > this.#maxCoupons || needed > room) this.#makeDense();
  }

  #makeDense(): void {
    if (this.#dense) return;
    this.#dense = true;
    applyCoupons(this.#registers, this.#coupons, 0, this.#length);
    this.#length = 0;
  }
}
