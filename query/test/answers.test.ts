import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { coupon } from 'hyperloglog-ts';
import type { RealtimeView } from '../../facts/views/view.js';
import type { Engine } from '../engine/engine.js';
import { ask } from '../inquiries.js';
import {
  FakeBatchView,
  FakeRealtimeView,
  type FakeOptions,
  type FakeRealtimeOptions,
  type View,
  show,
} from './fakes.js';
import { engineOver } from './server.js';

function engineOf(batch: FakeBatchView, realtime?: RealtimeView): Engine {
  return engineOver({ batch, realtime });
}

const urls = ['https://a.example.org/', 'https://a.example.org/x', 'https://b.example.com/'];
const startHour = Date.UTC(2025, 0, 30) / 3_600_000;
const viewArbitrary: fc.Arbitrary<View> = fc.record({
  visitor: fc.integer({ min: 0, max: 40 }).map((n) => `cookie:${n}`),
  url: fc.constantFrom(...urls),
  hour: fc.integer({ min: startHour, max: startHour + 24 * 40 }),
});

type Data = {
  visitors: number;
  pageviews: number;
  series: { visitors: number; pageviews: number; from: string }[];
};

test('uniques and pageviews over both layers are those of plain sets and counts', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(viewArbitrary, { maxLength: 120 }),
      fc.array(viewArbitrary, { maxLength: 40 }),
      fc.integer({ min: -5, max: 24 * 40 }),
      fc.integer({ min: 1, max: 24 * 45 }),
      fc.uniqueArray(fc.constantFrom(...urls), { minLength: 1 }),
      fc.constantFrom(undefined, 'hour', 'day', 'week', 'month'),
      async (old, fresh, start, hours, asked, interval) => {
        const mapping = new Map([
          ['cookie:7', 'cookie:3'],
          ['cookie:9', 'cookie:3'],
        ]);
        const batch = new FakeBatchView(old, { mapping });
        const engine = engineOf(batch, new FakeRealtimeView(batch, fresh));
        const from = startHour + start;
        const input = {
          url: asked,
          from: show(from),
          to: show(from + hours),
          ...(interval === undefined ? {} : { interval, tz: 'Europe/Berlin' }),
        };
        const inRange = [...old, ...fresh].filter(
          (view) => asked.includes(view.url) && view.hour >= from && view.hour < from + hours,
        );
        const people = new Set(inRange.map((view) => mapping.get(view.visitor) ?? view.visitor));
        const uniques = (await ask(engine, 'uniques', input)).body.data as Data;
        assert.equal(uniques.visitors, people.size);
        const pageviews = (await ask(engine, 'pageviews', input)).body.data as Data;
        assert.equal(pageviews.pageviews, inRange.length);
        if (interval === undefined) return;
        const sum = pageviews.series.reduce((total, entry) => total + entry.pageviews, 0);
        assert.equal(sum, inRange.length);
        for (const [i, entry] of uniques.series.entries()) {
          const sliceFrom = Date.parse(entry.from) / 3_600_000;
          const sliceTo = Date.parse(uniques.series[i + 1]?.from ?? show(from + hours)) / 3_600_000;
          const inSlice = inRange.filter((view) => view.hour >= sliceFrom && view.hour < sliceTo);
          assert.equal(entry.visitors, new Set(inSlice.map((v) => mapping.get(v.visitor) ?? v.visitor)).size);
        }
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 150) },
  );
});

test('two people with one coupon: above 201 people no number is called exact, and upper allows for them', async () => {
  const twins = ['cookie:6lr', 'cookie:mm4']; // the first such pair of cookie:0, cookie:1, ... in base 36
  const [one, two] = twins.map((id) => coupon(id));
  assert.equal(one, two);
  for (const people of [3, 201, 202, 300, 1_000, 1_536]) {
    const visitors = [...twins, ...Array.from({ length: people - 2 }, (_, i) => `user:${i}`)];
    const views = [...visitors, ...visitors].map((visitor) => ({
      visitor,
      url: urls[0] ?? '',
      hour: startHour,
    }));
    const batch = new FakeBatchView(views, { lgK: 14 });
    const range = { from: show(startHour), to: show(startHour + 1), domain: 'example.org' };
    const { body } = await ask(engineOf(batch), 'uniques', range);
    const { lower, upper, exact } = body['accuracy'] as { lower: number; upper: number; exact: boolean };
    const counted = people - 1;
    const isFew = counted <= 201; // of whom two share a coupon with odds below 1 in 10,000: here they do
    assert.deepEqual(
      { ...(body.data as { visitors: number }), lower, upper, exact },
      {
        domain: 'example.org',
        visitors: counted,
        lower: counted,
        upper: isFew ? counted : people,
        exact: isFew,
      },
    );
  }
});

test('there are never more people than pageviews', async () => {
  let atTheLimit = 0;
  for (let seed = 0; seed < 50; seed++) {
    const people = 1_000;
    const views = Array.from({ length: people }, (_, i) => ({
      visitor: `s${seed}:${i}`,
      url: 'https://a.example.org/',
      hour: startHour,
    }));
    const batch = new FakeBatchView(views, { lgK: 8 });
    const realtime = new FakeRealtimeView(batch, [], { retractions: 2_000 });
    const range = { from: show(startHour), to: show(startHour + 1), domain: 'example.org' };
    const { body } = await ask(engineOf(batch, realtime), 'uniques', range);
    const { visitors } = body.data as Data;
    const { lower, upper } = body['accuracy'] as { lower: number; upper: number };
    assert.ok(lower <= visitors && visitors <= upper && upper === people, `${lower} ${visitors} ${upper}`);
    if (visitors === people) atTheLimit++;
  }
  assert.ok(atTheLimit > 10, 'half of the estimates are too high without the limit');
});

test('edges that wait are allowed for, also where a cap takes people apart or lets them be joined', async () => {
  // Ids 0 to 5 are one person, 6 to 11 another; everybody has viewed the page.
  const maxPersonIds = 6;
  const views = Array.from({ length: 12 }, (_, i) => ({
    visitor: `v${String(i).padStart(2, '0')}`,
    url: 'https://a.example.org/',
    hour: startHour,
  }));
  const joined = new Map(views.map(({ visitor }, i) => [visitor, i < 6 ? 'v00' : 'v06']));
  const range = { from: show(startHour), to: show(startHour + 1), domain: 'example.org' };
  const boundsOf = async (options: FakeOptions, edges: FakeRealtimeOptions): Promise<number[]> => {
    const batch = new FakeBatchView(views, options);
    const engine = engineOf(batch, new FakeRealtimeView(batch, [], edges));
    const { body } = await ask(engine, 'uniques', range);
    const { lower, upper } = body['accuracy'] as { lower: number; upper: number };
    return [lower, (body.data as Data).visitors, upper];
  };
  // One edge between the two people: 12 ids are more than the cap, and each is a person of its own.
  assert.deepEqual(await boundsOf({ mapping: joined, maxPersonIds }, { equivs: 1 }), [1, 2, 12]);
  // That edge taken back: both may be joined.
  assert.deepEqual(await boundsOf({ maxPersonIds }, { retractions: 1 }), [2, 12, 12]);
  assert.deepEqual(await boundsOf({ mapping: joined }, { equivs: 1 }), [1, 2, 2]);
  assert.deepEqual(await boundsOf({ mapping: joined }, { retractions: 1 }), [2, 2, 3]);
});

test('an empty answer says from when to when there are pageviews, over both layers', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(viewArbitrary, { maxLength: 20 }),
      fc.array(viewArbitrary, { maxLength: 5 }),
      fc.uniqueArray(fc.constantFrom(...urls), { minLength: 1 }),
      async (old, fresh, asked) => {
        const batch = new FakeBatchView(old);
        const engine = engineOf(batch, new FakeRealtimeView(batch, fresh));
        const range = { from: '2011-01-01', to: '2011-02-01' };
        const expected = (isAsked: (url: string) => boolean, unknown: string): object => {
          const hours = [...old, ...fresh].filter(({ url }) => isAsked(url)).map(({ hour }) => hour);
          if (hours.length === 0) return { emptyReason: unknown };
          const available = { from: show(Math.min(...hours)), to: show(Math.max(...hours) + 1) };
          return { emptyReason: 'no-pageviews-in-range', available };
        };
        const said = async (name: string, subject: Record<string, string | string[]>): Promise<object> => {
          const { data } = (await ask(engine, name, { ...subject, ...range })).body;
          const known = data as { emptyReason?: string; available?: object };
          const { emptyReason, available } = known;
          return { emptyReason, ...(available === undefined ? {} : { available }) };
        };
        const ofPages = expected((url) => asked.includes(url), 'unknown-url');
        assert.deepEqual(await said('uniques', { url: asked }), ofPages);
        assert.deepEqual(await said('pageviews', { url: asked }), ofPages);
        const ofDomain = expected((url) => url.includes('example.org'), 'unknown-domain');
        assert.deepEqual(await said('pages', { domain: 'example.org' }), ofDomain);
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 100) },
  );
});
