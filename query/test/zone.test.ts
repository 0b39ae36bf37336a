import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hourMs, widthOf } from '../../lib/time/buckets.js';
import { Zones, intervals } from '../engine/zone.js';

const zones = new Zones(widthOf(60));
const whole = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Africa/Casablanca',
  'America/Sao_Paulo',
  'Africa/Cairo',
];

/** Local date and hour by the runtime, without the class under test. */
function local(zone: string, hour: number): string {
  return new Date(hour * hourMs).toLocaleString('sv-SE', { timeZone: zone });
}

test('periods partition the range, and each lies in one local interval', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...whole),
      fc.constantFrom(...intervals),
      fc.integer({ min: 9_000, max: 510_000 }),
      fc.integer({ min: 1, max: 2_000 }),
      (zone, interval, from, hours) => {
        if (zones.misfit(zone, from, from + hours) !== undefined) return;
        const periods = zones.periods(zone, interval, from, from + hours, 10_000);
        let at = from;
        const seen = new Set<string>();
        for (const period of periods) {
          assert.equal(period.from, at);
          assert.ok(period.to > period.from);
          at = period.to;
          assert.ok(!seen.has(period.label), `two periods are called ${period.label}`);
          seen.add(period.label);
          if (interval === 'day' || interval === 'month') {
            const length = interval === 'day' ? 10 : 7;
            assert.equal(local(zone, period.from).slice(0, length), period.label);
          }
        }
        assert.equal(at, from + hours);
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 400) },
  );
});

function dayLengths(zone: string, from: string, days: number): number[] {
  const day = Date.parse(`${from}T00:00:00Z`) / (24 * hourMs);
  const [start, end] = [zones.startOfDay(zone, day), zones.startOfDay(zone, day + days)];
  return zones.periods(zone, 'day', start, end, 100).map((period) => period.to - period.from);
}

test('a year of a zone costs a look a week and some for each change of its clock', (t) => {
  const look = t.mock.getter(Intl.DateTimeFormat.prototype, 'format');
  const from = Date.UTC(2025, 0, 1) / hourMs;
  const fresh = new Zones(widthOf(60));
  fresh.misfit('Europe/Madrid', from, from + 365 * 24);
  const looks = look.mock.callCount();
  assert.ok(looks >= 53 && looks < 53 + 2 * 12, `${looks} looks`);
  assert.equal(fresh.periods('Europe/Madrid', 'day', from, from + 365 * 24, 400).length, 366);
  assert.ok(look.mock.callCount() <= looks + 53 + 2 * 12, 'only the year the last day ends in');
});

test('1970 begins in every zone, also where the clock was changed the year before', () => {
  for (const zone of Intl.supportedValuesOf('timeZone')) {
    const start = zones.startOfDay(zone, 0);
    assert.match(local(zone, start), /^1970-01-01/, zone);
    assert.match(local(zone, start - 1), /^1969-12-31/, zone);
  }
});

test('days of 23 and 25 hours', () => {
  assert.deepEqual(dayLengths('Europe/Berlin', '2025-03-29', 3), [24, 23, 24]);
  assert.deepEqual(dayLengths('Europe/Berlin', '2025-10-25', 3), [24, 25, 24]);
  assert.deepEqual(dayLengths('America/Sao_Paulo', '2018-11-03', 2), [24, 23]); // begins at 01:00
});

test('weeks are those of ISO 8601', () => {
  const label = (date: string): string =>
    zones.label('UTC', 'week', Date.parse(`${date}T00:00:00Z`) / hourMs);
  assert.equal(label('2021-01-03'), '2020-W53');
  assert.equal(label('2021-01-04'), '2021-W01');
  assert.equal(label('2024-12-30'), '2025-W01');
  assert.equal(zones.label('America/New_York', 'hour', 489_000), '2025-10-13T20:00-04:00');
});

test('zones that are not whole hours off are found, fixed offsets are no zones', () => {
  const hour = Date.UTC(2025, 0, 1) / hourMs;
  assert.equal(zones.misfit('Asia/Kolkata', hour, hour + 1)?.offsetMinutes, 330);
  assert.equal(zones.misfit('Australia/Lord_Howe', hour, hour + 1), undefined);
  assert.equal(zones.misfit('Australia/Lord_Howe', hour, hour + 24 * 200)?.offsetMinutes, 630);
  assert.equal(zones.canonical('+01:00'), undefined);
  assert.equal(zones.canonical('europe/berlin'), 'Europe/Berlin');
});
