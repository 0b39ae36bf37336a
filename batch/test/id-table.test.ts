import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IdTable, newFound } from '../id-table.js';

/** Few different low bits, so that many hashes belong in one slot and differ only above them. */
const hash = fc.tuple(
  fc.oneof(
    fc.nat({ max: 7 }),
    fc.nat({ max: 0xffffffff }),
    fc.nat({ max: 0xfff }).map((bits) => bits * 2 ** 20 + 5),
  ),
  fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 0xffffffff })),
);
const keyOf = ([low, high]: readonly [number, number]): string => `${low} ${high}`;

test('a table of ids finds what a map finds, one by one and all at once, while it grows', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(hash, { selector: keyOf, maxLength: 3_000, size: 'max' }),
      fc.array(hash, { maxLength: 100 }),
      (known, strangers) => {
        const table = new IdTable(1);
        const oracle = new Map<string, number>();
        for (const [low, high] of known) {
          const number = oracle.size % 3 === 0 ? oracle.size : oracle.size >>> 1; // ids may share a number
          oracle.set(keyOf([low, high]), number);
          table.add(low, high, number, low ^ high);
        }
        assert.equal(table.size, oracle.size);
        const asked = [...known, ...strangers.filter((stranger) => !oracle.has(keyOf(stranger)))];
        const wanted = asked.map((each) => oracle.get(keyOf(each)) ?? -1);
        assert.deepEqual(
          asked.map(([low, high]) => table.get(low, high)),
          wanted,
        );
        const found = newFound(asked.length);
        table.getAll(Uint32Array.from(asked.flat()), asked.length, found);
        assert.deepEqual(Array.from(found.numbers), wanted);
        known.forEach(([low, high], i) => assert.equal(found.values[i], (low ^ high) >>> 0));
      },
    ),
    { numRuns: 30 },
  );
});
