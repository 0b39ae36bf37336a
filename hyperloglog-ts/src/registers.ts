// The dense state of a sketch: k = 2^lgK registers, one byte each; a register is the largest value among the coupons
// whose address ends in its number. Two things are kept beside them when needed: the histogram that estimates are
// computed from, and the running state of the reference's HIP estimate (historic inverse probability, Cohen 2014 and
// Ting 2014), which exists only while the registers are fed by a single stream.
import { estimateFromCoupons, estimateFromHistogram, inversePower, maxCoupons } from './estimate.js';
import { HllError } from './errors.js';
import { histogramOf, maxInto } from './register-arrays.js';

export class Registers {
  readonly bytes: Uint8Array;
  #histogram: Uint32Array | undefined;
  #hip: Hip | undefined;

  /** Uses the array without copying it. Its length must be a power of two from 16 to 2^21, its values at most 63. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get lgK(): number {
    return 31 - Math.clz32(this.bytes.length);
  }

  /** The HIP estimate so far; undefined if the registers were not fed by a single stream. */
  get hip(): number | undefined {
    return this.#hip?.estimate;
  }

  /** The number of registers that hold each value 0..63. Not a copy; valid until the next change. */
  get histogram(): Uint32Array {
    this.#histogram ??= histogramOf(this.bytes);
    return this.#histogram;
  }

  get estimate(): number {
    return estimateFromHistogram(this.histogram, this.lgK);
  }

  /** Stops at the first nonzero register and needs no histogram, because every merge asks. */
  get isEmpty(): boolean {
    let slot = 0;
    while (this.bytes[slot] === 0) slot++;
    return slot === this.bytes.length;
  }

  get occupied(): number {
    return this.bytes.length - this.histogram[0];
  }

  /** Adds a coupon; returns false if nothing changed. */
  update(coupon: number): boolean {
    const slot = coupon & (this.bytes.length - 1);
    const value = coupon >>> 26;
    const old = this.bytes[slot];
    if (value <= old) return false;
    this.bytes[slot] = value;
    this.#hip?.update(this.bytes.length, old, value);
    const histogram = this.#histogram;
    if (histogram !== undefined) {
      histogram[old]--;
      histogram[value]++;
    }
    return true;
  }

  /** Starts tracking HIP: the registers are fed by one stream, whose estimate so far is given. */
  startHip(estimate: number): void {
    const { low, high } = inverseSums(this.histogram);
    this.#hip = new Hip(estimate, low, high);
  }

  /**
   * Returns true if a stream that led to these registers can have had this HIP estimate. The minimum is 1 for each
   * occupied register. The maximum is the estimate at the promotion from coupons, plus, for each step by which a
   * register grew, the weight of a change of the current registers: earlier changes weighed less.
   */
  canHaveHip(estimate: number): boolean {
    const { low, high } = inverseSums(this.histogram);
    const steps = this.histogram.reduce((sum, count, value) => sum + count * value, 0);
    const beforePromotion = estimateFromCoupons(maxCoupons(this.lgK) + 1);
    const most = beforePromotion + (steps * this.bytes.length) / (low + high);
    return estimate >= this.occupied && estimate <= most;
  }

  /** Stops tracking HIP: the registers are no longer fed by one stream. */
  endHip(): void {
    this.#hip = undefined;
  }

  /** Merges the registers of another stream, which must have the same number. */
  merge(others: Uint8Array): void {
    this.endHip();
    this.#histogram = undefined;
    maxInto(this.bytes, others);
  }

  /** Returns a copy folded to 2^lgK registers, at most the current number. */
  folded(lgK: number): Registers {
    return new Registers(foldRegisters(this.bytes, lgK));
  }

  copy(): Registers {
    const copy = new Registers(this.bytes.slice());
    copy.#hip = this.#hip?.copy();
    return copy;
  }
}

/** Returns the exact sums of 2^-value over the registers with values under 32, and over the others. */
export function inverseSums(histogram: Uint32Array): { low: number; high: number } {
  let low = 0;
  let high = 0;
  for (let value = 0; value < 32; value++) low += histogram[value] * inversePower(value);
  for (let value = 32; value < 64; value++) high += histogram[value] * inversePower(value);
  return { low, high };
}

/** Folds registers to a new array of 2^lgK registers. */
export function foldRegisters(registers: Uint8Array, lgK: number): Uint8Array {
  const k = 2 ** lgK;
  const folded = new Uint8Array(registers.subarray(0, k)); // not slice(), which returns a view for a Buffer
  for (let from = k; from < registers.length; from += k) {
    maxInto(folded, registers.subarray(from, from + k));
  }
  return folded;
}

/** Throws HLL_BAD_REGISTERS unless the length is 2^lgK for an lgK of 4..21 and no value is over 63. Returns lgK. */
export function requireRegisters(registers: Uint8Array): number {
  const lgK = requireRegistersLength(registers);
  const slot = registers.findIndex((value) => value > 63);
  if (slot >= 0) throw overRegister(slot, registers[slot]);
  return lgK;
}

/** Returns the lgK of a register array. Throws HLL_BAD_REGISTERS unless its length is 2^lgK for an lgK of 4..21. */
export function requireRegistersLength(registers: Uint8Array): number {
  const lgK = 31 - Math.clz32(registers.length);
  if (registers.length !== 1 << lgK || lgK < 4 || lgK > 21) {
    throw new HllError(
      'HLL_BAD_REGISTERS',
      `${registers.length} registers: not a power of two from 2^4 to 2^21`,
    );
  }
  return lgK;
}

export function overRegister(slot: number, value: number): HllError {
  return new HllError('HLL_BAD_REGISTERS', `register ${slot} holds ${value}: at most 63 is possible`);
}

class Hip {
  estimate: number;
  #low: number;
  #high: number;

  constructor(estimate: number, low: number, high: number) {
    this.estimate = estimate;
    this.#low = low;
    this.#high = high;
  }

  // A register's change counts as the inverse of the probability that the next new value changes any register.
  update(k: number, old: number, value: number): void {
    this.estimate += k / (this.#low + this.#high);
    if (old < 32) this.#low -= inversePower(old);
    else this.#high -= inversePower(old);
    if (value < 32) this.#low += inversePower(value);
    else this.#high += inversePower(value);
  }

  copy(): Hip {
    return new Hip(this.estimate, this.#low, this.#high);
  }
}
