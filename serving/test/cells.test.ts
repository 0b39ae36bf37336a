import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HllUnion, maxCoupons } from 'hyperloglog-ts';
import type { BucketCell } from '../../facts/views/view.js';
import { ByteReader, ByteWriter } from '../arrays/bytes.js';
import { CellReader, writeCouponCell, writeRegisterCell } from '../arrays/cells.js';
import { DerivedCell } from '../arrays/derived-cell.js';
import { applyCoupons } from '../arrays/union.js';

const lgK = 11;

interface Hour {
  readonly delta: number;
  readonly pageviews: number;
  readonly coupons: Uint32Array;
}

const coupon = fc
  .tuple(fc.integer({ min: 1, max: 63 }), fc.nat({ max: 0x3ffffff }))
  .map(([value, address]) => ((value << 26) | address) >>> 0);

/** From one person to ten times as many as are kept as coupons. */
const hour: fc.Arbitrary<Hour> = fc
  .tuple(
    fc.nat({ max: 1_000_000 }),
    fc.oneof(
      fc.array(coupon, { minLength: 1, maxLength: 3 }),
      fc.array(coupon, { minLength: 1, maxLength: maxCoupons(lgK) }),
      fc.array(coupon, { minLength: maxCoupons(lgK) + 1, maxLength: 10 * maxCoupons(lgK) }),
    ),
    fc.nat({ max: 5_000 }),
  )
  .map(([delta, coupons, more]) => {
    const distinct = Uint32Array.from(new Set(coupons)).toSorted();
    return { delta, pageviews: distinct.length + more, coupons: distinct };
  });

function registersOf(coupons: Uint32Array): Uint8Array {
  const registers = new Uint8Array(2 ** lgK);
  applyCoupons(registers, coupons, 0, coupons.length);
  return registers;
}

function write(out: ByteWriter, { delta, pageviews, coupons }: Hour): void {
  if (coupons.length <= maxCoupons(lgK)) writeCouponCell(out, delta, pageviews, coupons, 0, coupons.length);
  else writeRegisterCell(out, delta, pageviews, registersOf(coupons));
}

/** The content of a union after the cell was added. */
function united(cell: BucketCell): Uint8Array | readonly number[] | undefined {
  const union = new HllUnion({ lgK });
  cell.addTo(union);
  return union.registers() ?? [...(union.coupons() ?? [])];
}

test('cells of any number of people are read as written, both as a sketch and into a union', () => {
  fc.assert(
    fc.property(fc.array(hour, { minLength: 1, maxLength: 6 }), (hours) => {
      const out = new ByteWriter(16);
      for (const each of hours) write(out, each);
      const from = new ByteReader(out.view().slice());
      const skipping = new ByteReader(from.bytes);
      const cell = new CellReader(lgK);
      let bucket = 0;
      for (const { delta, pageviews, coupons } of hours) {
        assert.equal(cell.head(skipping, bucket), bucket + delta);
        cell.skip(skipping);
        cell.read(from, bucket);
        assert.deepEqual([cell.bucket, cell.pageviews], [(bucket += delta), pageviews]);
        const isFew = coupons.length <= maxCoupons(lgK);
        const { sketch } = cell;
        if (isFew) assert.deepEqual(sketch, { kind: 'coupons', coupons });
        else assert.deepEqual(sketch, { kind: 'registers', registers: registersOf(coupons) });
        assert.deepEqual(united(cell), isFew ? [...coupons] : registersOf(coupons));
        assert.equal(skipping.position, from.position);
      }
      assert.ok(from.done);
    }),
  );
});

test('registers that are mostly over 16 are stored unpacked, others take about three fifths of a byte each', () => {
  const sizeOf = (registers: Uint8Array): number => {
    const out = new ByteWriter();
    writeRegisterCell(out, 0, 1, registers);
    const cell = new CellReader(lgK);
    cell.read(new ByteReader(out.view()), 0);
    assert.deepEqual(cell.sketch, { kind: 'registers', registers });
    return out.length;
  };
  assert.ok(sizeOf(new Uint8Array(2 ** lgK).fill(40)) <= 2 ** lgK + 2);
  assert.ok(sizeOf(new Uint8Array(2 ** lgK).fill(4)) <= 0.63 * 2 ** lgK);
});

test('a cell that is cut short or damaged is refused as such', () => {
  const out = new ByteWriter();
  const registers = new Uint8Array(2 ** lgK).fill(1);
  writeRegisterCell(out, 0, 5, registers);
  const bytes = out.view().slice();
  const cell = new CellReader(lgK);
  assert.throws(() => cell.read(new ByteReader(bytes.subarray(0, -1)), 0), { code: 'view.corrupt' });
  bytes[4] = 3; // the lgK of the packed registers
  cell.read(new ByteReader(bytes), 0);
  assert.throws(() => cell.sketch, { code: 'view.corrupt' });
  assert.throws(() => cell.addTo(new HllUnion({ lgK })), { code: 'view.corrupt' });
});

test('an invalid coupon, plain or in differences, alone or in a derived bucket, is reported as damage', () => {
  for (const coupons of [Uint32Array.of(5), Uint32Array.of(5, 6), Uint32Array.of(5, 1 << 26)]) {
    const out = new ByteWriter();
    writeCouponCell(out, 0, coupons.length, coupons, 0, coupons.length);
    const cell = new CellReader(lgK);
    const derived = new DerivedCell(lgK);
    cell.read(new ByteReader(out.view()), 0);
    derived.begin(0);
    assert.ok(derived.add(cell));
    cell.read(new ByteReader(out.view()), 0);
    for (const each of [cell, derived])
      assert.throws(() => each.addTo(new HllUnion({ lgK })), { code: 'view.corrupt' });
  }
});

test('a derived bucket has each person of its hours once, both as a sketch and in a union', () => {
  const few = fc.array(coupon, { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(fc.array(few, { minLength: 1, maxLength: 5 }), (hours) => {
      const derived = new DerivedCell(lgK);
      const cell = new CellReader(lgK);
      derived.begin(7);
      for (const people of hours) {
        const out = new ByteWriter();
        const coupons = Uint32Array.from(new Set(people)).toSorted();
        writeCouponCell(out, 0, coupons.length, coupons, 0, coupons.length);
        cell.read(new ByteReader(out.view()), 0);
        assert.ok(derived.add(cell));
      }
      const all = [...Uint32Array.from(new Set(hours.flat())).toSorted()];
      assert.deepEqual(united(derived), all);
      assert.deepEqual(derived.sketch, { kind: 'coupons', coupons: Uint32Array.from(all) });
      assert.deepEqual(united(derived), all);
    }),
  );
});
