/** The merge by itself, over more realtime hours than are read in one piece. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from '../engine/pace.js';
import { Tally } from '../engine/tally.js';
import { FakeBatchView, FakeRealtimeView, hourly } from './fakes.js';

const url = 'https://a.example.org/';
const startHour = Date.UTC(2020, 0, 1) / 3_600_000;
const years = 4 * 8_766;

test('every hour of a range counts once, batch and realtime, wherever the pieces end that realtime hours are read in', async () => {
  // In the last hour of each stretch, and in the first of the next: also where those double in length.
  const edges = [
    0,
    2_976,
    5_952,
    8_928,
    11_904,
    14_880,
    17_856,
    20_832,
    23_808,
    26_784,
    29_760,
    32_736,
    years,
  ];
  const hours = edges.flatMap((edge) => [edge - 1, edge, edge + 1]).map((hour) => startHour + hour);
  const views = hours.map((hour) => ({ visitor: `cookie:${hour}`, url, hour }));
  const batch = new FakeBatchView(views.slice(0, 10));
  const realtime = new FakeRealtimeView(batch, views.slice(5));
  const all = [...views.slice(0, 10), ...views.slice(5)];
  const generation = { batch, realtime, cut: realtime.cut, version: '' };
  const tally = new Tally(batch.meta.lgK, hourly);
  for (const [from, to] of [
    [-1, years + 2],
    [0, years],
    [0, 1],
    [1, 2_976],
    [2_975, 8_929],
    [2_976, 8_928],
    [5_953, years + 1],
  ] as const) {
    const range = { from: startHour + from, to: startHour + to };
    tally.reset();
    await tally.add(generation, { kind: 'page', url }, range, 'uniques', new Pace(Number.POSITIVE_INFINITY));
    const inRange = all.filter(({ hour }) => hour >= range.from && hour < range.to);
    assert.equal(tally.pageviews, inRange.length, `${from} to ${to}`);
    assert.equal(Math.round(tally.union.estimate()), new Set(inRange.map(({ visitor }) => visitor)).size);
  }
});
