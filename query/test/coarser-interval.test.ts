/** If a range has too many intervals, the error suggests a coarser one that is accepted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UrlRules } from '../../facts/url/normalize.js';
import { HttpProblem } from '../../lib/http/problem.js';
import { widthOf } from '../../lib/time/buckets.js';
import { Zones, intervals, type Interval } from '../engine/zone.js';
import { seriesQuestion } from '../question/series.js';

const width = widthOf(60);
const terms = { urls: new UrlRules(), zones: new Zones(width) };
const url = Array.from({ length: 50 }, (_, i) => `https://example.org/${i}`);
const limit = 1_054; // of entries, for 50 URLs
const hoursIn = { hour: 1, day: 24, week: 168 };

/** The suggested interval; undefined if the range is accepted. */
function suggestion(from: number, to: number, tz: string, interval: Interval): string | undefined {
  try {
    seriesQuestion({ url, from: width.show(from), to: width.show(to), tz, interval }, terms);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof HttpProblem);
    return String(error.extra['suggestion']);
  }
}

test('the suggested interval is coarser and accepted', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('hour', 'day', 'week'),
      fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York'),
      fc.integer({ min: width.at(Date.UTC(1971, 0, 1)), max: width.at(Date.UTC(2020, 0, 1)) }),
      fc.integer({ min: -60, max: 60 }),
      (interval, tz, from, more) => {
        const to = from + limit * hoursIn[interval] + more;
        const suggested = suggestion(from, to, tz, interval);
        if (suggested === undefined) return;
        const coarser = intervals.slice(intervals.indexOf(interval) + 1).find((other) => other === suggested);
        assert.ok(coarser !== undefined, `${suggested} instead of ${interval}`);
        assert.equal(suggestion(from, to, tz, coarser), undefined);
      },
    ),
    { numRuns: 200 },
  );
});
