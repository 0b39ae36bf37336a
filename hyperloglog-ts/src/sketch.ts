// The sketch: which distinct values it has seen, in at most 2^lgK bytes. It holds up to maxCoupons(lgK) coupons one by
// one; the next one turns it to registers for good. Which of the two, and every coupon and register, is a
// function of the set of values alone, whatever the order of updates and merges. Only two things do depend on order,
// for parity with the reference implementations: `hipEstimate` and the layout of `toBytes`, both only as long as
// the sketch is fed by a single stream.
//
// Millions of sketches with a handful of values are the normal case, so the state takes the smallest form that holds it:
//   a number         no coupon (0) or one
//   an array         2 to 24 coupons, in order of arrival
//   a CouponTable    25 and more
//   Registers        over maxCoupons(lgK)
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

/** As many coupons as the first table of the format can hold are found as fast in a plain array of a third the size. */
const arrayLimit = 24;

export type HllMode = 'coupons' | 'registers';

/** What `addTo` fills; HllUnion is one. */
export interface SketchSink {
  addCoupon(coupon: number): void;
  /** The array belongs to the sketch: to be read at once, and not changed. */
  addRegisters(registers: Uint8Array): void;
}

type State = number | readonly number[] | CouponTable | Registers;

export class HllSketch {
  #lgK: number;
  #state: State = 0;
  // Whether all that is here came by updates to this sketch, in one stream.
  #oneStream = true;

  /** An empty sketch with 2^lgK registers to come, lgK 4..21. Throws HLL_BAD_LGK. */
  constructor(options: { readonly lgK?: number } = {}) {
    this.#lgK = requireLgK(options.lgK ?? defaultLgK);
  }

  /** The sketch of a set of coupons, in any order, repeats allowed. Throws HLL_BAD_COUPON on a value part of 0. */
  static fromCoupons(coupons: Uint32Array, lgK: number = defaultLgK): HllSketch {
    const sketch = new HllSketch({ lgK });
    sketch.#oneStream = false;
    sketch.updateCoupons(coupons);
    return sketch;
  }

  /** The sketch with these registers, which are copied; lgK follows from their number. Throws HLL_BAD_REGISTERS. */
  static fromRegisters(registers: Uint8Array): HllSketch {
    const sketch = new HllSketch({ lgK: requireRegisters(registers) });
    sketch.#state = new Registers(Uint8Array.from(registers));
    sketch.#oneStream = false;
    return sketch;
  }

  /**
   * Reads what any DataSketches implementation wrote: every target type, compact or updatable. Throws HllFormatError,
   * naming offset and field, on bytes that are not exactly one valid sketch.
   */
  static fromBytes(bytes: Uint8Array): HllSketch {
    const parts = readSketch(bytes);
    const sketch = new HllSketch({ lgK: parts.lgK });
    if ('coupons' in parts) {
      // A list keeps its order; a table's order cannot be told from its coupons, so it is made to depend on them alone.
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
   * Whether the estimate is the count itself, but for odds below 1 in 10,000: up to 201 values, as long as every value's
   * coupon is held. See `hiddenByCoupons`.
   */
  get isExact(): boolean {
    return !(this.#state instanceof Registers) && hiddenByCoupons(countIn(this.#state)) === 0;
  }

  get isEmpty(): boolean {
    return this.#state === 0 || (this.#state instanceof Registers && this.#state.isEmpty);
  }

  /** Counts a value; false if that changes nothing. Throws as `coupon` does. */
  update(value: HllValue): boolean {
    return this.updateCoupon(couponOf(value));
  }

  /** Counts many values. Throws as `coupons` does; some of those before the bad one are counted then. */
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

  /** Counts a value by its coupon; false if that changes nothing, as with 0. Throws HLL_BAD_COUPON. */
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

  /** Counts the coupons in coupons[from, to); 0 is skipped. Throws HLL_BAD_COUPON, with those before the bad one counted. */
  updateCoupons(coupons: Uint32Array, from = 0, to = coupons.length): void {
    for (let i = from; i < to; i++) this.updateCoupon(coupons[i]);
  }

  /**
   * Counts all that another sketch has counted. The other one stays as it is. Registers of a smaller lgK reduce this
   * sketch to it: which of a larger number of registers a value belongs to is no longer known. A sketch that holds coupons
   * never does, whatever its lgK. The result does not depend on the order in which sketches are merged into this one.
   */
  merge(other: HllSketch): this {
    const theirs = other.#state;
    this.#endStream();
    if (!(theirs instanceof Registers)) this.updateCoupons(couponsIn(theirs));
    else if (!theirs.isEmpty) this.#mergeRegisters(theirs);
    return this;
  }

  /** The number of distinct values; a float. See estimate.ts for how, and for its error. */
  estimate(): number {
    const state = this.#state;
    return state instanceof Registers ? state.estimate : estimateFromCoupons(countIn(state));
  }

  /**
   * The reference's HIP estimate, whose standard error is a fifth smaller (0.833 / sqrt(k)) but which depends on the
   * order of updates. In registers mode it exists only for sketches that are fed by one stream: undefined for merged
   * ones and those made from coupons or registers. In coupons mode it is `estimate()`.
   */
  hipEstimate(): number | undefined {
    return this.#state instanceof Registers ? this.#state.hip : estimateFromCoupons(countIn(this.#state));
  }

  /** The interval of so many standard errors, 0 to 10, to each side of `estimate()`. */
  bounds(sigmas = 2): Bounds {
    const state = this.#state;
    return state instanceof Registers
      ? boundsFromRegisters(state.estimate, state.occupied, this.#lgK, sigmas)
      : boundsFromCoupons(countIn(state), sigmas);
  }

  /** 0.0081 at lgK 14. What the error of `estimate()` comes to for large counts; it is smaller for small ones. */
  get relativeStandardError(): number {
    return relativeStandardError(this.#lgK);
  }

  /** The coupons in ascending order, in a new array; undefined in registers mode. */
  coupons(): Uint32Array | undefined {
    return this.#state instanceof Registers ? undefined : couponsIn(this.#state).toSorted();
  }

  /** The 2^lgK registers; undefined in coupons mode. They are the sketch's own: read only, and not after an update. */
  registers(): Uint8Array | undefined {
    return this.#state instanceof Registers ? this.#state.bytes : undefined;
  }

  /**
   * Hands over all that is here without copying it: the coupons one by one in no special order, or the registers.
   * Nothing, if it is empty.
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

  /** A copy, with the smaller lgK if one is given. Throws HLL_BAD_LGK on a larger one. */
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
   * The sketch in the Apache DataSketches HLL format; see write-bytes.ts. By default HLL_8, compact. Throws
   * HLL_BAD_ARGUMENT on a type or form that there is not.
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

  // Adds a coupon, as a signed integer (which engines store in place), to at most arrayLimit others.
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
    const longer = state.concat(coupon); // exactly as long, where push would leave room to grow
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

  // From here on the sketch is a set and has no history: none that would show in its bytes.
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

/** Of a coupon whose value part is 0: false for 0 itself, which stands for what is not counted. Throws HLL_BAD_COUPON. */
export function refuseCoupon(coupon: number): false {
  if (coupon === 0) return false;
  throw new HllError('HLL_BAD_COUPON', `${coupon} is no coupon: its value part is 0`);
}

function countIn(state: Exclude<State, Registers>): number {
  if (typeof state === 'number') return state === 0 ? 0 : 1;
  return state instanceof CouponTable ? state.count : state.length;
}

function couponsIn(state: Exclude<State, Registers>): Uint32Array {
  if (typeof state === 'number') return Uint32Array.from(state === 0 ? [] : [state]);
  return state instanceof CouponTable ? state.toArray() : Uint32Array.from(state);
}
