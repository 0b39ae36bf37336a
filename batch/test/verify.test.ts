import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Config } from '../../lib/config/config.js';
import { timeEnd, timeStart, type Fact } from '../../facts/fact.js';
import { makeRules } from '../../facts/rules.js';
import { offset } from '../../log/log.js';
import type { ViewMeta } from '../../facts/views/view.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { bucketKey, identityNames } from '../../serving/identity.js';
import { dimensions } from '../../facts/subjects.js';
import { indexNamesOf } from '../../serving/index-file.js';
import { fileNames } from '../../serving/layout.js';
import { newBuildingDir } from '../../serving/store.js';
import { forgeCells, forgeTables } from '../../serving/test/forge.js';
import { openViewAt } from '../../serving/view-reader.js';
import { buildView, type BuiltView } from '../pipeline.js';
import { ProgressMeter } from '../progress.js';
import { assertViewEquals } from '../../test/oracle/compare.js';
import { placed } from '../../test/oracle/ledger.js';
import { makeDataDir, store, testClock } from './data-dir.js';
import { tempDir } from '../../test/temp-dir.js';

const facts: Fact[] = Array.from({ length: 400 }, (_, i) => ({
  type: 'pageview',
  visitor: `cookie:${i % 50}`,
  url: `https://example.com/${i % 5}`,
  timestamp: Date.UTC(2024, 1, 1) + i * 60_000,
  eventId: `e${i}`,
  receivedAt: testClock(),
}));
const edge: Fact = {
  type: 'equiv',
  a: 'cookie:1',
  b: 'cookie:2',
  timestamp: timeStart,
  eventId: 'x',
  receivedAt: 0,
};

async function buildWith(
  config: Config,
  beforeVerify: (dir: string) => void | Promise<void>,
  previous?: ViewMeta,
): Promise<BuiltView> {
  return buildView({
    snapshot: takeSnapshot(config.dataDir),
    rules: makeRules({ urlQueryAllow: [], bots: 'exclude' }),
    lgK: config.lgK,
    bucketMinutes: 60,
    maxPersonIds: 0,
    number: 1,
    createdAt: 0,
    previous,
    viewDir: newBuildingDir(config.dataDir, 'test'),
    tempDir: join(config.dataDir, 'batch', 'temp'),
    memoryLimit: '256MB',
    threads: 1,
    progress: new ProgressMeter(
      () => 0,
      () => undefined,
    ),
    beforeVerify,
  });
}

/** Builds a view of the stored facts `all`, and compares it with the oracle. */
async function buildAndCompare(t: TestContext, config: Config, all: readonly Fact[]): Promise<void> {
  let dir = '';
  await buildWith(config, (viewDir) => void (dir = viewDir));
  const view = openViewAt(dir);
  t.after(() => view.close());
  assertViewEquals(view, placed(all));
}

test('three seeded wrong views are refused before they are published, each for its reason', async () => {
  const config = makeDataDir();
  await store(config, [...facts, edge]);
  const sound = await buildWith(config, () => undefined);

  await assert.rejects(
    buildWith(config, (dir) =>
      forgeCells(dir, fileNames.pages, (data) => {
        const at = data.length - 4; // part of a coupon of the last block
        data[at] = (data[at] ?? 0) ^ 1;
      }),
    ),
    { code: 'view.refused', message: /check of recount|does not have the people/ },
    'another person in one hour of one page',
  );
  await assert.rejects(
    buildWith(config, (dir) =>
      forgeTables(
        dir,
        fileNames.index,
        indexNamesOf(dimensions.map(({ name }) => name)),
        (table, key) => table !== 'pages' || key.toString() !== 'https://example.com/3',
      ),
    ),
    { code: 'view.refused', message: /pageviews of all pages together/ },
    'a page lost',
  );
  await assert.rejects(
    buildWith(config, (dir) =>
      forgeTables(
        dir,
        fileNames.identity,
        identityNames,
        (table, key) => table !== 'ids' || !key.equals(bucketKey('cookie:2')),
      ),
    ),
    { code: 'view.refused', message: /cookie:2 belongs to cookie:2, but its edges join it to cookie:1/ },
    'two ids of a person not joined',
  );

  const { cut } = sound.meta.view;
  const ahead = {
    ...sound.meta.view,
    cut: { ...cut, next: { ...cut.next, 'pageviews/0': offset(1_000_000) } },
  };
  await assert.rejects(
    buildWith(config, () => undefined, ahead),
    { code: 'view.refused', message: /its cut is before/ },
    'a cut that goes back',
  );
});

test('a URL with a NUL and a view in a far year are counted again like any other', async () => {
  const config = makeDataDir();
  const odd = ['/a\0b', '/q?x=\0', '/f#\0'].map((path, i) => ({
    ...(facts[0] ?? edge),
    url: `https://example.com${path}`,
    eventId: `odd${i}`,
  }));
  const far = { ...(facts[0] ?? edge), timestamp: timeEnd - 1, eventId: 'far' };
  await store(config, [...facts, ...odd, far]);
  const { statistics } = await buildWith(config, () => undefined);
  assert.equal(statistics.pageviews, facts.length + 4);
});

test('directory names in the path of the data do not become columns', async (t) => {
  const above = tempDir('hive');
  const config = makeDataDir({ dataDir: join(above, 'visitor=all', 'url=x', 'offset=0', 'a=1', 'data') });
  const all = [...facts, edge];
  await store(config, all);
  await buildAndCompare(t, config, all);
});

test('edges that the door would have refused join nothing: placeholders, and records that are not edges', async () => {
  const config = makeDataDir();
  const pairs = [
    ['cookie:1', 'cookie:2'],
    ['cookie:1', 'user:null'],
    ['"Guest"', 'cookie:2'],
    ['\uFEFFnull', 'cookie:3'],
    ['anonymous!', 'cookie:3'],
  ] as const;
  // Repeated, so that Parquet makes a dictionary of the ids and DuckDB filters the dictionary instead of the rows.
  const edges = Array.from({ length: 40 * pairs.length }, (_, i): Fact => {
    const [a, b] = pairs[i % pairs.length] ?? pairs[0];
    return { ...edge, a, b, eventId: `edge${i}` };
  });
  const foreign = [{ topic: 'equivs' as const, key: 'k', value: Buffer.from('{"a":"null"') }];
  await store(config, [...facts, ...edges], foreign);
  const { statistics } = await buildWith(config, () => undefined);
  assert.deepEqual([statistics.edgeRecords, statistics.refusedEdges, statistics.liveEdges], [201, 121, 2]);
});

test('a text that begins with U+FEFF keeps it: ids, long and short, urls and user agents', async (t) => {
  const config = makeDataDir();
  const ids = ['a', 'b', 'c'.repeat(60), 'd'.repeat(60)].flatMap((id) => [id, `\uFEFF${id}`]);
  const views = ids.map((visitor, i) => ({ ...(facts[0] ?? edge), visitor, eventId: `odd${i}` }));
  const agents = ['\uFEFFcurl/8.0', '\uFEFFMozilla/5.0'].map((userAgent, i) => ({
    ...(facts[0] ?? edge),
    userAgent,
    eventId: `agent${i}`,
  }));
  const marked = { ...(facts[0] ?? edge), url: '\uFEFFhttps://example.com/marked', eventId: 'marked' };
  const edges: Fact[] = [
    { ...edge, a: '\uFEFFa', b: `\uFEFF${'c'.repeat(60)}`, eventId: 'edge0' },
    { ...edge, a: 'b', b: '\uFEFFb', eventId: 'edge1' },
  ];
  const all = [...views, ...agents, marked, ...edges] as Fact[]; // spread copies of one pageview
  await store(config, all);
  await buildAndCompare(t, config, all);
});

test('a site whose links all carry click ids has a view, although none of its pages is recounted', async () => {
  const config = makeDataDir();
  const clicks = Array.from({ length: 10_001 }, (_, i) => ({
    ...(facts[i % facts.length] ?? edge),
    url: `https://example.com/landing?click=${i}`,
    eventId: `click${i}`,
  }));
  await store(config, clicks);
  const { statistics, meta } = await buildWith(config, () => undefined);
  assert.deepEqual([statistics.pageviews, meta.view.counts.pages], [10_001, 1]);
});
