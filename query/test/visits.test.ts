/** What is said of visits: sums that add up, quotients of them, and null for what is not known. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { z } from 'zod';
import type { VisitCell } from '../../facts/views/view.js';
import { hourMs } from '../../lib/time/buckets.js';
import { bodies } from '../bodies.js';
import { FakeBatchView, FakeRealtimeView, show } from './fakes.js';
import { serve } from './server.js';

const hour0 = Date.UTC(2025, 5, 1) / hourMs;
const cells: readonly VisitCell[] = [
  { bucket: hour0 - 1, visits: 9, bounces: 0, pageviews: 99, durationMs: 9_000 },
  { bucket: hour0, visits: 3, bounces: 1, pageviews: 7, durationMs: 90_500 },
  { bucket: hour0 + 23, visits: 1, bounces: 1, pageviews: 1, durationMs: 0 },
  { bucket: hour0 + 47, visits: 2, bounces: 0, pageviews: 8, durationMs: 2 ** 33 },
];
const through = '2026-01-01T00:00:00.000Z';

async function ask(
  t: TestContext,
  visits: readonly VisitCell[],
  more = '',
): Promise<z.output<typeof bodies.visits>> {
  const batch = new FakeBatchView([], { visits: new Map([['example.org', visits]]) });
  const server = await serve(t, { batch, realtime: new FakeRealtimeView(batch, []) });
  const range = `from=${show(hour0)}&to=${show(hour0 + 72)}`;
  const response = await server.get(`/v1/visits?domain=example.org&${range}${more}`);
  return bodies.visits.parse(await response.json());
}

const firstDay = {
  visits: 4,
  bounces: 2,
  pageviews: 8,
  duration: 90.5,
  bounceRate: 0.5,
  pageviewsPerVisit: 2,
  meanDuration: 22.625,
};

test('figures of visits are sums of the buckets in the range, and quotients of these', async (t) => {
  const { data, accuracy, freshness } = await ask(t, cells);
  assert.deepEqual(data, {
    domain: 'example.org',
    visits: 6,
    bounces: 2,
    pageviews: 16,
    duration: 8_590_025.092,
    bounceRate: 0.333333,
    pageviewsPerVisit: 2.666667,
    meanDuration: 1_431_670.849,
    through,
  });
  assert.equal(accuracy.exact, true);
  assert.equal(freshness.realtime, null);
});

/** An entry of a series by days, counted from 0. */
function day(number: number, figures: object): object {
  return {
    from: show(hour0 + 24 * number),
    to: show(hour0 + 24 * number + 24),
    label: `2025-06-0${number + 1}`,
    ...figures,
  };
}

test('a series has every interval, with null for quotients where there are no visits', async (t) => {
  const { data, range } = await ask(t, cells, '&interval=day');
  assert.deepEqual(data.series, [
    day(0, firstDay),
    day(1, {
      visits: 2,
      bounces: 0,
      pageviews: 8,
      duration: 8_589_934.592,
      bounceRate: 0,
      pageviewsPerVisit: 4,
      meanDuration: 4_294_967.296,
    }),
    day(2, {
      visits: 0,
      bounces: 0,
      pageviews: 0,
      duration: 0,
      bounceRate: null,
      pageviewsPerVisit: null,
      meanDuration: null,
    }),
  ]);
  assert.equal(range.interval, 'day');
});

test('compare adds the same figures of the earlier period, to the whole and to each interval', async (t) => {
  const asked = `/v1/visits?domain=example.org&from=${show(hour0 + 24)}&to=${show(hour0 + 48)}&compare=previous`;
  const batch = new FakeBatchView([], { visits: new Map([['example.org', cells]]) });
  const server = await serve(t, { batch, realtime: undefined });
  const { data } = bodies.visits.parse(await (await server.get(asked)).json());
  const before = {
    from: show(hour0),
    to: show(hour0 + 24),
    ...firstDay,
    overlap: false,
  };
  assert.equal(data.visits, 2);
  assert.deepEqual(data.compare, before);
  const { data: byDay } = bodies.visits.parse(await (await server.get(`${asked}&interval=hour`)).json());
  assert.deepEqual(byDay.compare, before);
  const parts = byDay.series?.map(({ compare }) => compare);
  assert.equal(parts?.length, 24);
  assert.deepEqual(
    parts.flatMap((part) => ((part?.visits ?? 0) > 0 ? [[part?.from, part?.visits]] : [])),
    [
      [show(hour0), 3],
      [show(hour0 + 23), 1],
    ],
  );
  assert.deepEqual(
    parts.map((part) => part?.overlap),
    parts.map((_, i) => i !== 0 && i !== 23), // no visits in both
  );
  const csv = await (await server.get(`${asked}&format=csv`)).text();
  assert.match(csv, /,meanDuration,compareFrom,compareTo,compareVisits,.*,compareMeanDuration,overlap\r\n/);
  assert.match(csv, /,2025-06-01T00:00:00.000Z,2025-06-02T00:00:00.000Z,4,2,8,90.5,0.5,2,22.625,false\r\n$/);
});

test('a view that does not know the lengths of visits says null, not 0', async (t) => {
  const lengths = { pageviews: Number.NaN, durationMs: Number.NaN };
  const { data } = await ask(
    t,
    cells.map((cell) => ({ ...cell, ...lengths })),
  );
  assert.deepEqual(data, {
    domain: 'example.org',
    visits: 6,
    bounces: 2,
    pageviews: null,
    duration: null,
    bounceRate: 0.333333,
    pageviewsPerVisit: null,
    meanDuration: null,
    through,
  });
});

test('no visits in the range are said to be none', async (t) => {
  assert.equal((await ask(t, [])).data.emptyReason, 'no-visits-in-range');
});
