/** Edges and retention: an old edge joins while one of its ids is seen by a pageview since, by our own threads, in plain SQL and by the oracle. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Fact } from '../../facts/fact.js';
import { makeRules } from '../../facts/rules.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { readHead } from '../../master-data/star/head.js';
import { Star } from '../../master-data/star/star.js';
import { openViewAt } from '../../serving/view-reader.js';
import { assertViewEquals } from '../../test/oracle/compare.js';
import { placed } from '../../test/oracle/ledger.js';
import { rounds } from '../../test/rounds.js';
import { exactDifferences } from '../exact.js';
import { build } from './build.js';
import { makeDataDir, store, testClock } from './data-dir.js';

const keptFrom = Date.UTC(2024, 0, 30);

/** Often just before or after the time from which facts are kept. */
const timestamps = fc.constantFrom(-5_000_000, -1, 0, 1, 5_000_000).map((ms) => keptFrom + ms);
const ids = fc.nat(12).map((i) => `cookie:${i}`);
const received = { receivedAt: testClock() };

const facts = fc.array(
  fc.oneof(
    fc
      .record({ visitor: ids, timestamp: timestamps, page: fc.nat(2), eventId: fc.nat(200) })
      .map(({ visitor, timestamp, page, eventId }): Fact => ({
        type: 'pageview',
        visitor,
        url: page === 2 ? 'mailto:refused' : `https://example.com/${page}`,
        timestamp,
        eventId: `view-${eventId}`,
        ...received,
      })),
    fc
      .record({
        type: fc.constantFrom('equiv' as const, 'equiv' as const, 'retract' as const),
        a: ids,
        b: fc.nat(12).map((i) => `user:${i}`),
        timestamp: timestamps,
        eventId: fc.nat(8),
      })
      .map(({ eventId, ...edge }): Fact => ({ ...edge, eventId: `edge-${eventId}`, ...received })),
  ),
  { minLength: 1, maxLength: 60 },
);

test('an old edge joins while one of its ids is seen: threads, plain SQL and the oracle agree', async () => {
  let joined = 0;
  let dropped = 0;
  await fc.assert(
    fc.asyncProperty(facts, fc.integer({ min: 1, max: 60 }), async (told, first) => {
      const config = makeDataDir({ lgK: 8, partitions: 2 });
      await store(config, told.slice(0, first));
      await store(config, told.slice(first));
      let viewDir = '';
      const { statistics } = await build(config, { threads: 1, keptFrom, keep: (dir) => (viewDir = dir) });
      const all = await build(config, { threads: 1 });
      joined += statistics.liveEdges;
      dropped += all.statistics.liveEdges - statistics.liveEdges;
      const rules = makeRules(config);
      const view = openViewAt(viewDir);
      try {
        assertViewEquals(view, placed(told), rules);
        const tempDir = join(config.dataDir, 'batch', 'temp');
        const starDir = join(tempDir, 'star');
        const star = new Star(starDir, readHead(starDir, rules), takeSnapshot(config.dataDir));
        const limits = {
          tempDir: join(roomOf(config.dataDir, 'batch'), 'exact'),
          memoryLimit: '512MB',
          threads: 1,
        };
        assert.deepEqual(await exactDifferences({ star, rules, view, ...limits }), []);
      } finally {
        view.close();
      }
    }),
    { numRuns: rounds(8, 40) },
  );
  assert.ok(joined > 0 && dropped > 0, `${joined} live edges, ${dropped} left out`);
});
