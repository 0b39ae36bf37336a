import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allBucketMinutes, spans, widthOf } from '../time/buckets.js';

const widths = allBucketMinutes.map(widthOf);
const anyWidth = fc.constantFrom(...widths);

test("a base bucket's month is that of the calendar, from year 1 to 9999", () => {
  const first = Date.parse('0001-01-01T00:00:00Z');
  const last = Date.parse('9999-12-31T23:59:59Z');
  fc.assert(
    fc.property(anyWidth, fc.integer({ min: first, max: last }), (width, time) => {
      const date = new Date(time);
      assert.equal(width.monthOf(width.at(time)), (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth());
    }),
    { numRuns: 5_000 },
  );
});

test('months are contiguous in base buckets', () => {
  for (const width of widths) {
    for (let month = 0; month < 12 * 600; month++) {
      const bucket = width.firstOfMonth(month);
      assert.equal(width.monthOf(bucket), month);
      assert.equal(width.monthOf(bucket - 1), month - 1);
    }
  }
});

test('a time is in its base bucket, day and month, and the base bucket is in the same day and month only', () => {
  fc.assert(
    fc.property(anyWidth, fc.integer({ min: -1e12, max: 1e13 }), (width, time) => {
      const base = width.at(time);
      assert.ok(base * width.ms <= time && time < (base + 1) * width.ms);
      assert.equal(Date.parse(width.show(base)), base * width.ms);
      for (const span of spans) {
        const { from, to } = width.basesOf(span, width.bucketOf(span, base));
        assert.ok(from <= base && base < to, span);
        assert.equal(width.bucketOf(span, from), width.bucketOf(span, to - 1));
        assert.notEqual(width.bucketOf(span, to), width.bucketOf(span, base));
      }
      assert.equal(width.dayOf(base), Math.floor(time / 86_400_000));
    }),
    { numRuns: 2_000 },
  );
});
