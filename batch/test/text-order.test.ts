import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareUtf8 } from '../../facts/fact.js';
import { PackedTexts } from '../../lib/memory/packed-texts.js';
import { textOrder } from '../arrays/text-order.js';

const pages = (paths: readonly string[]): string[] => [
  ...new Set(paths.map((path) => `https://example.com/${path}`)),
];

/** Few letters, so that texts share prefixes and are prefixes of each other. */
const short = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '~'), maxLength: 8 }), { maxLength: 300 });
const long = fc
  .array(fc.integer({ min: 1_900, max: 1_980 }), { maxLength: 40 })
  .map((lengths) => lengths.flatMap((length, i) => ['x'.repeat(length), `${'x'.repeat(length)}${i}`]));

test('texts are in the order of their bytes', (t) => {
  const seed = Date.now();
  t.diagnostic(`seed ${seed}`);
  fc.assert(
    fc.property(fc.tuple(short, long), ([some, others]) => {
      const texts = pages([...some, ...others]);
      const order = textOrder(PackedTexts.of(texts));
      const expected = [...texts.keys()].toSorted((a, b) => compareUtf8(texts[a] ?? '', texts[b] ?? ''));
      assert.deepEqual([...order], expected);
    }),
    { seed, numRuns: 200 },
  );
});
