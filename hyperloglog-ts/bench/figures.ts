// The figures of this package: rates of its hot paths, and how it stands beside the other packages of npm.
import { HllSketch, HllUnion, coupons, couponsOfUtf8 } from '../src/index.js';
import type { Contender } from './contenders.js';
import { bytesEach, rate } from './measure.js';

export interface OwnRates {
  readonly stringUpdates: number;
  readonly stringUpdatesInBulk: number;
  readonly intUpdates: number;
  readonly intUpdatesInBulk: number;
  readonly couponsOfStrings: number;
  readonly couponsOfInts: number;
  readonly couponsOfUtf8: number;
  readonly denseMerges: number;
  readonly denseSketchMerges: number;
  readonly tinyMerges: number;
  readonly tinyMergesOfCoupons: number;
  readonly estimates: number;
  readonly estimatesAfterUpdate: number;
  readonly estimatesOfCoupons: number;
}

const million = 1_000_000;

/** All in operations per second. */
export function ownRates(forMs: number): OwnRates {
  const strings = cookies(million);
  const ints = BigInt64Array.from({ length: million }, (_, i) => BigInt(i));
  const all = coupons(ints);
  const out = new Uint32Array(million);
  const utf8 = Buffer.from(strings.join(''));
  const offsets = Uint32Array.from({ length: million + 1 }, (_, i) => 15 * i);
  const measure = (operations: number, act: () => void) => rate(operations, act, forMs);
  const intoSketch = (act: (sketch: HllSketch) => void) =>
    measure(million, () => act(new HllSketch({ lgK: 12 })));
  return {
    stringUpdates: intoSketch((sketch) => strings.forEach((value) => sketch.update(value))),
    stringUpdatesInBulk: intoSketch((sketch) => sketch.updateAll(strings)),
    intUpdates: intoSketch((sketch) => {
      for (let value = 0; value < million; value++) sketch.update(value);
    }),
    intUpdatesInBulk: intoSketch((sketch) => sketch.updateAll(ints)),
    couponsOfStrings: measure(million, () => coupons(strings, out)),
    couponsOfInts: measure(million, () => coupons(ints, out)),
    couponsOfUtf8: measure(million, () => couponsOfUtf8(utf8, offsets, out)),
    ...denseRates(all, measure),
    ...tinyRates(all, measure),
  };
}

type Measure = (operations: number, act: () => void) => number;

// 1,000 different sketches of 1,000 values each, 4 MB together, again and again into a union; estimates of them.
function denseRates(all: Uint32Array, measure: Measure) {
  const sketches = Array.from({ length: 1000 }, (_, i) =>
    HllSketch.fromCoupons(all.subarray(900 * i, 900 * i + 1000), 12),
  );
  const registers = sketches.map((sketch) => sketch.registers() ?? new Uint8Array(0));
  const union = new HllUnion({ lgK: 12 });
  const target = sketches[0]?.copy() ?? new HllSketch();
  let sum = 0;
  return {
    denseMerges: measure(20_000, () => {
      for (let round = 0; round < 20; round++) {
        union.reset();
        for (const each of registers) union.addRegisters(each);
      }
    }),
    denseSketchMerges: measure(20_000, () => {
      for (let round = 0; round < 20; round++) for (const sketch of sketches) target.merge(sketch);
    }),
    estimates: measure(100_000, () => {
      for (let round = 0; round < 100; round++) for (const sketch of sketches) sum += sketch.estimate();
    }),
    estimatesAfterUpdate: measure(100_000, () => {
      const sketch = sketches[0]?.copy() ?? new HllSketch();
      for (let i = 0; i < 100_000; i++) {
        sketch.updateCoupon(all[i] ?? 0);
        sum += sketch.estimate();
      }
    }),
  };
}

// 10,000 sketches of three values each, again and again, a hundred to each union, so that it holds coupons throughout.
function tinyRates(all: Uint32Array, measure: Measure) {
  const count = 10_000;
  const tiny = Array.from({ length: count }, (_, i) => HllSketch.fromCoupons(all.subarray(3 * i, 3 * i + 3)));
  const union = new HllUnion();
  let sum = 0;
  const rounds = 20;
  return {
    tinyMerges: measure(rounds * count, () => {
      for (let round = 0; round < rounds; round++) {
        for (let i = 0; i < count; i++) {
          if (i % 100 === 0) union.reset();
          union.addSketch(tiny[i] ?? new HllSketch());
        }
      }
    }),
    tinyMergesOfCoupons: measure(rounds * count, () => {
      for (let round = 0; round < rounds; round++) {
        for (let i = 0; i < count; i++) {
          if (i % 100 === 0) union.reset();
          union.addCoupons(all, 3 * i, 3 * i + 3);
        }
      }
    }),
    estimatesOfCoupons: measure(rounds * count, () => {
      for (let round = 0; round < rounds; round++) for (const sketch of tiny) sum += sketch.estimate();
    }),
  };
}

export interface Comparison {
  readonly name: string;
  readonly addsPerS: number;
  readonly mergesPerS: number;
  /** In memory, after 1, 10, 100, 1,000 and 100,000 values; undefined where it would take too long. */
  readonly memoryBytes: readonly (number | undefined)[];
  readonly serializedBytes: readonly (number | undefined)[];
  /** Root mean square of the relative errors after 100, 1,000, 10,000 and 100,000 values. */
  readonly errors: readonly (number | undefined)[];
}

export const sizes = [1, 10, 100, 1000, 100_000];
export const errorSizes = [100, 1000, 10_000, 100_000];

export function compare(contender: Contender, forMs: number): Comparison {
  const adds = Math.min(million, contender.patience);
  const values = cookies(adds);
  const filled = (count: number, first: number) => {
    const sketch = contender.create();
    for (let i = 0; i < count; i++) contender.add(sketch, values[(first + i) % adds] ?? '');
    return sketch;
  };
  const affordable = (count: number) => count <= contender.patience;
  const dense = Array.from({ length: 100 }, (_, i) => filled(Math.min(2000, adds / 100), i * 2000));
  let target = contender.create();
  return {
    name: contender.name,
    addsPerS: rate(adds, () => filled(adds, 0), forMs),
    mergesPerS: rate(
      1000,
      () => {
        for (let round = 0; round < 10; round++)
          for (const each of dense) target = contender.merge(target, each);
      },
      forMs,
    ),
    memoryBytes: sizes.map((count) => {
      if (!affordable(count)) return undefined;
      const sketches = Math.ceil(Math.min(50_000, Math.max(20, contender.patience / 2 / count)));
      return bytesEach(sketches, (i) => filled(count, i * count));
    }),
    serializedBytes: sizes.map((count) =>
      affordable(count) ? contender.serializedBytes(filled(count, 0)) : undefined,
    ),
    errors: errorSizes.map((count) => (affordable(count) ? rmsError(contender, count) : undefined)),
  };
}

function rmsError(contender: Contender, count: number): number {
  const trials = Math.ceil(Math.min(200, contender.patience / count));
  let squares = 0;
  for (let trial = 0; trial < trials; trial++) {
    const sketch = contender.create();
    for (let i = 0; i < count; i++) contender.add(sketch, `t${trial}:${i}`);
    squares += (contender.count(sketch) / count - 1) ** 2;
  }
  return Math.sqrt(squares / trials);
}

// Ids as cookies have them: eight hexadecimal digits without an order. They go through a Buffer, since strings that were
// just put together from parts are trees inside the engine, which the first one to read them has to flatten.
function cookies(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => {
    const id = (Math.imul(i, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
    return Buffer.from(`cookie:${id}`).toString('latin1');
  });
}
