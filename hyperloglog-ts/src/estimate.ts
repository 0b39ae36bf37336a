// Computes estimates and error bounds from the state of a sketch. All functions are pure, so an estimate does not
// depend on the order of updates or merges.
//
// Few values are held as coupons, and the estimate is based on their count. Many are held as k registers, and the
// estimate is the maximum likelihood estimate of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog
// sketches" (arXiv:1702.01284, algorithm 8). It needs only how often each register value occurs, and has the smallest
// error that registers allow: sqrt(3 ln 2 - 1) / sqrt(k) for large counts, less for small ones.
import { HllError } from './errors.js';

/** An interval that contains the true count with the requested confidence. */
export interface Bounds {
  readonly lower: number;
  readonly upper: number;
}

/** Returns the maximum number of coupons of a sketch before it switches to registers: 1,536 at lgK 14, 384 at 12. */
export function maxCoupons(lgK: number): number {
  return lgK < 8 ? 7 : 3 << (lgK - 5);
}

/** Returns the standard error of `estimate()` in registers mode, relative to the true count: 0.0081 at lgK 14. */
export function relativeStandardError(lgK: number): number {
  return Math.sqrt((3 * Math.LN2 - 1) / 2 ** lgK);
}

/**
 * Estimates the number of distinct values behind `count` distinct coupons: the count plus the expected number of values
 * that share a coupon, 0.006 at 1,536 coupons. Two values share one with probability 2^-26 / 3.
 */
export function estimateFromCoupons(count: number): number {
  let first = 0;
  while (first < lastCubic && count >= curveCoupons[first + 2]) first++;
  let sum = 0;
  for (let i = first; i < first + 4; i++) {
    let above = 1;
    let below = 1;
    for (let j = first; j < first + 4; j++) {
      if (j === i) continue;
      above *= count - curveCoupons[j];
      below *= curveCoupons[i] - curveCoupons[j];
    }
    sum += (curveValues[i] * above) / below;
  }
  return Math.max(count, sum);
}

// Numbers of distinct values behind numbers of distinct coupons in a space of 2^26 addresses: the curve of the
// reference implementations, as far as a sketch can hold coupons. A cubic through the four surrounding points
// (Lagrange) gives their estimates to the last bit.
const curveCoupons = [0, 1, 20, 400, 8_000, 160_000, 300_000, 600_000];
const curveValues = [
  0, 1, 20.0000009437402611, 400.000396371338411, 8000.1589294602090376, 160063.6067763759638183,
  300223.7071597663452849, 600895.5933856170158833,
];
const lastCubic = curveCoupons.length - 4;

/**
 * Returns bounds for `count` coupons, `sigmas` standard errors on each side. The lower bound is at least the count; the
 * upper one is at least the count plus `hiddenByCoupons`, because the error is a whole number of values, usually 0,
 * which a standard error does not describe.
 */
export function boundsFromCoupons(count: number, sigmas: number): Bounds {
  const estimate = estimateFromCoupons(count);
  const error = requireSigmas(sigmas) * couponStandardError;
  return {
    lower: Math.max(count, estimate / (1 + error)),
    upper: Math.max(count + hiddenByCoupons(count), estimate / (1 - error)),
  };
}

/**
 * Returns how many more values than coupons there may be because some share one; there are more with odds below 1 in
 * 10,000. 0 up to 201 coupons, 1 up to 2,392. Two values share a coupon with odds of 1 in 3 * 2^26 (26 bits of address,
 * and a value that is v with odds of 2^-v: the sum of 4^-v is 1/3), so among n values n (n - 1) / 6 / 2^26 pairs are
 * expected, and their number has a Poisson distribution.
 */
export function hiddenByCoupons(count: number): number {
  return maxPairs((count * (count - 1)) / 6 / 2 ** 26);
}

/**
 * Returns how many pairs of values may share a coupon if `expected` pairs are expected; there are more with odds below
 * 1 in 10,000. 0 if less than 1 in 10,000 is expected.
 */
export function maxPairs(expected: number): number {
  // The odds of more than m - 1 pairs are below expected^m / m!, which decides the usual cases.
  if (expected < oddsOfBeingWrong) return 0;
  if (expected ** 2 / 2 < oddsOfBeingWrong) return 1;
  if (expected > manyPairs) return Math.ceil(expected + sigmasOfBeingWrong * Math.sqrt(expected) + 1);
  let odds = Math.exp(-expected); // of exactly this many pairs
  let oddsOfMore = -Math.expm1(-expected);
  let pairs = 0;
  while (oddsOfMore >= oddsOfBeingWrong) {
    pairs++;
    odds *= expected / pairs;
    oddsOfMore -= odds;
  }
  return pairs;
}

const oddsOfBeingWrong = 1e-4;
/** Above this the Poisson distribution is nearly normal, and this many standard deviations leave those odds. */
const manyPairs = 100;
const sigmasOfBeingWrong = 3.8;

// Relative error due to collisions among 2^26 addresses, as in the reference implementations.
const couponStandardError = 0.409 / 2 ** 13;

/**
 * Returns the maximum likelihood estimate from a histogram of registers: histogram[v] of the 2^lgK registers hold v, 0
 * <= v <= 63. Infinity if every register holds 63.
 */
export function estimateFromHistogram(histogram: Uint32Array, lgK: number): number {
  const k = 1 << lgK;
  const zeros = histogram[0];
  const occupied = k - zeros;
  if (occupied === 0) return 0;
  if (histogram[63] === k) return Infinity;

  let lowest = 1;
  while (histogram[lowest] === 0) lowest++;
  lowest = Math.min(lowest, 62);
  let highest = 62;
  while (histogram[highest] === 0 && highest > lowest) highest--;

  // The likelihood's derivative has its root where `linear * x + (a saturating sum over the registers)` = occupied.
  let sum = 0;
  for (let v = highest; v >= lowest; v--) sum = sum * 0.5 + histogram[v];
  sum *= inversePower(lowest);
  const linear = sum + zeros;
  const saturated = histogram[63];
  const slope = sum + saturated * inversePower(62);
  const atHighest = saturated + histogram[highest];

  let x =
    slope <= 1.5 * linear ? occupied / (slope / 2 + linear) : (occupied / slope) * Math.log1p(slope / linear);
  const tolerance = 0.01 / Math.sqrt(k);
  let step = x;
  let previous = 0;
  // The secant method converges from this start in two or three steps; the limit ensures termination on any input.
  for (let round = 0; round < 100 && step > x * tolerance; round++) {
    const exponent = x < 1 ? 1 : 2 + Math.floor(Math.log2(x));
    let y = x * inversePower(Math.max(highest, exponent) + 1);
    const square = y * y;
    let h = y - square / 3 + square * square * (1 / 45 - square / 472.5);
    for (let v = exponent - 1; v >= highest; v--) {
      h = (y + h * (1 - h)) / (y + (1 - h));
      y += y;
    }
    let value = atHighest * h;
    for (let v = highest - 1; v >= lowest; v--) {
      h = (y + h * (1 - h)) / (y + (1 - h));
      y += y;
      value += histogram[v] * h;
    }
    value += x * linear;
    step = value > previous && occupied >= value ? (step * (occupied - value)) / (value - previous) : 0;
    x += step;
    previous = value;
  }
  return k * x;
}

const inversePowers = Float64Array.from({ length: 128 }, (_, i) => 2 ** -i);

/** Returns 2^-i for 0 <= i < 128, several times as fast as the operator. */
export function inversePower(i: number): number {
  return inversePowers[i];
}

/**
 * Returns bounds for an estimate from registers, `sigmas` standard errors on each side. `occupied` is the number of
 * nonzero registers: each needs a different value, so the lower bound is at least that.
 */
export function boundsFromRegisters(estimate: number, occupied: number, lgK: number, sigmas: number): Bounds {
  const error = requireSigmas(sigmas) * relativeStandardError(lgK);
  const upper = error < 1 ? estimate / (1 - error) : Infinity;
  return { lower: Math.max(occupied, estimate / (1 + error)), upper: occupied === 0 ? 0 : upper };
}

function requireSigmas(sigmas: number): number {
  if (!(sigmas >= 0 && sigmas <= 10)) {
    throw new HllError('HLL_BAD_ARGUMENT', `sigmas is ${sigmas}, not a number from 0 to 10`);
  }
  return sigmas;
}
