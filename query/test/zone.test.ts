import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allBucketMinutes, hourMs, widthOf, type BucketMinutes } from '../../lib/time/buckets.js';
import { Zones, intervals, type Misfit } from '../engine/zone.js';

const zones = new Zones(widthOf(60));
const ofWidths = allBucketMinutes.map((minutes) => new Zones(widthOf(minutes)));
const whole = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Africa/Casablanca',
  'America/Sao_Paulo',
  'Africa/Cairo',
];

/** Local date and time by the runtime, without the class under test. */
function local(zone: string, bucket: number, { ms } = widthOf(60)): string {
  return new Date(bucket * ms).toLocaleString('sv-SE', { timeZone: zone });
}

test('periods partition the range, and each lies in one local interval', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...ofWidths),
      fc.constantFrom(...whole, 'Asia/Kolkata', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Chatham'),
      fc.constantFrom(...intervals),
      fc.integer({ min: Date.UTC(1971, 0, 11), max: Date.UTC(2028, 0, 1) }),
      fc.integer({ min: 1, max: 2_000 }),
      (some, zone, interval, time, count) => {
        const { width } = some;
        const from = width.at(time);
        if (some.misfit(zone, from, from + count) !== undefined) return;
        const periods = some.periods(zone, interval, from, from + count, 10_000);
        let at = from;
        const seen = new Set<string>();
        for (const period of periods) {
          assert.equal(period.from, at);
          assert.ok(period.to > period.from);
          at = period.to;
          assert.ok(!seen.has(period.label), `two periods are called ${period.label}`);
          seen.add(period.label);
          if (interval === 'hour') {
            assert.ok((period.to - period.from) * width.minutes <= 60);
            if (seen.size > 20) continue; // asking the runtime takes long
            assert.equal(
              local(zone, period.from, width).slice(0, 16).replace(' ', 'T'),
              period.label.slice(0, 16),
            );
          }
          if (interval === 'day' || interval === 'month') {
            const length = interval === 'day' ? 10 : 7;
            assert.equal(local(zone, period.from, width).slice(0, length), period.label);
          }
        }
        assert.equal(at, from + count);
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

/** Of the first days of 2025. */
function misfit(zone: string, minutes: BucketMinutes, days: number): Partial<Misfit> | undefined {
  const width = widthOf(minutes);
  const from = width.at(Date.UTC(2025, 0, 1));
  const found = new Zones(width).misfit(zone, from, from + days * width.perDay);
  return found === undefined ? undefined : { offsetMinutes: found.offsetMinutes, fitting: found.fitting };
}

test('zones that are not whole base buckets off are found, with the buckets that fit; fixed offsets are no zones', () => {
  assert.deepEqual(misfit('Asia/Kolkata', 60, 1), { offsetMinutes: 330, fitting: 30 });
  assert.equal(misfit('Asia/Kolkata', 30, 1), undefined);
  assert.deepEqual(misfit('Asia/Kathmandu', 60, 1), { offsetMinutes: 345, fitting: 15 });
  assert.deepEqual(misfit('Asia/Kathmandu', 30, 1), { offsetMinutes: 345, fitting: 15 });
  assert.equal(misfit('Asia/Kathmandu', 15, 1), undefined);
  assert.equal(misfit('Australia/Lord_Howe', 60, 1), undefined, 'in summer it is 11 hours off');
  assert.deepEqual(misfit('Australia/Lord_Howe', 60, 200), { offsetMinutes: 630, fitting: 30 });
  assert.equal(misfit('Australia/Lord_Howe', 30, 200), undefined);
  assert.deepEqual(
    new Zones(widthOf(15)).misfit('Africa/Monrovia', 0, 1),
    { bucket: 0, offsetMinutes: -44.5, fitting: undefined },
    'nothing fits before 1972',
  );
  assert.equal(zones.canonical('+01:00'), undefined);
  assert.equal(zones.canonical('europe/berlin'), 'Europe/Berlin');
});

test('every IANA zone since 1990 fits buckets of 15 minutes', () => {
  const width = widthOf(15);
  const quarters = new Zones(width);
  const years = [1990, 1996, 2003, 2011, 2018, 2025];
  for (const zone of Intl.supportedValuesOf('timeZone')) {
    for (const year of years) {
      const [from, to] = [width.at(Date.UTC(year, 0, 1)), width.at(Date.UTC(year + 1, 0, 1))];
      assert.equal(quarters.misfit(zone, from, to), undefined, `${zone} in ${year}`);
    }
  }
});

/** Labels and lengths in minutes of the hours of a zone around a time. */
function hoursAround(minutes: BucketMinutes, zone: string, from: string, count: number): [string, number][] {
  const width = widthOf(minutes);
  const start = width.at(Date.parse(from));
  const periods = new Zones(width).periods(zone, 'hour', start, start + 24 * width.perDay, count);
  return periods.slice(0, count).map(({ label, from: begin, to }) => [label, (to - begin) * minutes]);
}

test('hours of a zone begin with its clock: at :30, at :45, and where it is set by half an hour', () => {
  assert.deepEqual(hoursAround(30, 'Asia/Kolkata', '2025-06-01T00:00Z', 2), [
    ['2025-06-01T05:30+05:30', 30],
    ['2025-06-01T06:00+05:30', 60],
  ]);
  assert.deepEqual(hoursAround(15, 'Asia/Kathmandu', '2025-06-01T00:00Z', 3), [
    ['2025-06-01T05:45+05:45', 15],
    ['2025-06-01T06:00+05:45', 60],
    ['2025-06-01T07:00+05:45', 60],
  ]);
  for (const minutes of [30, 15] as const) {
    // At 02:00 the clock is set back to 01:30, and in spring from 02:00 on to 02:30.
    assert.deepEqual(hoursAround(minutes, 'Australia/Lord_Howe', '2025-04-05T14:00Z', 3), [
      ['2025-04-06T01:00+11:00', 60],
      ['2025-04-06T01:30+10:30', 30],
      ['2025-04-06T02:00+10:30', 60],
    ]);
    assert.deepEqual(hoursAround(minutes, 'Australia/Lord_Howe', '2025-10-04T14:30Z', 3), [
      ['2025-10-05T01:00+10:30', 60],
      ['2025-10-05T02:30+11:00', 30],
      ['2025-10-05T03:00+11:00', 60],
    ]);
  }
  assert.deepEqual(hoursAround(15, 'Europe/Berlin', '2025-10-26T00:15Z', 3), [
    ['2025-10-26T02:15+02:00', 45],
    ['2025-10-26T02:00+01:00', 60],
    ['2025-10-26T03:00+01:00', 60],
  ]);
});

test('days of Lord Howe have 23.5, 24 and 24.5 hours', () => {
  const width = widthOf(30);
  const halves = new Zones(width);
  const lengths = (date: string): number[] => {
    const day = width.dayOf(width.at(Date.parse(`${date}T00:00Z`)));
    const [from, to] = [day, day + 3].map((each) => halves.startOfDay('Australia/Lord_Howe', each));
    return halves
      .periods('Australia/Lord_Howe', 'day', from ?? 0, to ?? 0, 10)
      .map((period) => (period.to - period.from) / 2);
  };
  assert.deepEqual(lengths('2025-04-05'), [24, 24.5, 24]);
  assert.deepEqual(lengths('2025-10-04'), [24, 23.5, 24]);
});
