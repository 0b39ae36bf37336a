import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PackedTexts } from '../../lib/packed-texts.js';
import { longestPlainKey, textKey } from '../../serving/index-file.js';
import { textOrder } from '../sorts/text-order.js';

const pages = (paths: readonly string[]): string[] => [
  ...new Set(paths.map((path) => `https://example.com/${path}`)),
];

/** Few letters, so that texts begin alike and are each other's beginnings. */
const short = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '~'), maxLength: 8 }), { maxLength: 300 });
const long = fc
  .array(fc.integer({ min: longestPlainKey - 40, max: longestPlainKey + 40 }), { maxLength: 40 })
  .map((lengths) => lengths.flatMap((length, i) => ['x'.repeat(length), `${'x'.repeat(length)}${i}`]));

test('texts are in the order of their keys, also of those that are cut', (t) => {
  const seed = Date.now();
  t.diagnostic(`seed ${seed}`);
  fc.assert(
    fc.property(fc.tuple(short, long), ([some, others]) => {
      const texts = pages([...some, ...others]);
      const keyOf = (number: number): Buffer => textKey(texts[number] ?? '');
      const compareKeys = (a: number, b: number): number => Buffer.compare(keyOf(a), keyOf(b));
      const order = textOrder(PackedTexts.of(texts), longestPlainKey, compareKeys);
      assert.deepEqual([...order], [...texts.keys()].toSorted(compareKeys));
    }),
    { seed, numRuns: 200 },
  );
});
