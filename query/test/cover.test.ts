import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bucketOf, hoursOf, spans } from '../../lib/time/buckets.js';
import { bucketCount, coverOf } from '../engine/cover.js';

/** Fewest buckets by dynamic programming over every hour of the range: no knowledge of nesting. */
function fewest(from: number, to: number): number {
  const best = [0];
  for (let end = from + 1; end <= to; end++) {
    let least = Number.POSITIVE_INFINITY;
    for (const span of spans) {
      const hours = hoursOf(span, bucketOf(span, end - 1));
      if (hours.to === end && hours.from >= from) least = Math.min(least, (best[hours.from - from] ?? 0) + 1);
    }
    best.push(least);
  }
  return best[to - from] ?? 0;
}

test('the cover is exactly the range, in order, and no cover has fewer buckets', () => {
  const start = fc.integer({ min: 0, max: 700_000 });
  const length = fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 9_000 }));
  fc.assert(
    fc.property(start, length, fc.constantFrom(1, 24), (unaligned, hours, step) => {
      const from = unaligned - (unaligned % step);
      const to = from + hours;
      const runs = coverOf(from, to);
      let at = from;
      for (const run of runs) {
        assert.ok(run.from < run.to);
        assert.equal(hoursOf(run.span, run.from).from, at);
        at = hoursOf(run.span, run.to - 1).to;
      }
      assert.equal(at, Math.max(from, to));
      assert.ok(runs.length <= 5);
      assert.equal(bucketCount(runs), fewest(from, to));
    }),
    { numRuns: Number(process.env['RUNS'] ?? 600) },
  );
});

test('a calendar year is twelve months', () => {
  const from = Date.UTC(2024, 0, 1) / 3_600_000;
  const to = Date.UTC(2025, 0, 1) / 3_600_000;
  assert.equal(bucketCount(coverOf(from, to)), 12);
});
