import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { admit } from '../../facts/door.js';
import { parseRfc3339 } from '../time/real-time.js';
import { UrlRules } from '../../facts/url/normalize.js';

test('what Date writes is read as the same time, whatever the offset', () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date(0), max: new Date('9998-12-31T00:00:00Z'), noInvalidDate: true }),
      fc.integer({ min: -(24 * 60 - 1), max: 24 * 60 - 1 }),
      (date, offsetMinutes) => {
        const local = new Date(date.getTime() + offsetMinutes * 60_000).toISOString().slice(0, -1);
        const ofDay = new Date(Math.abs(offsetMinutes) * 60_000).toISOString().slice(11, 16);
        assert.equal(parseRfc3339(`${local}${offsetMinutes < 0 ? '-' : '+'}${ofDay}`), date.getTime());
      },
    ),
  );
});

test('a date is accepted exactly if Date reproduces it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1970, max: 2420 }),
      fc.integer({ min: 0, max: 13 }),
      fc.integer({ min: 0, max: 32 }),
      (year, month, day) => {
        const [mm, dd] = [month, day].map((part) => String(part).padStart(2, '0'));
        const time = Date.UTC(year, month - 1, day);
        const exists = new Date(time).toISOString().startsWith(`${year}-${mm}-${dd}`);
        assert.equal(parseRfc3339(`${year}-${mm}-${dd}T00:00:00Z`), exists ? time : Number.NaN);
      },
    ),
  );
});

test('a fact of a time that does not exist is refused, naming field and value', () => {
  for (const timestamp of [
    '2015-02-30T10:00:00Z',
    '2015-02-29T10:00:00Z',
    '2015-04-31T10:00:00+02:00',
    '2015-05-17T24:00:00Z',
    '2015-05-17T10:60:00Z',
    '2015-05-17T10:00:60Z',
    '2015-05-17T10:00:00+24:00',
    '2015-05-17',
  ]) {
    const view = { type: 'pageview', visitor: 'cookie:1', url: 'https://e.org/', timestamp };
    const admission = admit(view, Date.UTC(2026, 0, 1), new UrlRules());
    assert.ok(!admission.ok, timestamp);
    assert.equal(
      admission.reason,
      `timestamp must be an existing time in RFC 3339, or UTC milliseconds as a number; got "${timestamp}"`,
    );
  }
});
