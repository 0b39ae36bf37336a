// The algebra of merging: sketches with union form a commutative idempotent monoid, and counting is a homomorphism
// from sets into it. So any split of the data over batches, hours and machines gives the same sketch, bit for bit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HllError, HllSketch, HllUnion, coupons, estimateFromHistogram } from '../src/index.js';
import { couponsOf, range, runs, sketchOf, smallLgK, stateOf, streamOf } from './arbitraries.js';

/** The largest lgK in these tests. */
const largestLgK = 14;

function merged(...sketches: readonly HllSketch[]): HllSketch {
  const [first = new HllSketch(), ...others] = sketches;
  const result = first.copy();
  for (const other of others) result.merge(other);
  return result;
}

function assertSame(actual: HllSketch, expected: HllSketch): void {
  assert.deepEqual(stateOf(actual), stateOf(expected));
  assert.equal(actual.estimate(), expected.estimate());
}

test('the merge of two sketches is the sketch of the union', () => {
  fc.assert(
    fc.property(smallLgK, range, range, (lgK, a, b) => {
      const both = merged(sketchOf(lgK, a), sketchOf(lgK, b));
      assertSame(both, sketchOf(lgK, a, b));
      assert.deepEqual(both.toBytes(), sketchOf(lgK, a, b).toBytes());
    }),
    runs,
  );
});

test('merging is commutative, associative and idempotent', () => {
  fc.assert(
    fc.property(smallLgK, range, range, range, (lgK, a, b, c) => {
      const [x, y, z] = [sketchOf(lgK, a), sketchOf(lgK, b), sketchOf(lgK, c)];
      assertSame(merged(x, y), merged(y, x));
      assertSame(merged(merged(x, y), z), merged(x, merged(y, z)));
      assertSame(merged(x, x), x);
      assertSame(merged(x, y, y), merged(x, y));
      assert.deepEqual(merged(x, y).toBytes(), merged(y, x).toBytes());
    }),
    runs,
  );
});

test('sketches of any lgK can be merged into one in any order, and those that hold coupons never lower its lgK', () => {
  const parts = fc.array(fc.tuple(smallLgK, range), { maxLength: 4 });
  fc.assert(
    fc.property(parts, (drawn) => {
      const sketches = drawn.map(([lgK, values]) => sketchOf(lgK, values));
      const into = new HllSketch({ lgK: largestLgK });
      const all = merged(into, ...sketches);
      const registers = sketches.filter(({ mode }) => mode === 'registers');
      assert.equal(all.lgK, Math.min(largestLgK, ...registers.map(({ lgK }) => lgK)));
      assertSame(merged(into, ...sketches.toReversed()), all);
      const ranges = drawn.map(([, values]) => values);
      if (registers.length === 0) assertSame(all, sketchOf(largestLgK, ...ranges));
      const union = new HllUnion({ lgK: largestLgK });
      for (const sketch of sketches) union.addSketch(sketch);
      assert.equal(union.lgK, all.lgK);
      assertSame(union.toSketch(), all);
    }),
    runs,
  );
  const of300 = sketchOf(14, { from: 0, to: 300 });
  assertSame(of300.copy().merge(sketchOf(4, { from: 298, to: 301 })), sketchOf(14, { from: 0, to: 301 }));
  const registers = sketchOf(12, { from: 0, to: 5000 });
  assertSame(registers.copy().merge(sketchOf(11, { from: 0, to: 9 })), registers);
});

test('a sketch merged with itself stays as it is', () => {
  for (const count of [0, 1, 7, 100, 50_000]) {
    const sketch = sketchOf(12, { from: 0, to: count });
    const before = stateOf(sketch.copy());
    assert.deepEqual(stateOf(sketch.merge(sketch)), before);
  }
});

test('an empty sketch changes nothing, whatever its lgK and mode', () => {
  const empties = smallLgK.chain((lgK) =>
    fc.constantFrom(new HllSketch({ lgK }), HllSketch.fromRegisters(new Uint8Array(2 ** lgK))),
  );
  fc.assert(
    fc.property(smallLgK, range, empties, (lgK, values, empty) => {
      const sketch = sketchOf(lgK, values);
      assert.ok(empty.isEmpty);
      assertSame(merged(sketch, empty), sketch);
      const union = new HllUnion({ lgK }).addSketch(sketch).addSketch(empty);
      assertSame(union.toSketch(), sketch);
      assertSame(new HllUnion({ lgK }).addSketch(empty).addSketch(sketch).toSketch(), sketch);
    }),
    runs,
  );
});

test('reducing lgK commutes with counting and with merging', () => {
  fc.assert(
    fc.property(smallLgK, fc.nat({ max: 10 }), range, range, (lgK, less, a, b) => {
      const reduced = Math.max(4, lgK - less);
      const [x, y] = [sketchOf(lgK, a), sketchOf(lgK, b)];
      assertSame(x.copy(reduced), sketchOf(reduced, a));
      assertSame(merged(x, y).copy(reduced), merged(x.copy(reduced), y.copy(reduced)));
      assertSame(merged(x.copy(reduced), y), merged(x, y).copy(reduced));
    }),
    runs,
  );
});

test('the other sketch stays as it is', () => {
  const other = sketchOf(10, { from: 0, to: 5000 });
  const before = other.toBytes();
  sketchOf(12, { from: 4000, to: 9000 }).merge(other).update('more');
  assert.deepEqual(other.toBytes(), before);
});

for (const backend of ['wasm', 'typescript'] as const) {
  test(`a union by ${backend} is the merge of its sketches, however they are handed in, and can be used again`, () => {
    const unions = new Map<number, HllUnion>();
    fc.assert(
      fc.property(smallLgK, fc.array(fc.tuple(range, fc.nat({ max: 2 })), { maxLength: 6 }), (lgK, parts) => {
        const union = unions.get(lgK) ?? new HllUnion({ lgK, backend });
        unions.set(lgK, union);
        union.reset();
        for (const [values, way] of parts) addTo(union, sketchOf(lgK, values), way);
        const expected = sketchOf(lgK, ...parts.map(([values]) => values));
        assertSame(union.toSketch(), expected);
        assert.deepEqual([union.lgK, union.coupons()], [lgK, expected.coupons()]);
        assert.deepEqual(union.registers(), expected.registers());
        const into = new Uint32Array(2000).fill(7);
        const copied = into.subarray(0, Math.max(0, union.copyCoupons(into))).toSorted();
        assert.deepEqual(copied, expected.coupons() ?? new Uint32Array(0));
        const noRoom = (): number => union.copyCoupons(new Uint32Array(copied.length));
        if (union.mode === 'coupons') assert.throws(noRoom, { code: 'HLL_BAD_ARGUMENT' });
        else assert.equal(noRoom(), -1);
        assert.deepEqual([union.mode, union.isExact], [expected.mode, expected.isExact]);
        assert.equal(union.estimate(), expected.estimate());
        assert.deepEqual(union.bounds(3), expected.bounds(3));
      }),
      runs,
    );
  });
}

test('sketches larger than the kernels take at once are merged and counted whole', () => {
  for (const lgK of [15, 17]) {
    const size = 3 * 2 ** lgK;
    const [a, b] = [sketchOf(lgK, { from: 0, to: size }), sketchOf(lgK, { from: size, to: 2 * size })];
    const both = merged(a, b);
    const expected = (a.registers() ?? new Uint8Array(0)).map((value, slot) =>
      Math.max(value, b.registers()?.[slot] ?? 0),
    );
    assert.deepEqual(both.registers(), expected);
    const histogram = new Uint32Array(64);
    for (const value of expected) histogram[value] = (histogram[value] ?? 0) + 1;
    assert.equal(both.estimate(), estimateFromHistogram(histogram, lgK));
    assert.equal(new HllUnion({ lgK }).addSketch(a).addSketch(b).estimate(), both.estimate());
    assert.ok(Math.abs(both.estimate() / (2 * size) - 1) < 4 * both.relativeStandardError);
  }
});

test('a union takes on the smallest lgK of registers, until it is reset', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(smallLgK, range), { maxLength: 4 }), (parts) => {
      const union = new HllUnion({ lgK: 12 });
      const expected = new HllSketch({ lgK: 12 });
      for (const [lgK, values] of parts) {
        union.addSketch(sketchOf(lgK, values));
        expected.merge(sketchOf(lgK, values));
      }
      assertSame(union.toSketch(), expected);
      assert.equal(union.lgK, expected.lgK);
      assertSame(union.reset().toSketch(), new HllSketch({ lgK: 12 }));
    }),
    runs,
  );
});

test('the merge of 1,000 sketches is the sketch of it all', () => {
  const union = new HllUnion({ lgK: 14 });
  for (let i = 0; i < 1000; i++)
    union.addSketch(sketchOf(14, { from: 900 * i, to: 900 * i + (i % 3) * 1000 }));
  const ranges = Array.from({ length: 1000 }, (_, i) => ({ from: 900 * i, to: 900 * i + (i % 3) * 1000 }));
  assertSame(union.toSketch(), sketchOf(14, ...ranges));
});

test('an estimate between additions is never outdated', () => {
  const union = new HllUnion({ lgK: 10 });
  const all = coupons(BigInt64Array.from({ length: 3000 }, (_, i) => BigInt(i)));
  for (let from = 0; from < all.length; from += 100) {
    union.addCoupons(all, from, from + 100);
    assert.equal(union.estimate(), HllSketch.fromCoupons(all.subarray(0, from + 100), 10).estimate());
  }
});

test('registers of every length can be added, and the estimate is of all so far', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 8, max: 13 }), range), { maxLength: 5 }), (parts) => {
      const union = new HllUnion({ lgK: 11 });
      const expected = new HllSketch({ lgK: 11 });
      for (const [lgK, { from }] of parts) {
        const sketch = sketchOf(lgK, { from, to: from + 2 * 2 ** lgK });
        union.addRegisters(sketch.registers() ?? new Uint8Array(0));
        assert.equal(union.estimate(), expected.merge(sketch).estimate());
        assert.equal(union.lgK, expected.lgK);
      }
      assertSame(union.toSketch(), expected);
    }),
    runs,
  );
});

test('the bytes of a merge are those of the set, also where streams are merged, and say that there is no HIP', () => {
  const makers = fc.constantFrom(sketchOf, streamOf);
  const maker = fc.tuple(makers, range);
  fc.assert(
    fc.property(smallLgK, maker, maker, (lgK, [makeA, a], [makeB, b]) => {
      const [x, y] = [makeA(lgK, a), makeB(lgK, b)];
      const expected = sketchOf(lgK, a, b);
      for (const both of [
        merged(x, y),
        merged(y, x),
        new HllUnion({ lgK }).addSketch(x).addSketch(y).toSketch(),
      ]) {
        for (const form of ['compact', 'updatable'] as const) {
          assert.deepEqual(both.toBytes({ form }), expected.toBytes({ form }));
        }
        assert.equal(both.hipEstimate(), expected.hipEstimate());
        assert.equal(HllSketch.fromBytes(both.toBytes()).hipEstimate(), expected.hipEstimate());
        both.updateCoupons(couponsOf({ from: 50_000, to: 52_000 })); // as many as turn any sketch to registers
        assert.equal(both.hipEstimate(), undefined);
      }
    }),
    runs,
  );
});

test('merging two streams ends both: the result is that of sketches without a history', () => {
  const streams = [0, 4000].map((from) => {
    const sketch = new HllSketch({ lgK: 10 });
    for (let value = from; value < from + 5000; value++) sketch.update(value);
    return sketch;
  });
  const [a, b] = streams.map((sketch) => sketch.copy());
  assert.ok(a !== undefined && b !== undefined);
  assert.ok(a.estimate() < 7000, 'an estimate before the merge');
  assertSame(a.merge(b), sketchOf(10, { from: 0, to: 9000 }));
  assert.deepEqual(a.toBytes(), sketchOf(10, { from: 0, to: 9000 }).toBytes());
  assert.ok(b.hipEstimate() !== undefined, 'the other one goes on');
});

test('the coupon of what is not counted is skipped, by unions as by sketches, in either mode', () => {
  const some = coupons(['a', '', 'b', '']);
  for (const before of [0, 1000]) {
    const values = { from: 0, to: before };
    const expected = sketchOf(12, values);
    expected.updateCoupons(some);
    assertSame(new HllUnion({ lgK: 12 }).addCoupons(couponsOf(values)).addCoupons(some).toSketch(), expected);
    const union = new HllUnion({ lgK: 12 }).addCoupons(couponsOf(values));
    for (const one of some) union.addCoupon(one);
    assertSame(union.toSketch(), expected);
    assert.throws(() => union.addCoupons(Uint32Array.of(7)), { code: 'HLL_BAD_COUPON' });
    assert.throws(() => union.addCoupon(7), { code: 'HLL_BAD_COUPON' });
  }
});

test('coupons written as differences are the coupons, whatever the union holds, and other bytes are refused', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 4 }), fc.boolean(), (parts, dense) => {
      const [written, plain] = [new HllUnion({ lgK: 12 }), new HllUnion({ lgK: 12 })];
      for (const union of dense ? [written, plain] : []) union.addCoupons(couponsOf({ from: 0, to: 1000 }));
      for (const part of parts) {
        const some = couponsOf(part).toSorted().subarray(0, 384);
        written.addDifferences(differencesOf(some), some.length);
        plain.addCoupons(some);
      }
      assert.deepEqual([written.coupons(), written.registers()], [plain.coupons(), plain.registers()]);
    }),
    runs,
  );
  const union = new HllUnion({ lgK: 12 });
  const bytes = differencesOf(couponsOf({ from: 0, to: 9 }).toSorted());
  for (const [bad, count] of [
    [bytes.subarray(1), 9],
    [bytes.subarray(0, -1), 9],
    [bytes, 8],
    [bytes, 10],
    [bytes, 385],
    [Uint8Array.of(1), 1],
    [Uint8Array.of(0), 1],
  ] as const) {
    assert.throws(() => union.addDifferences(bad, count), { code: 'HLL_BAD_COUPON' });
  }
});

/** LEB128 of the differences of ascending coupons. */
function differencesOf(ascending: Uint32Array): Uint8Array {
  const bytes: number[] = [];
  let last = 0;
  for (const each of ascending) {
    let rest = each - last;
    last = each;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
    bytes.push(rest);
  }
  return Uint8Array.from(bytes);
}

test('a register over 63 is refused and leaves the union empty', () => {
  for (const backend of ['wasm', 'typescript'] as const) {
    for (const slot of [0, 17, 1023]) {
      const union = new HllUnion({ lgK: 10, backend }).addCoupons(couponsOf({ from: 0, to: 10 }));
      const registers = new Uint8Array(1024).fill(1);
      registers[slot] = 64;
      assert.throws(() => union.addRegisters(registers), isBadRegisters);
      assert.equal(union.estimate(), 0);
      assert.equal(union.addCoupons(couponsOf({ from: 0, to: 9 })).coupons()?.length, 9);
    }
  }
  assert.throws(() => new HllUnion().addRegisters(new Uint8Array(1000)), isBadRegisters);
  assert.throws(() => new HllUnion().addCoupons(Uint32Array.of(7)), { code: 'HLL_BAD_COUPON' });
});

function isBadRegisters(error: unknown): boolean {
  return error instanceof HllError && error.code === 'HLL_BAD_REGISTERS';
}

// Registers are also passed as a view at an unaligned position of a larger buffer, as from a mapped file.
function addTo(union: HllUnion, sketch: HllSketch, way: number): void {
  const registers = sketch.registers();
  if (way === 0) union.addSketch(sketch);
  else if (registers === undefined) union.addCoupons(sketch.coupons() ?? new Uint32Array(0));
  else if (way === 1) union.addRegisters(registers);
  else union.addRegisters(Buffer.concat([Buffer.alloc(3), registers, Buffer.alloc(5)]).subarray(3, -5));
}
