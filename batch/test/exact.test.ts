import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { assetText } from '../../lib/files/assets.js';
import type { Config } from '../../lib/config/config.js';
import { exclusionKinds, isExclusion, type Exclusion, type Fact } from '../../facts/fact.js';
import { allBucketMinutes } from '../../lib/time/buckets.js';
import { makeRules } from '../../facts/rules.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { readHead } from '../../master-data/star/head.js';
import { Star } from '../../master-data/star/star.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { fileNames, viewPath } from '../../serving/layout.js';
import { openViewAt } from '../../serving/view-reader.js';
import { forgeCells } from '../../serving/test/forge.js';
import { exactDifferences } from '../exact.js';
import { runBatch } from '../run.js';
import { makeDataDir, store, testClock } from './data-dir.js';

/** For each kind of exclusion, some values that pageviews have. */
const excluded = {
  visitor: ['cookie:1', 'cookie:2', 'cookie:99'],
  importId: ['one', 'two', 'three'],
  urlPrefix: ['https://site1.example/', 'https://site2.example/1', 'https://site3.example/2/'],
  userAgent: ['Mozilla/5.0', 'Mozilla/5.0 (X11) Firefox/128.0', 'Mozilla'],
  /** Ids; their hashes are made with the secret of the directory. */
  erased: ['cookie:3', 'user:4', 'cookie:5'],
} as const;

const fact = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({
        type: fc.constant('pageview' as const),
        visitor: fc.oneof(
          fc.nat(30).map((i) => `cookie:${i}`),
          fc.constant('user:null'),
        ),
        url: fc
          .tuple(fc.nat(3), fc.nat(4))
          .map(([site, page]) => (page === 4 ? 'mailto:x' : `https://site${site}.example/${page}`)),
        // Often close together, and at the same millisecond: visits of several views.
        timestamp: fc
          .tuple(fc.oneof(fc.nat(4_000), fc.nat(60)), fc.constantFrom(0, 0, 1, 999, 599_999, 600_000))
          .map(([i, ms]) => Date.UTC(2024, 0, 30) + i * 20 * 60_000 + ms),
        eventId: fc.nat(60).map((i) => `e${i}`),
        receivedAt: fc.constant(testClock()),
        importId: fc.constantFrom('', 'one', 'two'),
        userAgent: fc.constantFrom('Mozilla/5.0', 'Googlebot/2.1', 'Mozilla/5.0 (X11) Firefox/128.0'),
        referrer: fc.constantFrom(
          '',
          'https://www.Search.example/?q=1',
          'https://site1.example/x',
          'nowhere',
        ),
        query: fc.constantFrom(
          '',
          '?utm_source=Letter%20',
          '?a=1&utm_campaign=May&utm_source=',
          '?b#utm_source=x',
        ),
      })
      .map(({ url, query, ...rest }) => ({ ...rest, url: `${url}${query}` })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({
        type: fc.constantFrom('equiv' as const, 'retract' as const),
        a: fc.nat(30).map((i) => `cookie:${i}`),
        b: fc.nat(5).map((i) => `user:${i}`),
        timestamp: fc.nat(20),
        eventId: fc.nat(40).map((i) => `edge${i}`),
        receivedAt: fc.constant(testClock()),
      })
      .map((edge) => ({ ...edge, timestamp: Date.UTC(2024, 0, 1) + edge.timestamp })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({
        type: fc.constantFrom('exclude' as const, 'exclude' as const, 'include' as const),
        by: fc.constantFrom(...exclusionKinds),
        value: fc.nat(2),
        hasTimes: fc.boolean(),
        timestamp: fc.nat(3),
        eventId: fc.uuid(),
      })
      .map(({ value, hasTimes, timestamp, ...rest }): Exclusion => ({
        ...rest,
        value: excluded[rest.by][value] ?? '',
        ...(hasTimes ? { from: Date.UTC(2024, 1, 10), to: Date.UTC(2024, 2, 10) } : {}),
        timestamp: Date.UTC(2024, 0, 1) + timestamp,
        receivedAt: testClock(),
      })),
  },
);

async function differences(config: Config): Promise<string[]> {
  const meta = await runBatch({ config, clock: testClock, trigger: 'command' });
  return differencesOf(config, meta.id);
}

async function differencesOf(config: Config, id: Parameters<typeof viewPath>[1]): Promise<string[]> {
  const rules = makeRules(config);
  const dir = roomOf(config.dataDir, 'star');
  const star = new Star(dir, readHead(dir, rules), takeSnapshot(config.dataDir));
  const view = openViewAt(viewPath(config.dataDir, id));
  try {
    const limits = { tempDir: join(config.dataDir, 'exact'), memoryLimit: '512MB', threads: 1 };
    return await exactDifferences({ star, rules, view, ...limits });
  } finally {
    view.close();
  }
}

test('every cell and visit of a batch view equals the whole run in SQL', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fact, { minLength: 1, maxLength: 400 }),
      fc.constantFrom(0, 3),
      fc.constantFrom(...allBucketMinutes),
      async (facts, maxPersonIds, bucketMinutes) => {
        const config = makeDataDir({ lgK: 4, partitions: 2, maxPersonIds, bucketMinutes });
        const { erasures } = makeRules(config);
        const told = facts.map((each) =>
          isExclusion(each) && each.by === 'erased' ? { ...each, value: erasures.valueOf(each.value) } : each,
        );
        await store(config, told.slice(0, 100));
        await store(config, told.slice(100));
        assert.deepEqual(await differences(config), []);
      },
    ),
    { numRuns: 5 },
  );
});

test('a cell that is wrong by one person is found', async () => {
  const config = makeDataDir();
  const view: Fact = {
    type: 'pageview',
    visitor: 'a',
    url: 'https://example.com/',
    timestamp: Date.UTC(2024, 1, 1),
    eventId: '1',
    receivedAt: 0,
  };
  await store(config, [view, { ...view, visitor: 'b', eventId: '2' }]);
  const { id } = await runBatch({ config, clock: testClock, trigger: 'command' });
  await forgeCells(viewPath(config.dataDir, id), fileNames.pages, (data) => {
    data[data.length - 1] = (data.at(-1) ?? 0) ^ 4;
  });
  assert.match((await differencesOf(config, id)).join('\n'), /page https:\/\/example.com\/, hour/);
});

test('the whole run in SQL has at most 80 lines', () => {
  assert.ok(assetText('batch/sql/whole-run.sql').trim().split('\n').length <= 80);
});
