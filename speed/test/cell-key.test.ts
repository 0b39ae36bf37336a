/** Keys of cells: each contains its subject and bucket, and what is listed together is adjacent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { normalizedValue } from '../../facts/dimensions/value.js';
import { cellKey, cellRange, bucketOfCellKey, parseCellKey, valueRange } from '../store/cell-key.js';
import { CellSubject } from '../store/cell-subject.js';

const numRuns = Number(process.env['RUNS'] ?? 1_000);
const value = fc
  .oneof(fc.string(), fc.string({ unit: 'grapheme', minLength: 40 }), fc.string({ unit: 'binary' }))
  .map((text) => normalizedValue(text))
  .filter((text) => text !== '');
const cell = fc.record({
  dimension: fc.constantFrom('source', 'sourc', 'os'),
  domain: fc.constantFrom('a.example', 'a.example.org', 'b.example', '[::1]'),
  value,
  bucket: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
});

const example = { dimension: 'source', domain: 'a.example', value: 'a', bucket: 490_000 };

test('the key of a value says dimension, domain, value and bucket', () => {
  fc.assert(
    fc.property(cell, (each) => {
      const { dimension, domain, bucket } = each;
      const key = cellKey(CellSubject.value(dimension, domain, each.value), bucket);
      assert.deepEqual(parseCellKey(key), { kind: 'value', ...each });
      assert.equal(bucketOfCellKey(key), bucket);
    }),
    { numRuns },
  );
});

test('the values of one dimension of one domain lie together by value and bucket, and no other key among them', () => {
  fc.assert(
    fc.property(cell, cell, (a, b) => {
      const subject = CellSubject.value(a.dimension, a.domain, a.value);
      const key = cellKey(CellSubject.value(b.dimension, b.domain, b.value), b.bucket);
      const isIn = ({ start, end }: { start: Buffer; end: Buffer }): boolean =>
        Buffer.compare(start, key) <= 0 && Buffer.compare(key, end) < 0;
      const isListed = a.dimension === b.dimension && a.domain === b.domain;
      assert.equal(isIn(valueRange(a.dimension, a.domain)), isListed);
      const isCounted = isListed && a.value === b.value && b.bucket >= a.bucket;
      assert.equal(isIn(cellRange(subject, a.bucket, 2 ** 32 - 1)), isCounted && b.bucket < 2 ** 32 - 1);
    }),
    {
      numRuns,
      examples: [
        [
          { ...example, value: 'ab' },
          { ...example, value: 'a' },
        ],
      ],
    },
  );
});
