/** What the page shows as a link, and the question it asks from it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  customRange,
  hasRange,
  intervals,
  newestOf,
  parseState,
  presets,
  rangeOf,
  showState,
  type PageState,
} from '../state.js';
import { addDays, fitsBuckets, instantOf, localOf, offsetMinutes } from '../zone-time.js';

const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Pacific/Apia',
  'America/St_Johns',
];
const hourMs = 3_600_000;
const times = fc.integer({ min: Date.UTC(1971, 0, 2), max: Date.UTC(2040, 0, 1) });

const states: fc.Arbitrary<PageState> = fc.record(
  {
    domain: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
    url: fc.option(fc.webUrl({ withQueryParameters: true, withFragments: true }), { nil: undefined }),
    range: fc.oneof(
      fc.constantFrom(...presets),
      fc.tuple(times, times).map(([from, to]) => ({ from: localOf(from, 'UTC'), to: localOf(to, 'UTC') })),
    ),
    zone: fc.constantFrom(...zones),
    by: fc.option(fc.constantFrom(...intervals), { nil: undefined }),
    dimension: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
    compare: fc.boolean(),
  },
  { noNullPrototype: true },
);

test('a link shows the same thing elsewhere: every state survives its own address', () => {
  fc.assert(
    fc.property(states, (state) => {
      assert.deepEqual(parseState(showState(state), 'Asia/Tokyo'), state);
    }),
  );
});

test('any address can be parsed', () => {
  const names = fc.constantFrom('domain', 'url', 'range', 'from', 'to', 'tz', 'by');
  fc.assert(
    fc.property(fc.array(fc.tuple(names, fc.string())), (pairs) => {
      const { range, zone } = parseState(`?${new URLSearchParams(pairs).toString()}`, 'UTC');
      assert.ok(typeof range === 'string' || (Date.parse(range.from) && Date.parse(range.to)));
      assert.doesNotThrow(() => localOf(0, zone));
    }),
  );
});

test('a local time converts to its instant and back', () => {
  fc.assert(
    fc.property(times, fc.constantFrom(...zones), (timeMs, zone) => {
      const local = localOf(timeMs, zone);
      const instant = instantOf(local, zone);
      assert.ok(instant !== undefined);
      assert.equal(localOf(Date.parse(instant), zone), local);
    }),
  );
});

test('clocks set forward and back: the hour left out and the hour shown twice', () => {
  assert.equal(instantOf('2026-03-29T02:00', 'Europe/Berlin'), '2026-03-29T02:00:00+01:00');
  assert.equal(instantOf('2026-03-29T03:00', 'Europe/Berlin'), '2026-03-29T03:00:00+02:00');
  assert.equal(instantOf('2026-10-25T02:00', 'Europe/Berlin'), '2026-10-25T02:00:00+02:00');
  assert.equal(instantOf('2026-10-25T03:00', 'Europe/Berlin'), '2026-10-25T03:00:00+01:00');
  assert.equal(offsetMinutes('Asia/Kolkata', Date.UTC(2026, 0, 1)), 330);
  assert.equal(instantOf('yesterday', 'UTC'), undefined);
});

test('24 hours end with the present hour of the zone, days with its present day', () => {
  const now = Date.UTC(2026, 10, 22, 23, 40);
  const state = { range: '24h', zone: 'Europe/Berlin', by: undefined } as const;
  assert.deepEqual(rangeOf(state, now), {
    from: '2026-11-22T00:00:00Z',
    to: '2026-11-23T00:00:00Z',
    interval: 'hour',
  });
  assert.deepEqual(rangeOf({ ...state, range: '7d' }, now), {
    from: '2026-11-17',
    to: '2026-11-24',
    interval: 'hour',
  });
  assert.deepEqual(rangeOf({ ...state, zone: 'Asia/Kathmandu' }, now), {
    from: '2026-11-22T00:15:00Z',
    to: '2026-11-23T00:15:00Z', // 06:00
    interval: 'hour',
  });
  assert.equal(addDays('2026-02-27', 2), '2026-03-01');
});

/** Whether buckets of 60, 30 and 15 minutes can show a zone in a month of 2026, counted from 0. */
const shown = (zone: string, month: number): readonly boolean[] =>
  [60, 30, 15].map((minutes) => fitsBuckets(zone, minutes, Date.UTC(2026, month, 1)));

test('which buckets can show a zone changes with its clock', () => {
  assert.deepEqual(shown('Europe/Berlin', 6), [true, true, true]);
  assert.deepEqual(shown('Asia/Kathmandu', 6), [false, false, true]);
  assert.deepEqual(shown('Australia/Lord_Howe', 0), [true, true, true]);
  assert.deepEqual(shown('Australia/Lord_Howe', 6), [false, true, true]);
});

test('a range without an interval gets one that makes at most 200 buckets, or months', () => {
  fc.assert(
    fc.property(times, fc.integer({ min: 1, max: 24 * 366 * 3 }), (from, hours) => {
      const range = { from: localOf(from, 'UTC'), to: localOf(from + hours * hourMs, 'UTC') };
      const { interval } = rangeOf({ range, zone: 'UTC', by: undefined }, 0);
      assert.ok(hours / { hour: 1, day: 24, week: 168, month: 744 }[interval] <= 200);
    }),
  );
});

test('older views open whole up to 31 days, else on their last 7 days', () => {
  fc.assert(
    fc.property(times, fc.integer({ min: 1, max: 24 * 400 }), (start, hours) => {
      const from = Math.floor(start / hourMs) * hourMs;
      const to = from + hours * hourMs;
      assert.deepEqual(newestOf({ from, to }), {
        from: hours <= 31 * 24 ? from : to - 7 * 24 * hourMs,
        to,
      });
    }),
  );
});

test('an address with any range keeps it, one without lets the page choose', () => {
  const range = customRange({ from: Date.UTC(2015, 4, 17, 10), to: Date.UTC(2015, 4, 20, 22) }, 'UTC');
  assert.deepEqual(range, { from: '2015-05-17T10:00', to: '2015-05-20T22:00' });
  assert.equal(hasRange('?range=24h'), true);
  assert.equal(hasRange('?from=2015-05-17T10:00&to=2015-05-20T22:00'), true);
  assert.equal(hasRange('?domain=shop.example&tz=UTC&by=hour'), false);
  assert.equal(hasRange(''), false);
});
