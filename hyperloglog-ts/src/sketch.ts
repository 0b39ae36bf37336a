// The sketch: a set of distinct values in at most 2^lgK bytes. It holds up to maxCoupons(lgK) coupons individually;
// with one more it switches to registers for good. The mode, and every coupon and register, depend only on the set of
// values, not on the order of updates and merges. Only two things depend on the order, for parity with the reference
// implementations: `hipEstimate` and the layout of `toBytes`, both only while the sketch is fed by a single stream.
//
// Millions of sketches with a handful of values are the normal case, so the state takes the smallest form that holds
// it:
//   a number         no coupon (0) or one
//   an array         2 to 24 coupons, in order of arrival
//   a CouponTable    25 or more
//   Registers        more than maxCoupons(lgK)
import { coupon as couponOf, coupons as couponsOf, requireBulkValues } from './coupon.js';
import type { BulkValues, HllValue } from './coupon.js';
import { CouponTable } from './coupon-table.js';
import { HllError } from './errors.js';
import {
  boundsFromCoupons,
  boundsFromRegisters,
  estimateFromCoupons,
  hiddenByCoupons,
  maxCoupons,
  relativeStandardError,
} from './estimate.js';
import type { Bounds } from './estimate.js';
import { longestList } from './layout.js';
import { readSketch } from './read-bytes.js';
import { Registers, foldRegisters, requireRegisters } from './registers.js';
import { tableOf, writeList, writeRegisters, writeSet } from './write-bytes.js';
import type { WriteOptions } from './write-bytes.js';

export const defaultLgK = 14;

/**
 * The capacity of the format's first table. Up to that size a plain array is searched as fast, in a third of the
 * memory.
 */
const arrayLimit = 24;

export type HllMode = 'coupons' | 'registers';

/** Receives the content of a sketch from `addTo`. HllUnion implements it. */
export interface SketchSink {
  addCoupon(coupon: number): void;
  /** The array belongs to the sketch: read it at once and do not change it. */
  addRegisters(registers: Uint8Array): void;
}

type State = number | readonly number[] | CouponTable | Registers;

export class HllSketch {
  #lgK: number;
  #state: State = 0;
  // True if the state is the result of updates to this sketch only, in one stream.
  #oneStream = true;

  /** Creates an empty sketch for 2^lgK registers, lgK 4..21. Throws HLL_BAD_LGK. */
  constructor(options: { readonly lgK?: number } = {}) {
    this.#lgK = requireLgK(options.lgK ?? defaultLgK);
  }

  /**
   * Creates a sketch from coupons, in any order, repeats allowed. Throws HLL_BAD_COUPON for a coupon with value part 0,
   * other than 0.
   */
  static fromCoupons(coupons: Uint32Array, lgK: number = defaultLgK): HllSketch {
    const sketch = new HllSketch({ lgK });
    sketch.#oneStream = false;
    sketch.updateCoupons(coupons);
    return sketch;
  }

  /** Creates a sketch from registers, which are copied; their number determines lgK. Throws HLL_BAD_REGISTERS. */
  static fromRegisters(registers: Uint8Array): HllSketch {
    const sketch = new HllSketch({ lgK: requireRegisters(registers) });
    sketch.#state = new Registers(Uint8Array.from(registers));
    sketch.#oneStream = false;
    return sketch;
  }

  /**
   * Reads a sketch written by any DataSketches implementation: every target type, compact or updatable. Throws
   * HllFormatError, naming offset and field, on bytes that are not exactly one valid sketch.
   */
  static fromBytes(bytes: Uint8Array): HllSketch {
    const parts = readSketch(bytes);
    const sketch = new HllSketch({ lgK: parts.lgK });
    if ('coupons' in parts) {
      // A list keeps its order. The original order of a table is unknown, so its coupons are sorted.
      sketch.updateCoupons(parts.coupons.length > longestList ? parts.coupons.toSorted() : parts.coupons);
      return sketch;
    }
    const registers = new Registers(parts.registers);
    if (parts.hip !== undefined && registers.canHaveHip(parts.hip)) registers.startHip(parts.hip);
    else sketch.#oneStream = false;
    sketch.#state = registers;
    return sketch;
  }

  get lgK(): number {
    return this.#lgK;
  }

  get mode(): HllMode {
    return this.#state instanceof Registers ? 'registers' : 'coupons';
  }

  /**
   * True if the estimate is exact, with odds below 1 in 10,000 of being wrong: up to 201 values in coupons mode. See
   * `hiddenByCoupons`.
   */
  get isExact(): boolean {
    return !(this.#state instanceof Registers) && hiddenByCoupons(countIn(this.#state)) === 0;
  }

  get isEmpty(): boolean {
    return this.#state === 0 || (this.#state instanceof Registers && this.#state.isEmpty);
  }

  /** Counts a value; returns false if nothing changed. Throws like `coupon`. */
  update(value: HllValue): boolean {
    return this.updateCoupon(couponOf(value));
  }

  /** Counts many values. Throws like `coupons`; some of the values before the invalid one are counted then. */
  updateAll(values: BulkValues): void {
    requireBulkValues(values);
    const step = 2048;
    const buffer = new Uint32Array(Math.min(step, values.length));
    for (let from = 0; from < values.length; from += step) {
      const to = Math.min(values.length, from + step);
      couponsOf(values, buffer, from, to);
      this.updateCoupons(buffer, 0, to - from);
    }
  }

  /** Counts a value by its coupon; returns false if nothing changed, as for 0. Throws HLL_BAD_COUPON. */
  updateCoupon(coupon: number): boolean {
    const state = this.#state;
    if (coupon >>> 26 === 0) return refuseCoupon(coupon);
    if (state instanceof Registers) return state.update(coupon);
    if (state instanceof CouponTable) {
      if (!state.add(coupon)) return false;
      if (state.count > maxCoupons(this.#lgK)) this.#promote(state.cells, state.count);
      return true;
    }
    return this.#addToFew(state, coupon | 0);
  }

  /**
   * Counts the coupons in coupons[from, to); 0 is skipped. Throws HLL_BAD_COUPON after counting those before the
   * invalid one.
   */
  updateCoupons(coupons: Uint32Array, from = 0, to = coupons.length): void {
    for (let i = from; i < to; i++) this.updateCoupon(coupons[i]);
  }

  /**
   * Adds everything another sketch has counted, without changing that sketch. If it has registers of a smaller lgK,
   * this sketch is reduced to that lgK, because the positions of its values among more registers are unknown; a sketch
   * in coupons mode never causes a reduction. The result does not depend on the order in which sketches are merged into
   * this one.
   */
  merge(other: HllSketch): this {
    const theirs = other.#state;
    this.#endStream();
    if (!(theirs instanceof Registers)) this.updateCoupons(couponsIn(theirs));
    else if (!theirs.isEmpty) this.#mergeRegisters(theirs);
    return this;
  }

  /** Estimates the number of distinct values, as a float. See estimate.ts for the method and its error. */
  estimate(): number {
    const state = this.#state;
    return state instanceof Registers ? state.estimate : estimateFromCoupons(countIn(state));
  }

  /**
   * The reference's HIP estimate. Its standard error is a fifth smaller (0.833 / sqrt(k)), but it depends on the order
   * of updates. In registers mode it exists only for sketches fed by one stream: undefined for merged ones and those
   * created from coupons or registers. In coupons mode it equals `estimate()`.
   */
  hipEstimate(): number | undefined {
    return this.#state instanceof Registers ? this.#state.hip : estimateFromCoupons(countIn(this.#state));
  }

  /** Returns the interval of `sigmas` standard errors, 0 to 10, on each side of `estimate()`. */
  bounds(sigmas = 2): Bounds {
    const state = this.#state;
    return state instanceof Registers
      ? boundsFromRegisters(state.estimate, state.occupied, this.#lgK, sigmas)
      : boundsFromCoupons(countIn(state), sigmas);
  }

  /** The relative error of `estimate()` for large counts, 0.0081 at lgK 14; it is smaller for small counts. */
  get relativeStandardError(): number {
    return relativeStandardError(this.#lgK);
  }

  /** Returns the coupons in ascending order, in a new array; undefined in registers mode. */
  coupons(): Uint32Array | undefined {
    return this.#state instanceof Registers ? undefined : couponsIn(this.#state).toSorted();
  }

  /**
   * Returns the 2^lgK registers; undefined in coupons mode. It is the sketch's own array: read only, and only until the
   * next update.
   */
  registers(): Uint8Array | undefined {
    return this.#state instanceof Registers ? this.#state.bytes : undefined;
  }

  /**
   * Passes the content to `sink` without copying: the coupons one by one in no particular order, or the registers.
   * Passes nothing if the sketch is empty.
   */
  addTo(sink: SketchSink): void {
    const state = this.#state;
    if (state instanceof Registers) {
      if (!state.isEmpty) sink.addRegisters(state.bytes);
    } else if (typeof state === 'number') {
      if (state !== 0) sink.addCoupon(state >>> 0);
    } else {
      const cells = state instanceof CouponTable ? state.cells : state;
      for (let i = 0; i < cells.length; i++) {
        const coupon = cells[i];
        if (coupon !== 0) sink.addCoupon(coupon >>> 0);
      }
    }
  }

  /** Returns a copy, reduced to a smaller lgK if given. Throws HLL_BAD_LGK on a larger one. */
  copy(lgK: number = this.#lgK): HllSketch {
    if (requireLgK(lgK) > this.#lgK) {
      throw new HllError('HLL_BAD_LGK', `cannot raise lgK from ${this.#lgK} to ${lgK}`);
    }
    const copy = new HllSketch({ lgK: this.#lgK });
    copy.#oneStream = this.#oneStream;
    const state = this.#state;
    if (state instanceof Registers) copy.#state = state.copy();
    else if (state instanceof CouponTable) copy.#state = state.copy();
    else copy.#state = state;
    if (lgK !== this.#lgK) copy.#reduce(lgK);
    return copy;
  }

  /**
   * Serialises the sketch in the Apache DataSketches HLL format; see write-bytes.ts. Default: HLL_8, compact. Throws
   * HLL_BAD_ARGUMENT on an unknown type or form.
   */
  toBytes(options: WriteOptions = {}): Uint8Array {
    const state = this.#state;
    if (state instanceof Registers) return writeRegisters(state, options);
    const coupons = couponsIn(state);
    if (!this.#oneStream) coupons.sort();
    if (coupons.length <= longestList) return writeList(coupons, this.#lgK, options);
    const table = this.#oneStream && state instanceof CouponTable ? state : tableOf(coupons);
    return writeSet(this.#oneStream ? table.toArray() : coupons, table, this.#lgK, options);
  }

  // Adds a coupon to at most arrayLimit others, as a signed integer, which engines store without boxing.
  #addToFew(state: number | readonly number[], coupon: number): boolean {
    if (state === 0) {
      this.#state = coupon;
      return true;
    }
    if (typeof state === 'number') {
      if (state === coupon) return false;
      this.#state = [state, coupon];
      return true;
    }
    if (state.includes(coupon)) return false;
    const longer = state.concat(coupon); // exact length; push would reserve room to grow
    if (longer.length > maxCoupons(this.#lgK)) this.#promote(longer, longer.length);
    else this.#state = longer.length > arrayLimit ? tableOf(longer) : longer;
    return true;
  }

  #promote(coupons: Iterable<number>, count: number): void {
    const registers = new Registers(new Uint8Array(2 ** this.#lgK));
    for (const coupon of coupons) if (coupon !== 0) registers.update(coupon);
    if (this.#oneStream) registers.startHip(estimateFromCoupons(count));
    this.#state = registers;
  }

  // From now on the sketch is only a set: its bytes no longer depend on its history.
  #endStream(): void {
    this.#oneStream = false;
    if (this.#state instanceof Registers) this.#state.endHip();
  }

  #mergeRegisters(theirs: Registers): void {
    if (theirs.lgK < this.#lgK) this.#reduce(theirs.lgK);
    const mine = this.#state;
    if (mine instanceof Registers) {
      mine.merge(theirs.lgK > this.#lgK ? foldRegisters(theirs.bytes, this.#lgK) : theirs.bytes);
      return;
    }
    const merged = new Registers(foldRegisters(theirs.bytes, this.#lgK));
    for (const coupon of couponsIn(mine)) merged.update(coupon);
    this.#state = merged;
  }

  #reduce(lgK: number): void {
    const state = this.#state;
    this.#lgK = lgK;
    this.#oneStream = false;
    if (state instanceof Registers) {
      this.#state = state.folded(lgK);
    } else if (countIn(state) > maxCoupons(lgK)) {
      this.#promote(couponsIn(state), countIn(state));
    }
  }
}

/** Throws HLL_BAD_LGK unless lgK is an integer from 4 to 21. */
export function requireLgK(lgK: number): number {
  if (!Number.isInteger(lgK) || lgK < 4 || lgK > 21) {
    throw new HllError('HLL_BAD_LGK', `lgK is ${lgK}, not an integer from 4 to 21`);
  }
  return lgK;
}

/**
 * Handles a coupon whose value part is 0: returns false for 0, which stands for an uncounted value, and throws
 * HLL_BAD_COUPON otherwise.
 */
export function refuseCoupon(coupon: number): false {
  if (coupon === 0) return false;
  throw new HllError('HLL_BAD_COUPON', `${coupon} is not a coupon: its value part is 0`);
}

function countIn(state: Exclude<State, Registers>): number {
  if (typeof state === 'number') return state === 0 ? 0 : 1;
  return state instanceof CouponTable ? state.count : state.length;
}

function couponsIn(state: Exclude<State, Registers>): Uint32Array {
  if (typeof state === 'number') return Uint32Array.from(state === 0 ? [] : [state]);
  return state instanceof CouponTable ? state.toArray() : Uint32Array.from(state);
}
