// Packed registers equal the registers for every reader, and other bytes are rejected.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HllError, HllUnion, packRegisters, unpackRegisters } from '../src/index.js';
import { couponsOf, range, runs, sketchOf } from './arbitraries.js';

const value = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 15 }), fc.integer({ min: 0, max: 63 }));

/** Registers of any values, from all empty to all over 16. */
const registers = fc
  .tuple(fc.integer({ min: 4, max: 12 }), fc.array(value, { minLength: 1, maxLength: 40 }), fc.nat())
  .map(([lgK, values, step]) =>
    Uint8Array.from({ length: 2 ** lgK }, (_, i) => values[(i + (i >> 3) * (step % 7)) % values.length] ?? 0),
  );

const backends = ['wasm', 'typescript'] as const;

test('packed registers of any values are unpacked to what they were', () => {
  fc.assert(
    fc.property(registers, (original) => {
      const before = original.slice();
      assert.deepEqual(unpackRegisters(packRegisters(original)), original);
      assert.deepEqual(original, before);
    }),
    runs,
  );
});

for (const backend of backends) {
  test(`a union by ${backend} takes packed registers as it takes registers, whatever it holds already`, () => {
    fc.assert(
      fc.property(
        fc.array(registers, { maxLength: 3 }),
        range,
        fc.nat({ max: 5 }),
        (parts, values, shift) => {
          const [packed, plain] = [new HllUnion({ lgK: 11, backend }), new HllUnion({ lgK: 11, backend })];
          for (const union of [packed, plain]) union.addCoupons(couponsOf(values));
          for (const part of parts) {
            plain.addRegisters(part);
            packed.addPacked(Buffer.concat([Buffer.alloc(shift), packRegisters(part)]).subarray(shift));
            assert.equal(packed.estimate(), plain.estimate());
          }
          assert.deepEqual(packed.registers(), plain.registers());
          assert.deepEqual([packed.lgK, packed.coupons()], [plain.lgK, plain.coupons()]);
        },
      ),
      runs,
    );
  });

  test(`bytes that are not packed registers are refused by ${backend}, and the union is empty then`, () => {
    const original = sketchOf(10, { from: 0, to: 3000 }).registers() ?? new Uint8Array(0);
    original[7] = 40;
    const good = packRegisters(original);
    const bad = [
      new Uint8Array(0),
      Uint8Array.of(3, 255),
      Uint8Array.of(22, 255),
      good.subarray(0, 100),
      good.subarray(0, good.length - 1),
      Uint8Array.from([...good, 0]),
      Uint8Array.from(good, (byte, i) => (i < 129 && i > 0 ? 255 : byte)),
      ...withBadCoupons(),
    ];
    const union = new HllUnion({ lgK: 10, backend });
    for (const bytes of bad) {
      assert.throws(() => unpackRegisters(bytes), isBadRegisters);
      union.addCoupons(couponsOf({ from: 0, to: 10 }));
      assert.throws(() => union.addPacked(bytes), isBadRegisters);
      assert.equal(union.addCoupons(couponsOf({ from: 0, to: 9 })).coupons()?.length, 9);
      union.reset();
    }
    assert.deepEqual(union.addPacked(good).registers(), original);
  });
}

// Three registers, two of them over 16, and bytes that packRegisters never writes for them.
function withBadCoupons(): Uint8Array[] {
  const three = new Uint8Array(1024);
  three.set([30, 5, 20]);
  const good = packRegisters(three);
  assert.equal(good.length, 1 + 128 + 2 + 8);
  const withCoupons = (...coupons: readonly number[]) =>
    Uint8Array.from([...good.subarray(0, 131), ...new Uint8Array(Uint32Array.from(coupons).buffer)]);
  const [first, second] = [30 << 26, (20 << 26) | 2];
  assert.deepEqual(unpackRegisters(withCoupons(first, second)), three);
  return [
    withCoupons(first, second, (20 << 26) | 3), // of a register that is not marked
    withCoupons(first, second, (20 << 26) | 1024), // of none at all
    withCoupons(first, second, (20 << 26) | (2 ** 26 - 1)),
    withCoupons(first, first, second),
    withCoupons(second, first),
    withCoupons(first, (16 << 26) | 1, second), // for which a nibble is enough
    good.with(130, (good[130] ?? 0) | 0x10), // the nibble after the last
  ];
}

test('arrays that are not registers are not packed', () => {
  for (const length of [0, 8, 10, 17, 2 ** 22]) {
    assert.throws(() => packRegisters(new Uint8Array(length)), isBadRegisters, `${length}`);
  }
  for (const over of [64, 128, 200, 255]) {
    for (const slot of [0, 9, 15]) {
      assert.throws(
        () => packRegisters(new Uint8Array(16).fill(63).with(slot, over)),
        isBadRegisters,
        `${over}`,
      );
    }
  }
});

test('any bytes are refused or read alike by all', () => {
  const bytes = fc
    .tuple(fc.integer({ min: 0, max: 23 }), fc.uint8Array({ maxLength: 200 }))
    .map(([lgK, rest]) => Uint8Array.from([lgK, ...rest]));
  fc.assert(
    fc.property(bytes, (packed) => {
      const read = backends.map((backend) =>
        attempt(() => new HllUnion({ lgK: 6, backend }).addPacked(packed)),
      );
      const unpacked = attempt(() => new HllUnion({ lgK: 6 }).addRegisters(unpackRegisters(packed)));
      for (const union of read) assert.deepEqual(union?.registers(), unpacked?.registers());
    }),
    { numRuns: 10 * runs.numRuns },
  );
});

test('1,536 values take 2.8 KB at lgK 14, a million 10.3 KB', () => {
  assert.ok(packedSize(1600) <= 2_850, `${packedSize(1600)}`);
  assert.ok(packedSize(1_000_000) <= 10_400, `${packedSize(1_000_000)}`);
});

function packedSize(count: number): number {
  return packRegisters(sketchOf(14, { from: 0, to: count }).registers() ?? new Uint8Array(0)).length;
}

function attempt(work: () => HllUnion): HllUnion | undefined {
  try {
    return work();
  } catch (error) {
    assert.ok(isBadRegisters(error), String(error));
    return undefined;
  }
}

function isBadRegisters(error: unknown): boolean {
  return error instanceof HllError && error.code === 'HLL_BAD_REGISTERS';
}
