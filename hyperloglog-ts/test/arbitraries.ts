// Arbitraries of the property tests: sets of values that are easy to unite, and sketches of them.
import fc from 'fast-check';
import { HllSketch, coupons } from '../src/index.js';

/** Number of cases per property: 100, or the environment variable RUNS. */
export const runs: { readonly numRuns: number } = { numRuns: Number(process.env.RUNS ?? 100) };

/** The integers from..to - 1. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

const sizes = fc.oneof(
  fc.nat({ max: 9 }),
  fc.nat({ max: 60 }),
  fc.nat({ max: 1000 }),
  fc.nat({ max: 20_000 }),
);

/** Ranges that often overlap, from none to 20,000 integers. */
export const range: fc.Arbitrary<Range> = fc
  .tuple(fc.nat({ max: 2000 }), sizes)
  .map(([from, size]) => ({ from, to: from + size }));

/** Every lgK that is quick to test. */
export const smallLgK = fc.integer({ min: 4, max: 14 });

/** The coupons of the integers in some ranges, ascending, each integer once. */
export function couponsOf(...ranges: readonly Range[]): Uint32Array {
  const values = new Set<number>();
  for (const { from, to } of ranges) for (let value = from; value < to; value++) values.add(value);
  return coupons(BigInt64Array.from(values, (value) => BigInt(value)));
}

export function sketchOf(lgK: number, ...ranges: readonly Range[]): HllSketch {
  return HllSketch.fromCoupons(couponsOf(...ranges), lgK);
}

/** The same set counted one value at a time: a sketch with a history and a HIP estimate. */
export function streamOf(lgK: number, ...ranges: readonly Range[]): HllSketch {
  const sketch = new HllSketch({ lgK });
  sketch.updateCoupons(couponsOf(...ranges));
  return sketch;
}

/** The whole state of a sketch, except the order in which it was built. */
export function stateOf(sketch: HllSketch) {
  return { lgK: sketch.lgK, coupons: sketch.coupons(), registers: sketch.registers() };
}

/** Shuffles the items; the same order for the same seed. */
export function shuffled(items: Uint32Array, seed: number): Uint32Array {
  const result = items.slice();
  let state = seed >>> 0;
  for (let i = result.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    const item = result[i] ?? 0;
    result[i] = result[j] ?? 0;
    result[j] = item;
  }
  return result;
}
