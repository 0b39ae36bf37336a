import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { firstHourOfMonth, hourMs, monthOfHour } from '../time/buckets.js';

test("an hour's month is that of the calendar, from year 1 to 9999", () => {
  const first = Date.parse('0001-01-01T00:00:00Z') / hourMs;
  const last = Date.parse('9999-12-31T23:00:00Z') / hourMs;
  fc.assert(
    fc.property(fc.integer({ min: first, max: last }), (hour) => {
      const date = new Date(hour * hourMs);
      assert.equal(monthOfHour(hour), (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth());
    }),
    { numRuns: 5_000 },
  );
});

test('months meet at their first hours', () => {
  for (let month = 0; month < 12 * 600; month++) {
    const hour = firstHourOfMonth(month);
    assert.equal(monthOfHour(hour), month);
    assert.equal(monthOfHour(hour - 1), month - 1);
  }
});
