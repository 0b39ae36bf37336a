/**
 * Hash collisions never join different texts. The texts of these histories collide in DuckDB's `hash()`: they are found with queries, so the
 * test works with the hash of any version of DuckDB.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import type { EquivEdge, Fact, Pageview } from '../../facts/fact.js';
import { makeRules } from '../../facts/rules.js';
import { digestFile } from '../../lib/files/digest.js';
import { offset, type LogId } from '../../log/log.js';
import { sqlText } from '../../master-data/duckdb.js';
import { currentIfAny } from '../../serving/current.js';
import { newBuildingDir, openView } from '../../serving/store.js';
import type { BatchView } from '../../facts/views/view.js';
import { buildView, type BuiltView } from '../pipeline.js';
import { ProgressMeter } from '../progress.js';
import { runBatch } from '../run.js';
import { makeDataDir, store, testClock } from './data-dir.js';

/** Long form: all ids and URLs of the families in which collisions were first seen. */
const isLong = process.env['LONG'] === '1';

const duckDb = await DuckDBInstance.create(':memory:');
const connection = await duckDb.connect();
after(() => duckDb.closeSync());

type Pair = readonly [a: string, b: string];

/** At most `count` pairs of texts with equal hashes in the result of a query. */
async function collidingPairs(texts: string, count: number): Promise<Pair[]> {
  const reader = await connection.runAndReadAll(
    `select min(text), max(text) from (${texts}) as texts(text)
     group by hash(text) having count(*) > 1 order by 1 limit ${count}`,
  );
  return reader.getRows().map(([a, b]) => [String(a), String(b)]);
}

/** Addresses that differ in two characters eight apart: the last ones of the blocks that DuckDB hashes. */
const idPairs = (first: number, third: number, count: number): Promise<Pair[]> =>
  collidingPairs(
    `select 'ip:${first}.' || (100 + a) || '.${third}.' || (10 + b)
     from range(150) as x(a), range(90) as y(b)`,
    count,
  );
const urlPairs = (count: number): Promise<Pair[]> =>
  collidingPairs(
    `select 'https://www.shop.example/c/' || (100000 + i % 940) || '/p/' || (100000 + i // 940)
     from range(940000) as numbers(i)`,
    count,
  );

let events = 0;
function pageview(visitor: string, url: string, eventId = `e${events++}`): Pageview {
  return { type: 'pageview', visitor, url, timestamp: time, eventId, receivedAt: testClock() };
}
function edge(a: string, b: string, eventId = `e${events++}`): EquivEdge {
  return { type: 'equiv', a, b, timestamp: time, eventId, receivedAt: testClock() };
}
function retraction(a: string, b: string, eventId: string): EquivEdge {
  return { ...edge(a, b, eventId), type: 'retract' };
}
const time = Date.UTC(2024, 1, 1);
const hour = time / 3_600_000;

async function viewOf(t: TestContext, facts: readonly Fact[]): Promise<BatchView> {
  const config = makeDataDir();
  await store(config, facts);
  await runBatch({ config, clock: testClock, trigger: 'command' });
  const current = currentIfAny(config.dataDir);
  assert.ok(current !== undefined);
  const view = openView(config.dataDir, current);
  t.after(() => view.close());
  return view;
}

function countsOf(view: BatchView, url: string): { pageviews: number; people: number } {
  let counts = { pageviews: 0, people: 0 };
  view.forEachBucket({ kind: 'page', url }, 'base', hour, hour + 1, ({ pageviews, sketch }) => {
    assert.equal(sketch.kind, 'coupons');
    counts = { pageviews, people: sketch.kind === 'coupons' ? sketch.coupons.length : -1 };
  });
  return counts;
}

test('visitors, pages, events and ends of edges whose texts have one hash in DuckDB are kept apart', async (t) => {
  const urls = await urlPairs(8);
  assert.ok(urls.length === 8, 'DuckDB has pairs of URLs with one hash');
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 10, max: 99 }),
      fc.integer({ min: 100, max: 250 }),
      async (first, third) => {
        const ids = await idPairs(first, third, 5);
        fc.pre(ids.length === 5); // not every prefix has such pairs
        const page = 'https://example.com/ids';
        const facts: Fact[] = [];
        for (const [a, b] of ids) {
          facts.push(pageview(a, page), pageview(b, page));
          facts.push(edge(a, `user:of ${a}`), edge(b, `user:of ${b}`));
          facts.push(pageview('cookie:events', 'https://example.com/events', a));
          facts.push(pageview('cookie:events', 'https://example.com/events', b));
        }
        for (const [a, b] of urls) facts.push(pageview('cookie:urls', a), pageview('cookie:urls', b));
        const view = await viewOf(t, facts);
        assert.deepEqual(countsOf(view, page), { pageviews: 2 * ids.length, people: 2 * ids.length });
        for (const url of urls.flat())
          assert.deepEqual(countsOf(view, url), { pageviews: 1, people: 1 }, url);
        for (const id of ids.flat()) assert.deepEqual(view.idsOf(id), [id, `user:of ${id}`]);
        assert.equal(countsOf(view, 'https://example.com/events').pageviews, 2 * ids.length, 'events');
      },
    ),
    { numRuns: isLong ? 30 : 3 },
  );
});

test('an event id on another page, of another visitor or in another partition is not a repeat', async (t) => {
  const [x, y] = ['https://example.com/x', 'https://example.com/y'];
  const view = await viewOf(t, [
    pageview('cookie:1', x, 'one'),
    pageview('cookie:2', x, 'one'),
    pageview('cookie:1', y, 'one'),
    pageview('cookie:1', `${x}/`, 'one'), // the same page
    pageview('cookie:1', x, 'one'),
    { ...pageview('cookie:1', 'https://example.com/z', 'bot first'), userAgent: 'Googlebot/2.1' },
    pageview('cookie:1', 'https://example.com/z', 'bot first'),
  ]);
  assert.deepEqual(countsOf(view, x), { pageviews: 2, people: 2 });
  assert.deepEqual(countsOf(view, y), { pageviews: 1, people: 1 });
  assert.deepEqual(
    countsOf(view, 'https://example.com/z'),
    { pageviews: 1, people: 1 },
    'a bot makes no repeat',
  );
});

test('an edge fact that repeats an earlier one does not count; with another type, pair or event id it does', async (t) => {
  const view = await viewOf(t, [
    edge('a1', 'a2', 'e'),
    retraction('a1', 'a2', 'e2'),
    edge('a2', 'a1', 'e'), // the first again: its pair has no direction
    edge('b1', 'b2', 'e'), // repeats the first: the order of the pair does not matter
    edge('c1', 'c2', 'f'),
    retraction('c1', 'c2', 'f'), // another type
    edge('d1', 'd2', 'g'),
    retraction('d1', 'd2', 'h'),
    edge('d1', 'd2', 'i'), // another event
    pageview('x', 'https://example.com/'),
  ]);
  const persons = ['a2', 'b2', 'c2', 'd2'].map((id) => view.personOf(id));
  assert.deepEqual(persons, ['a2', 'b1', 'c2', 'd1']);
});

/** Builds a view of one file of pageviews, all on one page or by one visitor. */
async function build(pageviews: string): Promise<BuiltView> {
  const config = makeDataDir();
  const path = join(config.dataDir, 'pageviews.parquet');
  await connection.run(`copy (
    select row_number() over () - 1 as "offset", ${time} as received_at, ${time} as timestamp, visitor, url,
      cast(null as varchar) as event_id, cast(null as varchar) as user_agent, cast(null as varchar) as referrer,
      cast(null as varchar) as invalid_reason, cast(null as blob) as raw
    from (${pageviews})) to ${sqlText(path)} (format parquet)`);
  const rows = Number(
    (await connection.runAndReadAll(`select count(*) from ${sqlText(path)}`)).getRows()[0]?.[0],
  );
  const [fromOffset, toOffset] = [offset(0), offset(rows)];
  const file = { topic: 'pageviews', partition: 0, path, rows, fromOffset, toOffset } as const;
  const times = { minTimestamp: time, maxTimestamp: time };
  const cut = { logId: 'many' as LogId, next: { 'pageviews/0': toOffset } as const };
  const files = [{ ...file, ...times, ...(await digestFile(path)) }];
  return buildView({
    snapshot: { cut, files, manifests: { 'pageviews/0': 1 }, gaps: [] },
    rules: makeRules({ urlQueryAllow: [], bots: 'exclude' }),
    lgK: 14,
    bucketMinutes: 60,
    maxPersonIds: 0,
    number: 1,
    createdAt: 0,
    previous: undefined,
    viewDir: newBuildingDir(config.dataDir, 'many'),
    tempDir: join(config.dataDir, 'temp'),
    memoryLimit: '1GB',
    threads: 2,
    progress: new ProgressMeter(
      () => 0,
      () => undefined,
    ),
  });
}

/** Families of different texts, with their sizes; the short form uses a part of each. */
const families = [
  ['addresses', "'ip:18.' || (i % 250) || '.' || (i // 250 % 250) || '.' || (i // 62500)", 3_000_000],
  ['phone numbers', "'phone:+49' || (15100000000 + i * 7)", 1_000_000],
] as const;

test('as many persons and pages are found as there are different texts', async () => {
  const share = isLong ? 1 : 100;
  for (const [name, text, all] of families) {
    const rows = all / share;
    const { meta } = await build(
      `select ${text} as visitor, 'https://example.com/' as url from range(${rows}) as numbers(i)`,
    );
    assert.equal(meta.view.counts.persons, rows, name);
  }
  const pages = 1_000_000 / share;
  const { meta } = await build(`select 'cookie:1' as visitor,
       'https://www.shop.example/c/' || (100000 + i % 940) || '/p/' || (100000 + i // 940) as url
     from range(${pages}) as numbers(i)`);
  assert.equal(meta.view.counts.pages, pages);
});
