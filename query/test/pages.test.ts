import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ask } from '../inquiries.js';
import { pages } from '../answers/pages.js';
import { pagedTop } from '../answers/top.js';
import { Pace } from '../engine/pace.js';
import { FakeBatchView, FakeRealtimeView, type View, show } from './fakes.js';
import { engineOver } from './server.js';

const hour0 = 480_000;
const viewArbitrary: fc.Arbitrary<View> = fc.record({
  visitor: fc.integer({ min: 0, max: 9 }).map((n) => `v${n}`),
  url: fc.integer({ min: 0, max: 15 }).map((n) => `https://example.org/${Math.floor(n * n * 0.1)}`),
  hour: fc.integer({ min: hour0, max: hour0 + 40 }),
});

test('the busiest pages are those of a full count, whatever range and layer they were seen in', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(viewArbitrary, { maxLength: 80, size: 'max' }),
      fc.array(viewArbitrary, { maxLength: 40, size: 'max' }),
      fc.integer({ min: 0, max: 39 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 8 }),
      async (old, fresh, start, hours, limit) => {
        const batch = new FakeBatchView(old);
        const engine = engineOver({ batch, realtime: new FakeRealtimeView(batch, fresh) });
        const from = hour0 + start;
        const input = {
          domain: 'example.org',
          from: show(from),
          to: show(from + hours),
          limit: String(limit),
        };
        const { data } = (await ask(engine, 'pages', input)).body as unknown as {
          data: { pages: { url: string; pageviews: number; visitors: number }[] };
        };
        const inRange = [...old, ...fresh].filter((view) => view.hour >= from && view.hour < from + hours);
        const counts = new Map<string, number>();
        for (const { url } of inRange) counts.set(url, (counts.get(url) ?? 0) + 1);
        const busiest = [...counts].toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, limit);
        assert.deepEqual(
          data.pages.map((page) => [page.url, page.pageviews]),
          busiest,
        );
        for (const page of data.pages) {
          const people = new Set(inRange.filter((view) => view.url === page.url).map((view) => view.visitor));
          assert.equal(page.visitors, people.size);
        }
        engine.generations.close();
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 200) },
  );
});

test('a quiet range costs no look at every page of the domain', async (t) => {
  const urls = Array.from({ length: 300 }, (_, i) => `https://example.org/${i}`);
  const old = urls.flatMap((url) => [hour0, hour0 + 1].map((hour) => ({ visitor: 'v', url, hour })));
  const quiet = urls.slice(0, 3).map((url) => ({ visitor: 'v', url, hour: hour0 + 30 }));
  const batch = new FakeBatchView([...old, ...quiet]);
  const engine = engineOver({ batch, realtime: undefined });
  const looks = t.mock.method(batch, 'forEachBucket');
  const listing = t.mock.method(batch, 'pages');
  const pagesOf = async (from: number): Promise<string[]> => {
    const input = { domain: 'example.org', from: show(from), to: show(from + 1) };
    const { data } = (await ask(engine, 'pages', input)).body;
    return (data['pages'] as { url: string }[]).map(({ url }) => url);
  };
  assert.deepEqual(await pagesOf(hour0 + 31), []);
  assert.equal(listing.mock.callCount(), 0, 'nothing to rank');
  looks.mock.resetCalls();
  assert.deepEqual(await pagesOf(hour0 + 30), urls.slice(0, 3));
  assert.ok(looks.mock.callCount() <= 1 + 3 + 3, `${looks.mock.callCount()} looks`);
  engine.generations.close();
});

test('a realtime listing that finds nothing is left at the deadline', async () => {
  const view = { visitor: 'v', url: 'https://example.org/', hour: hour0 };
  const batch = new FakeBatchView([view]);
  const realtime = new FakeRealtimeView(batch, []);
  realtime.pages = function* () {
    for (let i = 0; i < 1e8; i++) yield [];
  };
  const engine = engineOver({ batch, realtime });
  const question = {
    domain: 'example.org',
    paging: pagedTop.pagingOf([], { limit: 1 }),
    range: { from: hour0, to: hour0 + 1 },
    zone: 'UTC',
  };
  const pace = new Pace(performance.now());
  await assert.rejects(
    engine.pinned((generation) => pages(engine, generation, question, pace)),
    { problem: 'deadline-exceeded' },
  );
  engine.generations.close();
});
