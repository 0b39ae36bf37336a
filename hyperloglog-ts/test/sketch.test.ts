import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  HllError,
  HllSketch,
  HllUnion,
  boundsFromCoupons,
  coupon,
  coupons,
  hiddenByCoupons,
  maxCoupons,
} from '../src/index.js';
import type { HllErrorCode } from '../src/index.js';
import { couponsOf, range, runs, shuffled, sketchOf, smallLgK, stateOf } from './arbitraries.js';

test('a sketch is a function of the set of its values: order and repeats change nothing', () => {
  fc.assert(
    fc.property(smallLgK, range, fc.nat(), (lgK, values, seed) => {
      const ascending = couponsOf(values);
      const sketch = HllSketch.fromCoupons(ascending, lgK);
      const mixed = shuffled(ascending, seed);
      const other = HllSketch.fromCoupons(mixed, lgK);
      other.updateCoupons(ascending);
      assert.deepEqual(stateOf(other), stateOf(sketch));
      assert.equal(other.estimate(), sketch.estimate());
      assert.deepEqual(other.bounds(2), sketch.bounds(2));
      for (const form of ['compact', 'updatable'] as const) {
        assert.deepEqual(other.toBytes({ form }), sketch.toBytes({ form }));
      }
    }),
    runs,
  );
});

test('registers are the largest value of each slot, and coupons the set itself', () => {
  fc.assert(
    fc.property(smallLgK, range, (lgK, values) => {
      const all = couponsOf(values);
      const sketch = HllSketch.fromCoupons(all, lgK);
      const distinct = new Set(all);
      if (distinct.size <= maxCoupons(lgK)) {
        assert.deepEqual(sketch.coupons(), Uint32Array.from(distinct).toSorted());
        return;
      }
      const registers = new Uint8Array(2 ** lgK);
      for (const one of distinct) {
        const slot = one % 2 ** lgK;
        registers[slot] = Math.max(registers[slot] ?? 0, one >>> 26);
      }
      assert.deepEqual(sketch.registers(), registers);
    }),
    runs,
  );
});

test('an update says whether it changed anything, and only then does it', () => {
  fc.assert(
    fc.property(smallLgK, range, (lgK, values) => {
      const sketch = new HllSketch({ lgK });
      for (const one of couponsOf(values).subarray(0, 3000)) {
        const before = sketch.mode === 'coupons' ? sketch.coupons() : undefined;
        const old = sketch.registers()?.[one & (2 ** lgK - 1)] ?? 0;
        const expected = before === undefined ? one >>> 26 > old : !before.includes(one);
        assert.equal(sketch.updateCoupon(one), expected);
        assert.equal(sketch.updateCoupon(one), false);
      }
    }),
    { numRuns: Math.ceil(runs.numRuns / 3) },
  );
});

test('one by one, in bulk and by coupon are the same', () => {
  const words = Array.from({ length: 5000 }, (_, i) => `word ${i}`);
  const sketch = new HllSketch({ lgK: 10 });
  for (const word of words) sketch.update(word);
  const bulk = new HllSketch({ lgK: 10 });
  bulk.updateAll(words);
  assert.deepEqual(bulk.toBytes(), sketch.toBytes());
  assert.deepEqual(stateOf(HllSketch.fromCoupons(coupons(words), 10)), stateOf(sketch));
});

test('a coupon is the same signed or unsigned, as `value << 26 | address` makes it, in every state', () => {
  const signed = (40 << 26) | 77;
  assert.ok(signed < 0);
  for (const count of [0, 1, 24, 30, 5000]) {
    const expected = sketchOf(12, { from: 0, to: count });
    const sketch = expected.copy();
    const union = new HllUnion({ lgK: 12 }).addSketch(expected);
    expected.updateCoupon(signed >>> 0);
    assert.equal(sketch.updateCoupon(signed), true);
    assert.equal(sketch.updateCoupon(signed), false);
    for (let i = 0; i < 50; i++) union.addCoupon(signed);
    for (const one of [sketch, union.toSketch()]) assert.deepEqual(stateOf(one), stateOf(expected));
  }
});

test('estimates never fall while coupons are held, nor while registers are', () => {
  for (const lgK of [4, 7, 8, 11, 14]) {
    const sketch = new HllSketch({ lgK });
    let last = 0;
    let { mode } = sketch;
    for (let value = 0; value < 60_000; value++) {
      if (!sketch.update(value)) continue;
      if (value > 2 * 2 ** lgK && value % 7 > 0) continue;
      const estimate = sketch.estimate();
      if (sketch.mode === mode)
        assert.ok(estimate >= last, `${estimate} after ${last} at value ${value}, lgK ${lgK}`);
      ({ mode } = sketch);
      last = estimate;
    }
  }
});

test('up to the promotion limit the estimate is the count, at every lgK, and exact up to 201', () => {
  assert.equal(maxCoupons(12), 384);
  assert.equal(maxCoupons(14), 1536);
  for (let lgK = 4; lgK <= 16; lgK++) {
    const sketch = new HllSketch({ lgK });
    for (let count = 1; count <= maxCoupons(lgK); count++) {
      sketch.update(count);
      assert.equal(Math.round(sketch.estimate()), count, `lgK ${lgK}`);
      assert.equal(sketch.isExact, count <= 201, `lgK ${lgK}, ${count}`);
    }
    assert.equal(sketch.coupons()?.length, maxCoupons(lgK));
    sketch.update('one more');
    assert.ok(!sketch.isExact, `lgK ${lgK}`);
  }
});

test('bounds hold the estimate and widen with the sigmas', () => {
  fc.assert(
    fc.property(smallLgK, range, (lgK, values) => {
      const sketch = sketchOf(lgK, values);
      const estimate = sketch.estimate();
      let last = { lower: estimate, upper: estimate };
      for (const sigmas of [1, 2, 3]) {
        const bounds = sketch.bounds(sigmas);
        assert.ok(bounds.lower <= last.lower && bounds.upper >= last.upper);
        last = bounds;
      }
      const [width, hidden] = [last.upper - last.lower, hiddenByCoupons(Math.floor(estimate))];
      if (sketch.mode === 'coupons') assert.ok(width <= Math.max(hidden, 0.0004 * estimate));
    }),
    runs,
  );
});

/** The odds that more than a number of values are hidden, summed from the other end. */
function oddsOfMore(hidden: number, held: number): number {
  const mean = (held * (held - 1)) / 6 / 2 ** 26;
  let odds = Math.exp(-mean);
  let sum = 0;
  for (let pairs = 1; pairs < hidden + 200; pairs++) {
    odds *= mean / pairs;
    if (pairs > hidden) sum += odds;
  }
  return sum;
}

test('two values share a coupon as often as is said, and bounds allow for those that do', () => {
  const count = 2 ** 18;
  const distinct = new Set(coupons(BigInt64Array.from({ length: count }, (_, i) => BigInt(i)))).size;
  const expected = (count * (count - 1)) / 6 / 2 ** 26;
  assert.ok(Math.abs(count - distinct - expected) < 4 * Math.sqrt(expected), `${count - distinct} pairs`);
  for (const held of [0, 1, 201, 202, 1_536, 2_392, 2_393, 20_000, 196_608]) {
    const hidden = hiddenByCoupons(held);
    assert.ok(oddsOfMore(hidden, held) < 1e-4, `${held}: ${hidden}`);
    assert.ok(hidden === 0 || oddsOfMore(hidden - 1, held) >= 1e-4, `${held}: ${hidden}`);
    assert.ok(boundsFromCoupons(held, 0).upper >= held + hidden);
  }
  assert.deepEqual([201, 202, 2_392, 2_393].map(hiddenByCoupons), [0, 1, 1, 2]);
});

test('HIP is there for one stream only, and exact as long as coupons are held', () => {
  const stream = new HllSketch({ lgK: 12 });
  for (let value = 0; value < 384; value++) stream.update(value);
  assert.equal(stream.hipEstimate(), stream.estimate());
  for (let value = 384; value < 50_000; value++) stream.update(value);
  const hip = stream.hipEstimate() ?? 0;
  assert.ok(Math.abs(hip / 50_000 - 1) < 4 * (0.8326 / 64), `HIP ${hip}`);
  assert.equal(stream.copy().hipEstimate(), hip);
  assert.equal(stream.copy(11).hipEstimate(), undefined);
  assert.equal(
    stream
      .copy()
      .merge(new HllSketch({ lgK: 12 }))
      .hipEstimate(),
    undefined,
  );
  assert.equal(HllSketch.fromRegisters(stream.registers() ?? new Uint8Array(0)).hipEstimate(), undefined);
  const given = HllSketch.fromCoupons(Uint32Array.of(coupon('a')), 4);
  assert.equal(given.hipEstimate(), given.estimate());
  for (let value = 0; value < 10; value++) given.update(value);
  assert.equal(given.hipEstimate(), undefined);
});

test('a copy is independent of its original', () => {
  for (const count of [1, 5, 24, 30, 5000]) {
    const sketch = new HllSketch({ lgK: 12 });
    for (let value = 0; value < count; value++) sketch.update(value);
    const before = sketch.toBytes();
    const copy = sketch.copy();
    assert.deepEqual(copy.toBytes(), before);
    for (let value = 0; value < 100; value++) copy.update(`more ${value}`);
    assert.deepEqual(sketch.toBytes(), before);
  }
});

test('the registers passed to fromRegisters are copied', () => {
  const registers = Buffer.alloc(32, 5);
  const sketch = HllSketch.fromRegisters(registers);
  registers.fill(9);
  assert.deepEqual(sketch.registers(), new Uint8Array(32).fill(5));
});

test('nothing is counted for an empty string, no bytes, or no coupon', () => {
  const sketch = new HllSketch();
  assert.equal(sketch.update(''), false);
  assert.equal(sketch.update(new Uint8Array(0)), false);
  assert.equal(sketch.updateCoupon(0), false);
  assert.ok(sketch.isEmpty);
  assert.equal(sketch.lgK, 14);
  assert.equal(sketch.estimate(), 0);
  assert.deepEqual(sketch.bounds(), { lower: 0, upper: 0 });
  sketch.update('a');
  assert.ok(!sketch.isEmpty);
});

test('bad arguments are refused with a code', () => {
  const refused: readonly (readonly [HllErrorCode, () => unknown])[] = [
    ['HLL_BAD_LGK', () => new HllSketch({ lgK: 3 })],
    ['HLL_BAD_LGK', () => new HllSketch({ lgK: 22 })],
    ['HLL_BAD_LGK', () => new HllSketch({ lgK: 12.5 })],
    ['HLL_BAD_LGK', () => new HllSketch({ lgK: 12 }).copy(13)],
    ['HLL_BAD_COUPON', () => new HllSketch().updateCoupon(5)],
    ['HLL_BAD_COUPON', () => HllSketch.fromCoupons(Uint32Array.of(2 ** 26 - 1))],
    ['HLL_BAD_REGISTERS', () => HllSketch.fromRegisters(new Uint8Array(8))],
    ['HLL_BAD_REGISTERS', () => HllSketch.fromRegisters(new Uint8Array(100))],
    ['HLL_BAD_REGISTERS', () => HllSketch.fromRegisters(new Uint8Array(16).fill(64))],
    ['HLL_BAD_ARGUMENT', () => new HllSketch().bounds(-1)],
    ['HLL_BAD_ARGUMENT', () => new HllSketch().bounds(NaN)],
    ...[0, 1, 100, 5000].flatMap((count) =>
      [{ type: 'HLL_7' }, { type: 8 }, { type: null }, { form: 'compacted' }].map(
        (options) =>
          ['HLL_BAD_ARGUMENT', () => sketchOf(12, { from: 0, to: count }).toBytes(options as never)] as const,
      ),
    ),
  ];
  for (const [code, act] of refused) {
    assert.throws(act, (error) => error instanceof HllError && error.code === code, code);
  }
});
