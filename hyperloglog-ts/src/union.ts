// Merging many sketches into one, again and again, without making a sketch of any intermediate result. A union keeps a
// working buffer of its own inside the kernels' memory, so that registers are merged by SIMD where they lie; sources
// may be views of foreign memory, such as a mapped file, and are only ever copied in. As long as no source has
// registers it collects coupons in a hash table and never touches the buffer.
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

// A table with room from the start: it is found by fewer probes and need not grow, at 8 KiB to clear for the next use.
const lgRoomyTable = 11;

export class HllUnion {
  readonly #largestLgK: number;
  readonly #kernels: Kernels;
  readonly #histogram: Uint32Array;
  readonly #coupons: CouponTable;
  readonly #workAt: number;
  /** Coupons at `#workAt`. */
  readonly #work: Uint32Array;
  #lgK: number;
  #registers: Uint8Array;
  #couponLimit: number;
  #dense = false;
  #histogramIsCurrent = false;
  readonly #raise = (coupon: number): void => this.#update(coupon);

  /** An empty union with room for 2^lgK registers, lgK 4..21: three times that many bytes, and some. Throws HLL_BAD_LGK. */
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

  /** The smallest of the union's own lgK and those of the registers, empty ones apart, added since the last reset. */
  get lgK(): number {
    return this.#lgK;
  }

  get mode(): HllMode {
    return this.#dense ? 'registers' : 'coupons';
  }

  /** Coupons held, all different; 0 in registers mode. */
  get couponCount(): number {
    return this.#dense ? 0 : this.#coupons.count;
  }

  /** Whether the estimate is the count itself: as of a sketch. */
  get isExact(): boolean {
    return !this.#dense && hiddenByCoupons(this.#coupons.count) === 0;
  }

  /** Empties the union; its buffer stays for the next use. */
  reset(): this {
    this.#coupons.clear();
    this.#dense = false;
    if (this.#lgK !== this.#largestLgK) this.#setLgK(this.#largestLgK);
    return this;
  }

  /**
   * Adds the coupons in coupons[from, to): a small sketch, or several. In any order; 0, the coupon of what is not
   * counted, is skipped. Throws HLL_BAD_COUPON, with those before the bad one added.
   */
  addCoupons(coupons: Uint32Array, from = 0, to = coupons.length): this {
    let i = from;
    for (; i < to && !this.#dense; i++) this.addCoupon(coupons[i]);
    if (i < to) this.#updateAll(coupons, i, to);
    return this;
  }

  /**
   * Adds `count` ascending coupons, written as varints (LEB128) of the differences between them, the first from 0: at
   * most `maxCoupons(lgK)`. Throws HLL_BAD_COUPON for bytes that are not that.
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
   * Adds 2^lgK registers, one byte each: a large sketch. The array may be a view into foreign memory. If it is longer
   * than the union's, it is folded; if it is shorter, the union is. Throws HLL_BAD_REGISTERS on an impossible length,
   * and on a register over 63; the union is then empty.
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

  /** Adds what `packRegisters` made of registers. Throws HLL_BAD_REGISTERS for other bytes; the union is then empty. */
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

  /** Adds a sketch, as `merge` does: if it has registers, and fewer than the union, the union is folded to as many. */
  addSketch(sketch: HllSketch): this {
    sketch.addTo(this);
    return this;
  }

  /** The number of distinct values in all that was added. */
  estimate(): number {
    if (!this.#dense) return estimateFromCoupons(this.#coupons.count);
    return estimateFromHistogram(this.#currentHistogram(), this.#lgK);
  }

  /** The interval of so many standard errors, 0 to 10, to each side of `estimate()`. */
  bounds(sigmas = 2): Bounds {
    if (!this.#dense) return boundsFromCoupons(this.#coupons.count, sigmas);
    const occupied = this.#registers.length - this.#currentHistogram()[0];
    return boundsFromRegisters(this.estimate(), occupied, this.#lgK, sigmas);
  }

  /** The coupons in ascending order, in a new array; undefined in registers mode. */
  coupons(): Uint32Array | undefined {
    return this.#dense ? undefined : this.#coupons.toArray().toSorted();
  }

  /** The registers; undefined in coupons mode. This is the working buffer: read only, and before the next change. */
  registers(): Uint8Array | undefined {
    return this.#dense ? this.#registers : undefined;
  }

  /**
   * In coupons mode: writes the coupons to the start of `into`, in no special order, and returns how many they are. -1 in
   * registers mode. Throws HLL_BAD_ARGUMENT unless `into` has room for one more than they are.
   */
  copyCoupons(into: Uint32Array): number {
    if (this.#dense) return -1;
    const { cells, count: all } = this.#coupons;
    if (into.length <= all) {
      throw new HllError('HLL_BAD_ARGUMENT', `no room for ${all} coupons and one more: ${into.length}`);
    }
    let count = 0;
    for (let cell = 0; cell < cells.length; cell++) {
      const coupon = cells[cell];
      into[count] = coupon; // overwritten by the next one if it is 0: no branch to guess wrong
      count += (coupon | -coupon) >>> 31;
    }
    return count;
  }

  /** A sketch of its own with all that was added. */
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
