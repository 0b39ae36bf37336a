/** Unites coupons while a view is built, in bounded memory whatever the number of people. */
import { HllUnion, maxCoupons } from 'hyperloglog-ts';
import { sortNumbers } from '../../lib/memory/sort-numbers.js';
import type { ByteWriter } from './bytes.js';
import { deriveLimitOf, writeCouponCell, writeRegisterCell } from './cells.js';

/** Raises the registers to the coupons' values. */
export function applyCoupons(registers: Uint8Array, coupons: Uint32Array, from: number, to: number): void {
  const mask = registers.length - 1;
  for (let i = from; i < to; i++) {
    const coupon = coupons[i];
    const slot = coupon & mask;
    const value = coupon >>> 26;
    if (value > registers[slot]) registers[slot] = value;
  }
}

/** Sorts `coupons[0, length)` and removes duplicates; returns the number left. */
export function sortUnique(coupons: Uint32Array, length: number): number {
  sortNumbers(coupons, 0, length);
  let kept = 0;
  for (let i = 0; i < length; i++) {
    const coupon = coupons[i];
    if (kept === 0 || coupon !== coupons[kept - 1]) coupons[kept++] = coupon;
  }
  return kept;
}

/** The union of a day's or month's people: a list of coupons while deriving the cell is cheap, then an HLL union. */
export class Union {
  /** Number of coupons added, with duplicates: what deriving this cell would have to read. */
  added = 0;
  #pageviews = 0;
  /** All coupons, until they no longer fit. */
  readonly #list: Uint32Array;
  readonly #union: HllUnion;
  /** Cached coupons of `#union`, used for the day's cell and again for its month; undefined after a change. */
  #coupons: Uint32Array | undefined;

  constructor(span: 'day' | 'month', lgK: number) {
    this.#list = new Uint32Array(deriveLimitOf(span, lgK));
    this.#union = new HllUnion({ lgK });
  }

  /** Whether it outgrew the list, so that it gets a cell of its own. */
  get isStored(): boolean {
    return this.added > this.#list.length;
  }

  add(pageviews: number, coupons: Uint32Array, from: number, to: number): void {
    this.#pageviews += pageviews;
    this.#coupons = undefined;
    if (this.#keeps(to - from)) {
      const list = this.#list;
      for (let i = from, at = this.added; i < to; i++) list[at++] = coupons[i];
    } else {
      this.#union.addCoupons(coupons, from, to);
    }
    this.added += to - from;
  }

  /** Adds a bucket as registers: it has more people than are kept as coupons. */
  addRegisters(pageviews: number, registers: Uint8Array): void {
    this.#pageviews += pageviews;
    this.#coupons = undefined;
    const more = maxCoupons(Math.log2(registers.length)) + 1;
    this.#keeps(more);
    this.#union.addRegisters(registers);
    this.added += more;
  }

  /** Adds another union. `added` grows by its `added`, since deriving a month reads base cells. */
  addUnion(other: Union): void {
    if (!other.isStored) {
      this.add(other.#pageviews, other.#list, 0, other.added);
      return;
    }
    this.#pageviews += other.#pageviews;
    this.#coupons = undefined;
    this.#keeps(other.added);
    const registers = other.#union.registers();
    if (registers !== undefined) this.#union.addRegisters(registers);
    else this.#union.addCoupons(other.#distinct() ?? new Uint32Array(0));
    this.added += other.added;
  }

  /** Only if `isStored`. */
  writeCell(out: ByteWriter): void {
    const coupons = this.#distinct();
    if (coupons !== undefined) {
      writeCouponCell(out, 0, this.#pageviews, coupons, 0, coupons.length);
    } else {
      writeRegisterCell(out, 0, this.#pageviews, this.#union.registers() ?? new Uint8Array(0));
    }
  }

  clear(): void {
    this.#coupons = undefined;
    if (this.isStored) this.#union.reset();
    this.added = 0;
    this.#pageviews = 0;
  }

  /** Distinct coupons, ascending; undefined if there are too many. */
  #distinct(): Uint32Array | undefined {
    return (this.#coupons ??= this.#union.coupons());
  }

  /** Whether `more` coupons still fit into the list. If not, its content moves to the union. */
  #keeps(more: number): boolean {
    if (this.isStored) return false;
    if (this.added + more <= this.#list.length) return true;
    this.#union.addCoupons(this.#list, 0, this.added);
    return false;
  }
}
