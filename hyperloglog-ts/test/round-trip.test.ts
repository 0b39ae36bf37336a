import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HllSketch } from '../src/index.js';
import type { WriteOptions } from '../src/index.js';
import { couponsOf, range, runs, sketchOf, smallLgK, stateOf, streamOf } from './arbitraries.js';
import { readNaively } from './naive-reader.js';

const types = ['HLL_4', 'HLL_6', 'HLL_8'] as const;
const allOptions: readonly WriteOptions[] = types.flatMap((type) => [
  { type, form: 'compact' },
  { type, form: 'updatable' },
]);

function assertRoundTrip(sketch: HllSketch): void {
  for (const options of allOptions) {
    const bytes = sketch.toBytes(options);
    const { lgK, coupons, registers } = readNaively(bytes);
    assert.deepEqual({ lgK, coupons, registers }, stateOf(sketch), JSON.stringify(options));
    const read = HllSketch.fromBytes(bytes);
    assert.deepEqual(stateOf(read), stateOf(sketch), JSON.stringify(options));
    assert.equal(read.estimate(), sketch.estimate());
    const again = read.toBytes(options);
    assert.deepEqual(stateOf(HllSketch.fromBytes(again)), stateOf(sketch));
    assert.deepEqual(
      HllSketch.fromBytes(again).toBytes(options),
      again,
      'written and read, bytes come to rest',
    );
  }
}

test('every type and form says all that the sketch knows', () => {
  fc.assert(
    fc.property(smallLgK, range, (lgK, values) => assertRoundTrip(sketchOf(lgK, values))),
    runs,
  );
});

test('registers of any values survive, exceptions of HLL_4 among them', () => {
  const registers = smallLgK.chain((lgK) =>
    fc
      .tuple(fc.integer({ min: 0, max: 63 }), fc.infiniteStream(fc.nat({ max: 63 })))
      .map(([least, values]) =>
        Uint8Array.from({ length: 2 ** lgK }, () => Math.max(least, values.next().value ?? 0)),
      ),
  );
  fc.assert(
    fc.property(registers, (values) => assertRoundTrip(HllSketch.fromRegisters(values))),
    { ...runs, numRuns: Math.ceil(runs.numRuns / 4) },
  );
  for (const value of [0, 1, 14, 15, 16, 62, 63]) {
    assertRoundTrip(HllSketch.fromRegisters(new Uint8Array(1024).fill(value)));
  }
});

test('sketches of every lgK survive, up to 2 million registers', () => {
  for (let lgK = 15; lgK <= 21; lgK++) {
    const registers = Uint8Array.from({ length: 2 ** lgK }, (_, slot) => 3 + ((slot * slot) % 21));
    for (const type of types) {
      const read = HllSketch.fromBytes(HllSketch.fromRegisters(registers).toBytes({ type }));
      assert.ok(
        Buffer.from(registers).equals(read.registers() ?? new Uint8Array(0)),
        `${type} of lgK ${lgK}`,
      );
    }
  }
});

test('a stream keeps its HIP estimate through bytes, and goes on from there', () => {
  for (const type of types) {
    for (const count of [0, 1, 7, 8, 24, 25, 384, 385, 20_000]) {
      const stream = new HllSketch({ lgK: 12 });
      for (let value = 0; value < count; value++) stream.update(value);
      const read = HllSketch.fromBytes(stream.toBytes({ type }));
      assert.equal(read.hipEstimate(), stream.hipEstimate());
      for (let value = count; value < count + 500; value++) read.update(value);
      for (let value = count; value < count + 500; value++) stream.update(value);
      assert.equal(read.hipEstimate(), stream.hipEstimate());
      if (read.mode === 'registers') assert.deepEqual(read.toBytes({ type }), stream.toBytes({ type }));
    }
  }
});

test('a HIP estimate that no stream leads to is dropped, and never that of a stream', () => {
  fc.assert(
    fc.property(smallLgK, range, fc.constantFrom(...types), (lgK, values, type) => {
      const stream = streamOf(lgK, values);
      const bytes = stream.toBytes({ type });
      assert.equal(HllSketch.fromBytes(bytes).hipEstimate(), stream.hipEstimate());
      if (stream.mode === 'coupons') return;
      const occupied = stream.registers()?.filter((value) => value > 0).length ?? 0;
      for (const wrong of [0, occupied - 1, 100 * stream.estimate(), 1e300]) {
        new DataView(bytes.buffer).setFloat64(8, wrong, true);
        const read = HllSketch.fromBytes(bytes);
        assert.equal(read.hipEstimate(), undefined, `${wrong}`);
        assert.deepEqual(read.toBytes(), HllSketch.fromRegisters(stream.registers() ?? bytes).toBytes());
      }
    }),
    runs,
  );
});

test('a sketch does not depend on the bytes it was read from', () => {
  for (const count of [1, 100, 5000]) {
    for (const type of types) {
      const sketch = sketchOf(12, { from: 0, to: count });
      const bytes = Buffer.from(sketch.toBytes({ type }));
      const read = HllSketch.fromBytes(bytes);
      bytes.fill(0);
      assert.deepEqual(stateOf(read), stateOf(sketch));
    }
  }
});

test('sketches that are not one stream are written without HIP, coupons ascending', () => {
  const few = HllSketch.fromCoupons(couponsOf({ from: 0, to: 100 }), 12).toBytes();
  const words = new Uint32Array(few.slice(12).buffer);
  assert.deepEqual(words, words.toSorted());
  const many = new DataView(sketchOf(12, { from: 0, to: 5000 }).toBytes().buffer);
  assert.equal(many.getUint8(5) & 16, 16, 'out of order');
  assert.equal(many.getFloat64(8, true), 0, 'HIP accumulator');
});

test('the preamble carries the true sums and counts', () => {
  const sketch = sketchOf(12, { from: 0, to: 100_000 });
  const registers = sketch.registers() ?? new Uint8Array(0);
  const sum = registers.reduce((total, value) => total + 2 ** -value, 0);
  for (const type of types) {
    const view = new DataView(sketch.toBytes({ type }).buffer);
    assert.equal(view.getFloat64(16, true) + view.getFloat64(24, true), sum);
    const curMin = type === 'HLL_4' ? Math.min(...registers) : 0;
    assert.equal(view.getUint8(6), curMin);
    assert.equal(view.getUint32(32, true), registers.filter((value) => value === curMin).length);
  }
});

test('the exception table of HLL_4 is never over three quarters full', () => {
  for (const exceptions of [1, 3, 4, 6, 7, 12, 13, 15]) {
    const registers = Uint8Array.from({ length: 16 }, (_, slot) => (slot < exceptions ? 40 : 1));
    const bytes = HllSketch.fromRegisters(registers).toBytes({ type: 'HLL_4', form: 'updatable' });
    const cells = 2 ** (bytes[4] ?? 0);
    assert.equal(bytes.length, 40 + 8 + 4 * cells);
    assert.ok(
      4 * exceptions <= 3 * cells && (cells === 4 || 4 * exceptions > 1.5 * cells),
      `${exceptions} in ${cells}`,
    );
  }
});

test('sizes are those of the format', () => {
  for (const n of [0, 1, 7]) assert.equal(size(n, {}), 8 + 4 * n);
  for (const n of [8, 384]) assert.equal(size(n, {}), 12 + 4 * n);
  const updatable = { form: 'updatable' } as const;
  const sizes = [7, 24, 25, 48, 96, 192, 384].map((n) => size(n, updatable));
  assert.deepEqual(sizes, [40, 140, 268, 268, 524, 1036, 2060]);
  assert.equal(size(385, {}), 4136);
  assert.equal(size(385, { type: 'HLL_6' }), 3113);
  assert.equal(size(385, { type: 'HLL_4' }), 2088);
});

function size(count: number, options: WriteOptions): number {
  return sketchOf(12, { from: 0, to: count }).toBytes(options).length;
}
