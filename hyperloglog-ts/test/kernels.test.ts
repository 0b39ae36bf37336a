// Compares both implementations of the kernels on random memory: equal results, and no byte changed elsewhere.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createKernels, reservedBytes, slackBytes } from '../src/kernels.js';
import type { Kernels } from '../src/kernels.js';
import { runs } from './arbitraries.js';

const half = 8192;
const intoAt = reservedBytes;
const fromAt = intoAt + half + slackBytes;
const wasm = createKernels(fromAt + half + slackBytes, 'wasm');
const typescript = createKernels(fromAt + half + slackBytes, 'typescript');
const sizeBytes = fromAt + half + slackBytes;

const random = fc.uint8Array({ minLength: half, maxLength: half });
const registers = random.map((bytes) => bytes.map((byte) => byte & 63));

// Runs the same call on both, from the same memory; memory after `into` up to the slack is not compared.
function compare(
  into: Uint8Array,
  from: Uint8Array,
  slackAt: number,
  act: (kernels: Kernels) => unknown,
): void {
  const results = [wasm, typescript].map((kernels) => {
    kernels.bytes.fill(0xaa, reservedBytes);
    kernels.bytes.set(into, intoAt);
    kernels.bytes.set(from, fromAt);
    const result = act(kernels);
    kernels.bytes.fill(0, slackAt, slackAt + slackBytes);
    return [
      result,
      kernels.bytes.slice(reservedBytes, sizeBytes),
      new Uint32Array(kernels.bytes.slice(0, 256).buffer),
    ];
  });
  assert.deepEqual(results[0], results[1]);
}

const blocks = fc.integer({ min: 0, max: half / 16 });

test('maxMerge: both forms agree, for any number of registers', () => {
  fc.assert(
    fc.property(registers, registers, blocks, (a, b, count) => {
      compare(a, b, intoAt + half, (kernels) => kernels.maxMerge(intoAt, fromAt, 16 * count));
      assert.deepEqual(
        wasm.bytes.slice(intoAt, intoAt + half),
        a.map((value, i) => (i < 16 * count ? Math.max(value, b[i] ?? 0) : value)),
      );
    }),
    runs,
  );
});

test('maxMerge: both forms find a value over 63 wherever it is', () => {
  fc.assert(
    fc.property(
      registers,
      blocks,
      fc.nat({ max: half - 1 }),
      fc.integer({ min: 64, max: 255 }),
      (a, count, at, value) => {
        const b = a.slice();
        b[at] = value;
        for (const kernels of [wasm, typescript]) {
          kernels.bytes.set(a, intoAt);
          kernels.bytes.set(b, fromAt);
          assert.equal(kernels.maxMerge(intoAt, fromAt, 16 * count) !== 0, at < 16 * count);
        }
      },
    ),
    runs,
  );
});

test('mergeMarked: both forms agree, and values go in order to where the marks are', () => {
  const marks = fc.oneof(
    random,
    fc.constant(new Uint8Array(half).fill(255)),
    fc.constant(new Uint8Array(half)),
  );
  fc.assert(
    fc.property(registers, marks, registers, blocks, (a, bits, values, count) => {
      const from = Uint8Array.from([...bits.subarray(0, half / 8), ...values.subarray(half / 8)]);
      const some = Math.min(16 * count, half - half / 8);
      compare(a, from, intoAt + half, (kernels) =>
        kernels.mergeMarked(intoAt, fromAt, fromAt + half / 8, some),
      );
      let next = half / 8;
      const expected = a.map((value, i) => {
        const isMarked = i < some && (((bits[i >> 3] ?? 0) >> (i & 7)) & 1) === 1;
        return isMarked ? Math.max(value, values[next++] ?? 0) : value;
      });
      assert.deepEqual(wasm.bytes.slice(intoAt, intoAt + half), expected);
    }),
    runs,
  );
});

test('sumVarints: both forms agree on any bytes, and read what was written', () => {
  const numbers = fc.array(
    fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 2 ** 23 }), fc.nat({ max: 2 ** 32 - 1 })),
    {
      maxLength: 1000,
    },
  );
  fc.assert(
    fc.property(numbers, random, (values, noise) => {
      const written = values.flatMap(varintOf);
      compare(new Uint8Array(half), Uint8Array.from(written), intoAt + half, (kernels) =>
        kernels.sumVarints(intoAt, fromAt, values.length),
      );
      let sum = 0;
      const sums = Uint32Array.from(values, (value) => (sum = (sum + value) >>> 0));
      assert.deepEqual(new Uint32Array(wasm.bytes.slice(intoAt, intoAt + 4 * sums.length).buffer), sums);
      assert.equal(wasm.sumVarints(intoAt, fromAt, values.length), fromAt + written.length);
      compare(new Uint8Array(half), noise, intoAt + half, (kernels) =>
        kernels.sumVarints(intoAt, fromAt, 1600),
      );
    }),
    runs,
  );
});

function varintOf(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) + 0x80, ...varintOf(Math.floor(value / 0x80))];
}

test('unpackNibbles: both forms agree', () => {
  fc.assert(
    fc.property(
      random,
      fc.integer({ min: 0, max: half / 2 }),
      fc.nat({ max: 48 }),
      (packed, length, base) => {
        const slackAt = intoAt + 2 * length;
        compare(new Uint8Array(half), packed, slackAt, (kernels) =>
          kernels.unpackNibbles(intoAt, fromAt, length, base),
        );
      },
    ),
    runs,
  );
});

test('histogram: both forms agree and count each value', () => {
  fc.assert(
    fc.property(registers, fc.integer({ min: 0, max: half / 8 }), (values, words) => {
      const expected = new Uint32Array(64);
      for (const value of values.subarray(0, 8 * words)) expected[value] = (expected[value] ?? 0) + 1;
      for (const kernels of [wasm, typescript]) {
        kernels.bytes.set(values, fromAt);
        kernels.histogram(fromAt, 8 * words);
        assert.deepEqual(new Uint32Array(kernels.bytes.slice(0, 256).buffer), expected, kernels.backend);
        assert.deepEqual(kernels.bytes.slice(fromAt, fromAt + half), values);
      }
    }),
    runs,
  );
});

test('hashing: both forms agree on integers, one and many', () => {
  fc.assert(
    fc.property(random, fc.integer({ min: 0, max: 1000 }), (values, count) => {
      compare(new Uint8Array(half), values, intoAt + half, (kernels) =>
        kernels.couponsOfInt64s(fromAt, intoAt, count),
      );
      const words = new DataView(values.buffer, values.byteOffset);
      const [low, high] = [words.getInt32(0, true), words.getInt32(4, true)];
      assert.equal(wasm.couponOfInt64(low, high) >>> 0, typescript.couponOfInt64(low, high) >>> 0);
    }),
    runs,
  );
});

test('hashing: both forms agree on bytes of every length and place', () => {
  fc.assert(
    fc.property(random, fc.nat({ max: 40 }), fc.integer({ min: 0, max: 300 }), (bytes, at, length) => {
      const [a, b] = [wasm, typescript].map((kernels) => {
        kernels.bytes.set(bytes, fromAt);
        return kernels.couponOfBytes(fromAt + at, length) >>> 0;
      });
      assert.equal(a, b);
    }),
    runs,
  );
});
