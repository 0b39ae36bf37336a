import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RepeatFinder, PossibleRepeats } from '../arrays/repeat-finder.js';

test('every hash seen twice is a possible repeat, however many were expected, and few others are', () => {
  const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const hashes = fc.uniqueArray(fc.tuple(word, word), { maxLength: 300, selector: ([low]) => low >>> 5 });
  fc.assert(
    fc.property(hashes, fc.nat(400), fc.nat(3), ([...distinct], expected, every) => {
      const finder = new RepeatFinder(expected);
      const isRepeated = (i: number): boolean => every > 0 && i % every === 0;
      for (const [low, high] of distinct) finder.add(low, high);
      for (const [i, [low, high]] of distinct.entries()) if (isRepeated(i)) finder.add(low, high);
      const possibleRepeats = new PossibleRepeats();
      finder.finish(possibleRepeats);
      assert.equal(possibleRepeats.isEmpty, every === 0 || distinct.length === 0);
      // They differ in the bits that possible repeats are known by, so none is taken for another.
      const flags = new Uint8Array(distinct.length);
      possibleRepeats.flag(Uint32Array.from(distinct.flat()), flags);
      assert.deepEqual(
        [...flags],
        distinct.map((_hash, i) => Number(isRepeated(i))),
      );
    }),
  );
});

test('there may be more possible repeats than a Set can hold: a large log imported twice has as many as facts', () => {
  const possibleRepeats = new PossibleRepeats();
  const count = 2 ** 24 + 1;
  for (let i = 0; i < count; i++) possibleRepeats.add(Math.imul(i, 0x9e3779b1) >>> 0);
  const flags = new Uint8Array(1);
  possibleRepeats.flag(Uint32Array.of(Math.imul(count - 1, 0x9e3779b1), 0), flags);
  assert.equal(flags[0], 1);
});
