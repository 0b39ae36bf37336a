import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CouponHasher, HllError, HllSketch, coupon, coupons, couponsOfUtf8 } from '../src/index.js';
import { runs } from './arbitraries.js';
import { couponByBigint } from './coupon-by-bigint.js';

const utf8 = new TextEncoder();
const backends = ['wasm', 'typescript'] as const;

test('coupons are those of the DataSketches libraries', () => {
  const integers: readonly (readonly [bigint, number])[] = [
    [0n, 0x04c2d7cb],
    [1n, 0x06fbf22b],
    [5n, 0x08e6657b],
    [-1n, 0x0be764d9],
    [2n ** 32n, 0x05579562],
    [2n ** 53n + 1n, 0x053f29ed],
  ];
  for (const [value, expected] of integers) assert.equal(coupon(value), expected, `${value}n`);
  const strings = {
    a: 0x043b822f,
    abc: 0x04878d21,
    apple: 0x08b61484,
    '0123456789abcdef': 0x09289420,
    é: 0x05e0fd8c,
    'The quick brown fox jumps over the lazy dog': 0x056dbf23,
  };
  for (const [value, expected] of Object.entries(strings)) assert.equal(coupon(value), expected, value);
});

test('a number counts as the same integer given as a bigint', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      assert.equal(coupon(value), coupon(BigInt(value)));
      assert.equal(coupon(value), couponByBigint(int64Bytes(BigInt(value))));
    }),
    runs,
  );
  assert.equal(coupon(-0), coupon(0));
});

test('a bigint of 64 bits counts by its bits, signed or not', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (value) => {
      assert.equal(coupon(value), couponByBigint(int64Bytes(value)));
      assert.equal(coupon(value), coupon(BigInt.asIntN(64, value)));
    }),
    runs,
  );
});

test('a number that is not a 64-bit integer is refused', () => {
  for (const value of [0.5, NaN, Infinity, 2 ** 53, 2n ** 64n, -(2n ** 63n) - 1n]) {
    assert.throws(
      () => coupon(value),
      (error) => error instanceof HllError && error.code === 'HLL_BAD_VALUE',
    );
  }
});

test('a value of another type is refused by its name, at any position', () => {
  const wrong: readonly (readonly [unknown, string])[] = [
    [true, 'the boolean true'],
    [undefined, '[object Undefined]'],
    [Symbol('x'), '[object Symbol]'],
    [null, '[object Null]'],
    [{}, '[object Object]'],
    [['a'], '[object Array]'],
    [new Uint16Array(1), '[object Uint16Array]'],
    [new DataView(new ArrayBuffer(8)), '[object DataView]'],
  ];
  for (const [value, name] of wrong) {
    assert.throws(() => coupon(value as never), isBadValue(name));
    assert.throws(() => new HllSketch().update(value as never), isBadValue(name));
  }
  // 5000 strings are several batches.
  const strings = Array.from({ length: 5000 }, (_, i) => `user:${i}`);
  for (const [value, name] of [...wrong, [5, 'the number 5'], [5n, 'the bigint 5']] as const) {
    for (const index of [0, 1, 4999]) {
      const values = strings.with(index, value as never);
      const isRefused = isBadValue(`${name}: values[${index}] is not a string`);
      for (const backend of backends) {
        assert.throws(() => new CouponHasher(backend).coupons(values), isRefused);
      }
      assert.throws(() => new HllSketch().updateAll(values), isRefused);
    }
  }
});

test('bulk values of another kind are refused, and a range outside of them', () => {
  const wrong: readonly (readonly [unknown, string])[] = [
    [new Set(['a', 'b']), '[object Set]'],
    [Int32Array.of(1, 2), '[object Int32Array]'],
    [{ length: 2 }, '[object Object]'],
    ['two', '[object String]'],
  ];
  for (const [values, name] of wrong) {
    assert.throws(() => coupons(values as never), isBadValue(name));
    assert.throws(() => new HllSketch().updateAll(values as never), isBadValue(name));
  }
  for (const [from, to] of [
    [0, 4],
    [-1, 2],
    [2, 1],
    [NaN, 2],
  ] as const) {
    refused(() => coupons(['a', 'b', 'c'], undefined, from, to));
    refused(() => coupons(BigInt64Array.of(1n, 2n, 3n), undefined, from, to));
  }
});

test('a range of many values has the coupons of its values', () => {
  const strings = Array.from({ length: 5000 }, (_, i) => `user:${i}`);
  const integers = BigInt64Array.from({ length: 5000 }, (_, i) => BigInt(i));
  for (const values of [strings, integers]) {
    const expected = coupons(values).subarray(10, 4500);
    assert.deepEqual(coupons(values, undefined, 10, 4500), expected);
    assert.deepEqual(coupons(values, new Uint32Array(5000), 10, 4500).subarray(0, 4490), expected);
  }
});

function isBadValue(start: string) {
  return (error: unknown) =>
    error instanceof HllError &&
    error.code === 'HLL_BAD_VALUE' &&
    error.message.startsWith(`cannot count ${start}`);
}

test('strings and bytes of any length hash as MurmurHash3 of their UTF-8', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 100 }), (value) => {
      const bytes = utf8.encode(value);
      assert.equal(coupon(value), couponByBigint(bytes));
      assert.equal(coupon(bytes), couponByBigint(bytes));
    }),
    { numRuns: 5 * runs.numRuns },
  );
  for (const length of [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 43_690, 43_691, 131_072, 131_073, 400_000]) {
    const text = 'x'.repeat(length);
    assert.equal(coupon(text), couponByBigint(utf8.encode(text)), `${length} characters`);
    assert.equal(coupon(utf8.encode(text)), couponByBigint(utf8.encode(text)), `${length} bytes`);
  }
  assert.equal(coupon('\ud800'), coupon('\ufffd'));
});

test('empty values have no coupon', () => {
  assert.equal(coupon(''), 0);
  assert.equal(coupon(new Uint8Array(0)), 0);
});

for (const backend of backends) {
  test(`bulk hashing by ${backend} gives what one by one gives`, () => {
    const hasher = new CouponHasher(backend);
    const strings = fc.array(
      fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.constant('ñ'.repeat(70_000))),
      {
        maxLength: 40,
      },
    );
    fc.assert(
      fc.property(strings, (values) => {
        const expected = Uint32Array.from(values, (value) => coupon(value));
        assert.deepEqual(hasher.coupons(values), expected);
        const encoded = values.map((value) => utf8.encode(value));
        const offsets = Uint32Array.from([0, ...encoded.map((bytes) => bytes.length)]);
        for (let i = 1; i < offsets.length; i++) offsets[i] = (offsets[i] ?? 0) + (offsets[i - 1] ?? 0);
        assert.deepEqual(hasher.couponsOfUtf8(Buffer.concat(encoded), offsets), expected);
      }),
      runs,
    );
    fc.assert(
      fc.property(fc.bigInt64Array({ maxLength: 50 }), (values) => {
        assert.deepEqual(
          hasher.coupons(values),
          Uint32Array.from(values, (value) => coupon(value)),
        );
      }),
      runs,
    );
  });

  test(`bulk hashing by ${backend} spans many batches`, () => {
    const hasher = new CouponHasher(backend);
    const many = Array.from({ length: 5000 }, (_, i) => `user:${i}${'-'.repeat(i % 90)}`);
    assert.deepEqual(
      hasher.coupons(many),
      Uint32Array.from(many, (value) => coupon(value)),
    );
    const integers = BigInt64Array.from({ length: 5000 }, (_, i) => BigInt(i) * -7_777_777_777n);
    assert.deepEqual(
      hasher.coupons(integers),
      Uint32Array.from(integers, (value) => coupon(value)),
    );
    const all = utf8.encode(many.join(''));
    const offsets = new Int32Array(many.length + 1);
    many.forEach((value, i) => (offsets[i + 1] = (offsets[i] ?? 0) + value.length));
    assert.deepEqual(hasher.couponsOfUtf8(all, offsets), hasher.coupons(many));
  });
}

test('offsets that decrease or leave the bytes are refused, as is an output array that is too short', () => {
  refused(() => couponsOfUtf8(new Uint8Array(4), Uint32Array.of(0, 3, 2)));
  refused(() => couponsOfUtf8(new Uint8Array(4), Uint32Array.of(0, 5)));
  refused(() => couponsOfUtf8(new Uint8Array(4), Int32Array.of(-1, 2)));
  refused(() => coupons(['a', 'b'], new Uint32Array(1)));
});

function refused(act: () => unknown): void {
  assert.throws(act, (error) => error instanceof HllError && error.code === 'HLL_BAD_ARGUMENT');
}

function int64Bytes(value: bigint): Uint8Array {
  return new Uint8Array(BigInt64Array.of(BigInt.asIntN(64, value)).buffer);
}
