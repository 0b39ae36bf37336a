// Merges many sketches into one, repeatedly, without creating intermediate sketches. A union has a working buffer in
// the kernels' memory, where registers are merged by SIMD in place. Sources may be views of foreign memory, such as a
// mapped file, and are only copied in. As long as no source has registers, it collects coupons in a hash table and does
// not use the buffer.
import { CouponTable } from './coupon-table.js';
import { HllError } from './errors.js';
import {
  boundsFromCoupons,
  boundsFromRegisters,
  estimateFromCoupons,
  estimateFromHistogram,
  hiddenByCoupons,
  maxCoupons,
} from './estimate.js';
import type { Bounds } from './estimate.js';
import { createKernels, reservedBytes, slackBytes } from './kernels.js';
import type { Backend, Kernels } from './kernels.js';
import { lgSmallestSet } from './layout.js';
import { mergePacked, packedLgK, packedWorkBytes, unpackRegisters } from './packed.js';
import { foldRegisters, requireRegistersLength } from './registers.js';
import { HllSketch, defaultLgK, refuseCoupon, requireLgK } from './sketch.js';
import type { HllMode } from './sketch.js';

// A table that is large from the start needs fewer probes and no growth; clearing it for the next use costs 8 KiB.
const lgRoomyTable = 11;

export class HllUnion {
  readonly #largestLgK: number;
  readonly #kernels: Kernels;
  readonly #histogram: Uint32Array;
  readonly #coupons: CouponTable;
  readonly #workAt: number;
  /** The coupons at `#workAt`. */
  readonly #work: Uint32Array;
  #lgK: number;
  #registers: Uint8Array;
  #couponLimit: number;
  #dense = false;
  #histogramIsCurrent = false;
  readonly #raise = (coupon: number): void => this.#update(coupon);

  /**
   * Creates an empty union for 2^lgK registers, lgK 4..21. It takes a little more than three times that many bytes.
   * Throws HLL_BAD_LGK.
   */
  constructor(options: { readonly lgK?: number; readonly backend?: Backend } = {}) {
    const lgK = requireLgK(options.lgK ?? defaultLgK);
    const k = 2 ** lgK;
    this.#workAt = reservedBytes + k + slackBytes;
    this.#kernels = createKernels(this.#workAt + packedWorkBytes(lgK) + slackBytes, options.backend);
    this.#histogram = new Uint32Array(this.#kernels.bytes.buffer, 0, 64);
    this.#work = new Uint32Array(this.#kernels.bytes.buffer, this.#workAt, maxCoupons(lgK));
    this.#largestLgK = lgK;
    this.#lgK = lgK;
    this.#registers = this.#bufferOf(lgK);
    this.#couponLimit = maxCoupons(lgK);
    this.#coupons = new CouponTable(Math.min(lgRoomyTable, Math.max(lgSmallestSet, lgK - 3)));
  }

  /** The smallest of the union's own lgK and those of all nonempty registers added since the last reset. */
  get lgK(): number {
    return this.#lgK;
  }

  get mode(): HllMode {
    return this.#dense ? 'registers' : 'coupons';
  }

  /** Number of distinct coupons held; 0 in registers mode. */
  get couponCount(): number {
    return this.#dense ? 0 : this.#coupons.count;
  }

  /** True if the estimate is exact, as for a sketch. */
  get isExact(): boolean {
    return !this.#dense && hiddenByCoupons(this.#coupons.count) === 0;
  }

  /** Empties the union and keeps its buffer. */
  reset(): this {
    this.#coupons.clear();
    this.#dense = false;
    if (this.#lgK !== this.#largestLgK) this.#setLgK(this.#largestLgK);
    return this;
  }

  /**
   * Adds the coupons in coupons[from, to), of one or several small sketches, in any order. 0, which stands for an
   * uncounted value, is skipped. Throws HLL_BAD_COUPON after adding those before the invalid one.
   */
  addCoupons(coupons: Uint32Array, from = 0, to = coupons.length): this {
    let i = from;
    for (; i < to && !this.#dense; i++) this.addCoupon(coupons[i]);
    if (i < to) this.#updateAll(coupons, i, to);
    return this;
  }

  /**
   * Adds `count` ascending coupons, encoded as varints (LEB128) of their differences, the first from 0; at most
   * `maxCoupons(lgK)`. Throws HLL_BAD_COUPON for other bytes.
   *
   * @param change may replace coupons in place before they are added
   */
  addDifferences(
    bytes: Uint8Array,
    count: number,
    change?: (coupons: Uint32Array, count: number) => void,
  ): this {
    const from = this.#workAt + 4 * count;
    if (count > maxCoupons(this.#largestLgK) || bytes.length > 5 * count) throw badDifferences(bytes, count);
    this.#kernels.bytes.set(bytes, from);
    const end = this.#kernels.sumVarints(this.#workAt, from, count);
    if (end !== from + bytes.length || (count > 0 && this.#work[0] === 0)) throw badDifferences(bytes, count);
    change?.(this.#work, count);
    return this.addCoupons(this.#work, 0, count);
  }

  /** Adds one coupon; 0 changes nothing. Throws HLL_BAD_COUPON. */
  addCoupon(coupon: number): void {
    if (coupon >>> 26 === 0) refuseCoupon(coupon);
    else if (this.#dense) this.#update(coupon);
    else if (this.#coupons.add(coupon) && this.#coupons.count > this.#couponLimit) this.#promote();
  }

  /**
   * Adds 2^lgK registers of a large sketch, one byte each. The array may be a view of foreign memory. If it is longer
   * than the union's registers it is folded; if it is shorter the union is. Throws HLL_BAD_REGISTERS for an invalid
   * length, and for a register over 63, which leaves the union empty.
   */
  addRegisters(registers: Uint8Array): this {
    const lgK = requireRegistersLength(registers);
    if (lgK < this.#lgK) this.#reduce(lgK);
    const { length } = this.#registers;
    if (!this.#dense) this.#promote();
    this.#histogramIsCurrent = false;
    for (let from = 0; from < registers.length; from += length) {
      const part = registers.length === length ? registers : registers.subarray(from, from + length);
      this.#kernels.bytes.set(part, this.#workAt);
      if (this.#kernels.maxMerge(reservedBytes, this.#workAt, length) !== 0) {
        this.reset();
        throw new HllError('HLL_BAD_REGISTERS', 'a register is over 63');
      }
    }
    return this;
  }

  /** Adds the output of `packRegisters`. Throws HLL_BAD_REGISTERS for other bytes, and then leaves the union empty. */
  addPacked(packed: Uint8Array): this {
    try {
      if (packedLgK(packed) !== this.#lgK) return this.addRegisters(unpackRegisters(packed));
      if (!this.#dense) this.#promote();
      this.#histogramIsCurrent = false;
      mergePacked(this.#kernels, reservedBytes, this.#workAt, packed, this.#raise);
    } catch (error) {
      this.reset();
      throw error;
    }
    return this;
  }

  /** Adds a sketch, like `merge`: if it has fewer registers than the union, the union is folded to that number. */
  addSketch(sketch: HllSketch): this {
    sketch.addTo(this);
    return this;
  }

  /** Estimates the number of distinct values added. */
  estimate(): number {
    if (!this.#dense) return estimateFromCoupons(this.#coupons.count);
    return estimateFromHistogram(this.#currentHistogram(), this.#lgK);
  }

  /** Returns the interval of `sigmas` standard errors, 0 to 10, on each side of `estimate()`. */
  bounds(sigmas = 2): Bounds {
    if (!this.#dense) return boundsFromCoupons(this.#coupons.count, sigmas);
    const occupied = this.#registers.length - this.#currentHistogram()[0];
    return boundsFromRegisters(this.estimate(), occupied, this.#lgK, sigmas);
  }

  /** Returns the coupons in ascending order, in a new array; undefined in registers mode. */
  coupons(): Uint32Array | undefined {
    return this.#dense ? undefined : this.#coupons.toArray().toSorted();
  }

  /**
   * Returns the registers; undefined in coupons mode. This is the working buffer: read only, and only until the next
   * change.
   */
  registers(): Uint8Array | undefined {
    return this.#dense ? this.#registers : undefined;
  }

  /**
   * Writes the coupons to the start of `into`, in no particular order, and returns their number, or -1 in registers
   * mode. Throws HLL_BAD_ARGUMENT unless `into` has room for one more coupon than there are.
   */
  copyCoupons(into: Uint32Array): number {
    if (this.#dense) return -1;
    const { cells, count: all } = this.#coupons;
    if (into.length <= all) {
      throw new HllError('HLL_BAD_ARGUMENT', `into has room for ${into.length} coupons, needs ${all + 1}`);
    }
    let count = 0;
    for (let cell = 0; cell < cells.length; cell++) {
      const coupon = cells[cell];
      into[count] = coupon; // a 0 is overwritten by the next coupon, which avoids a branch
      count += (coupon | -coupon) >>> 31;
    }
    return count;
  }

  /** Returns a new sketch with everything that was added. */
  toSketch(): HllSketch {
    return this.#dense
      ? HllSketch.fromRegisters(this.#registers)
      : HllSketch.fromCoupons(this.#coupons.toArray(), this.#lgK);
  }

  #update(coupon: number): void {
    const slot = coupon & (this.#registers.length - 1);
    const value = coupon >>> 26;
    if (value <= this.#registers[slot]) return;
    this.#registers[slot] = value;
    this.#histogramIsCurrent = false;
  }

  #updateAll(coupons: Uint32Array, from: number, to: number): void {
    const registers = this.#registers;
    const mask = registers.length - 1;
    this.#histogramIsCurrent = false;
    for (let i = from; i < to; i++) {
      const coupon = coupons[i];
      const value = coupon >>> 26;
      if (value === 0) refuseCoupon(coupon);
      const slot = coupon & mask;
      if (value > registers[slot]) registers[slot] = value;
    }
  }

  #promote(): void {
    this.#registers.fill(0);
    this.#dense = true;
    this.#histogramIsCurrent = false;
    for (const coupon of this.#coupons.cells) if (coupon !== 0) this.#update(coupon);
  }

  #reduce(lgK: number): void {
    const larger = this.#registers;
    this.#setLgK(lgK);
    if (this.#dense) this.#registers.set(foldRegisters(larger, lgK));
    else if (this.#coupons.count > this.#couponLimit) this.#promote();
  }

  #setLgK(lgK: number): void {
    this.#lgK = lgK;
    this.#couponLimit = maxCoupons(lgK);
    this.#registers = this.#bufferOf(lgK);
    this.#histogramIsCurrent = false;
  }

  #bufferOf(lgK: number): Uint8Array {
    return this.#kernels.bytes.subarray(reservedBytes, reservedBytes + 2 ** lgK);
  }

  #currentHistogram(): Uint32Array {
    if (!this.#histogramIsCurrent) this.#kernels.histogram(reservedBytes, this.#registers.length);
    this.#histogramIsCurrent = true;
    return this.#histogram;
  }
}

function badDifferences(bytes: Uint8Array, count: number): HllError {
  return new HllError('HLL_BAD_COUPON', `${bytes.length} bytes that are not ${count} coupons`);
}
