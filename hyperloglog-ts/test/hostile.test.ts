import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HllFormatError, HllSketch } from '../src/index.js';
import { runs } from './arbitraries.js';
import { Random, assertRefusedOrRight, hostileInput, validInputs } from './hostile-inputs.js';

test('valid bytes are read, in every mode, type and form', () => {
  for (const bytes of validInputs()) assert.equal(assertRefusedOrRight(bytes), 'read');
});

test('bytes that are cut anywhere are refused', () => {
  for (const bytes of validInputs()) {
    const step = Math.ceil(bytes.length / 200);
    for (let length = 0; length < bytes.length; length += step) {
      assert.equal(assertRefusedOrRight(bytes.slice(0, length)), 'refused', `${length} of ${bytes.length}`);
    }
  }
});

test('every single flipped bit of the first 48 bytes is refused or read for what it says', () => {
  for (const bytes of validInputs().filter(({ length }) => length < 600)) {
    for (let bit = 0; bit < 8 * Math.min(48, bytes.length); bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assertRefusedOrRight(damaged);
    }
  }
});

test('random damage is refused or read for what it says', () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = new Random(seed);
  const valid = validInputs();
  const verdicts = { refused: 0, read: 0 };
  for (let i = 0; i < 200 * runs.numRuns; i++) {
    const bytes = hostileInput(random, valid);
    try {
      verdicts[assertRefusedOrRight(bytes)]++;
    } catch (error) {
      throw new Error(`input ${i} of seed ${seed}: ${Buffer.from(bytes).toString('base64')}`, {
        cause: error,
      });
    }
  }
  assert.ok(verdicts.refused > 0 && verdicts.read > 0, JSON.stringify(verdicts));
});

test('a refusal names the field and where it is', () => {
  const list = HllSketch.fromCoupons(Uint32Array.of(0x04c2d7cb, 0x06fbf22b), 12).toBytes();
  const dense = HllSketch.fromRegisters(new Uint8Array(16).fill(20));
  const hll4 = HllSketch.fromRegisters(Uint8Array.from({ length: 16 }, (_, i) => (i === 3 ? 20 : 1)));
  const cases: readonly (readonly [string, number, Uint8Array])[] = [
    ['preamble', 3, list.slice(0, 3)],
    ['preamble ints', 0, changed(list, 0, 3)],
    ['serial version', 1, changed(list, 1, 2)],
    ['family', 2, changed(list, 2, 8)],
    ['lgK', 3, changed(list, 3, 22)],
    ['lgK', 3, changed(list, 3, 3)],
    ['flags', 5, changed(list, 5, 12)],
    ['coupon count', 6, changed(list, 6, 8)],
    ['coupon count', 8, Uint8Array.of(3, 1, 7, 12, 5, 8, 0, 1, 0, 0, 0, 0)],
    ['mode', 7, changed(list, 7, 3)],
    ['mode', 7, changed(list, 7, 12)],
    ['coupons', 12, list.slice(0, 12)],
    ['end', 16, Uint8Array.from([...list, 0])],
    ['coupon', 8, changed(list, 11, 0)],
    ['coupons', 8, Uint8Array.from([...list.slice(0, 12), ...list.slice(8, 12)])],
    ['register', 45, changed(dense.toBytes(), 45, 64)],
    ['HIP accumulator', 8, changed(changed(dense.toBytes(), 5, 8), 15, 0xff)],
    ['exception', 48, changed(hll4.toBytes({ type: 'HLL_4' }), 48, 4)],
    ['exception', 48, changed(hll4.toBytes({ type: 'HLL_4' }), 51, 1 << 2)],
    ['exception count', 36, changed(hll4.toBytes({ type: 'HLL_4' }), 36, 0).slice(0, 48)],
    ['exception count', 36, changed(hll4.toBytes({ type: 'HLL_4' }), 39, 1)],
    ['exception count', 36, changed(hll4.toBytes({ type: 'HLL_4', form: 'updatable' }), 36, 2)],
    ['exceptions', 48, hll4.toBytes({ type: 'HLL_4', form: 'updatable' }).fill(0, 48)],
    ['curMin', 6, changed(hll4.toBytes({ type: 'HLL_4' }), 6, 64)],
  ];
  for (const [field, offset, bytes] of cases) {
    assert.throws(
      () => HllSketch.fromBytes(bytes),
      (error) => error instanceof HllFormatError && error.field === field && error.offset === offset,
      `${field} at ${offset}`,
    );
  }
});

test('a huge declared size allocates nothing before its bytes are there', () => {
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 2000; i++) {
    for (const mode of [0, 1, 2, 4 + 2, 8 + 2]) {
      const preamble = [2, 3, 10][mode & 3] ?? 0;
      const bytes = new Uint8Array(60);
      bytes.set([preamble, 1, 7, 21, 18, 0, 0, mode, 0xff, 0xff, 2, 0]);
      assert.throws(() => HllSketch.fromBytes(bytes), HllFormatError);
    }
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 21, 'less than one such sketch');
});

test('a large HLL_4 without the exceptions that its registers ask for is refused before any are looked for', () => {
  const bytes = HllSketch.fromRegisters(new Uint8Array(2 ** 21))
    .toBytes({ type: 'HLL_4' })
    .fill(0xff, 40);
  const before = process.memoryUsage().heapUsed;
  assert.throws(
    () => HllSketch.fromBytes(bytes),
    (error) => error instanceof HllFormatError && error.field === 'exception count' && error.offset === 36,
  );
  assert.ok(process.memoryUsage().heapUsed - before < 2 ** 24, 'no list of two million registers');
});

function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = value;
  return copy;
}
