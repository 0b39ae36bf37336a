import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Pace } from '../engine/pace.js';
import { sortPaced } from '../engine/paced-sort.js';

const compare = (a: { key: number }, b: { key: number }): number => a.key - b.key;

test('long lists are sorted as short ones are: stable, and into a new list', async () => {
  const lists = fc.tuple(fc.integer({ min: 0, max: 6_000 }), fc.integer({ min: 1, max: 5_000 }));
  await fc.assert(
    fc.asyncProperty(lists, async ([length, kinds]) => {
      const items = Array.from({ length }, (_, i) => ({ key: (i * 7_919) % kinds, i }));
      assert.deepEqual(await sortPaced(items, compare, new Pace(Infinity)), items.toSorted(compare));
    }),
    { numRuns: 50 },
  );
});
