import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allBucketMinutes, spans, widthOf, type BucketWidth } from '../../lib/time/buckets.js';
import { bucketCount, coverOf } from '../engine/cover.js';

/** Fewest buckets by dynamic programming over every base bucket of the range: no knowledge of nesting. */
function fewest(width: BucketWidth, from: number, to: number): number {
  const best = [0];
  for (let end = from + 1; end <= to; end++) {
    let least = Number.POSITIVE_INFINITY;
    for (const span of spans) {
      const bases = width.basesOf(span, width.bucketOf(span, end - 1));
      if (bases.to === end && bases.from >= from) least = Math.min(least, (best[bases.from - from] ?? 0) + 1);
    }
    best.push(least);
  }
  return best[to - from] ?? 0;
}

const anyWidth = fc.constantFrom(...allBucketMinutes.map(widthOf));

test('the cover is exactly the range, in order, and no cover has fewer buckets', () => {
  const start = fc.integer({ min: 0, max: 700_000 });
  const length = fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 9_000 }));
  fc.assert(
    fc.property(anyWidth, start, length, fc.boolean(), (width, unaligned, count, isAtDay) => {
      const step = isAtDay ? width.perDay : 1;
      const from = unaligned - (unaligned % step);
      const to = from + count;
      const runs = coverOf({ from, to }, width);
      let at = from;
      for (const run of runs) {
        assert.ok(run.from < run.to);
        assert.equal(width.basesOf(run.span, run.from).from, at);
        at = width.basesOf(run.span, run.to - 1).to;
      }
      assert.equal(at, Math.max(from, to));
      assert.ok(runs.length <= 5);
      assert.equal(bucketCount(runs), fewest(width, from, to));
    }),
    { numRuns: Number(process.env['RUNS'] ?? 600) },
  );
});

test('a calendar year is twelve months', () => {
  for (const width of allBucketMinutes.map(widthOf)) {
    const range = { from: width.at(Date.UTC(2024, 0, 1)), to: width.at(Date.UTC(2025, 0, 1)) };
    assert.equal(bucketCount(coverOf(range, width)), 12);
  }
});
