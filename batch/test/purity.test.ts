import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { timeStart, type Fact } from '../../facts/fact.js';
import type { LogId } from '../../log/log.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { openViewAt } from '../../serving/view-reader.js';
import { assertViewEquals } from '../../test/oracle/compare.js';
import { placed } from '../../test/oracle/ledger.js';
import { BatchDb, readSql } from '../database.js';
import { makeDataDir, store, testClock } from './data-dir.js';
import { build } from './build.js';
import { rounds } from '../../test/rounds.js';

const day = 86_400_000;

/** Repeats, bots, refused URLs, edges and retractions among many pageviews. */
function someFacts(count: number): Fact[] {
  const facts: Fact[] = [];
  for (let i = 0; i < count; i++) {
    const repeated = i % 20 === 7 ? i - 7 : i; // sent again, seven pageviews later
    const mixed = Math.imul(repeated + 1, 0x9e3779b1) >>> 0;
    facts.push({
      type: 'pageview',
      visitor: `cookie:${mixed % 700}`,
      url:
        repeated % 50 === 0
          ? 'https://'
          : `https://site${mixed % 7}.example/${mixed % 90}${i % 3 === 0 ? '/' : ''}`,
      timestamp: Date.UTC(2024, 1, 1) + (mixed % (40 * day)),
      eventId: `e${repeated}`,
      receivedAt: testClock(),
      userAgent: i % 11 === 0 ? 'Googlebot/2.1' : `Mozilla/5.0 Firefox/${mixed % 3}`,
      ...(i % 2 === 0 ? { referrer: `https://from${mixed % 5}.example/${i}` } : {}),
    });
    if (i % 10 === 0) {
      facts.push({
        type: i % 70 === 0 ? 'retract' : 'equiv',
        a: `cookie:${mixed % 300}`,
        b: `user:${mixed % 120}`,
        timestamp: timeStart + i,
        eventId: `edge${i}`,
        receivedAt: testClock(),
      });
    }
  }
  return facts;
}

for (const bucketMinutes of [60, 15] as const)
  test(`one content hash with 1, 2 and 4 threads, twice, from files cut and partitioned differently: buckets of ${bucketMinutes} minutes`, async () => {
    const facts = someFacts(3000);
    const whole = makeDataDir({ lgK: 10, bucketMinutes });
    await store(whole, facts);
    const pieces = makeDataDir({ lgK: 10, bucketMinutes });
    for (let from = 0; from < facts.length; from += 750) await store(pieces, facts.slice(from, from + 750));
    const hashes: string[] = [];
    for (const threads of [1, 2, 4, 2]) hashes.push((await build(whole, { threads })).meta.view.contentHash);
    let kept = '';
    const last = await build(pieces, { threads: 2, keep: (viewDir) => void (kept = viewDir) });
    hashes.push(last.meta.view.contentHash);
    assert.ok(takeSnapshot(pieces.dataDir).files.length > takeSnapshot(whole.dataDir).files.length);
    assert.equal(new Set(hashes).size, 1, hashes.join('\n'));
    const view = openViewAt(kept);
    assert.equal(view.meta.bucketMinutes, bucketMinutes);
    assertViewEquals(view, placed(facts));
    view.close();
  });

test('sizes of shards, blocks and scans do not change the result, and no key is too busy for a shard', async () => {
  const config = makeDataDir({ lgK: 8 });
  const facts = someFacts(3000);
  await store(config, facts);
  const plain = await build(config, { threads: 1 });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 3, max: 3000 }),
      fc.integer({ min: 3, max: 3000 }),
      fc.integer({ min: 100, max: 9000 }),
      async (shardRows, jobRows, hashesPerScan) => {
        const built = await build(config, { threads: 1, tuning: { shardRows, jobRows, hashesPerScan } });
        assert.equal(built.meta.view.contentHash, plain.meta.view.contentHash);
      },
    ),
    { numRuns: rounds(3, 8) },
  );
  assert.ok(
    plain.statistics.repeats > 0 && plain.statistics.botPageviews > 0 && plain.statistics.liveEdges > 0,
  );
});

test('every statement under batch/sql can be prepared on an empty snapshot', async (t) => {
  const config = makeDataDir();
  const db = await BatchDb.open({
    files: [],
    facts: [],
    cut: { logId: 'none' as LogId, next: {} },
    tempDir: join(config.dataDir, 'batch', 'temp'),
    memoryLimit: '256MB',
    threads: 1,
  });
  t.after(async () => db.close());
  const { readdirSync } = await import('node:fs');
  const { assetPath } = await import('../../lib/files/assets.js');
  const left = new Set(readdirSync(assetPath('batch/sql')).map((file) => file.replace('.sql', '')));
  const fill = { erased: '0', keptFrom: '0' };
  for (const name of ['edges', 'repeated-edges', 'live-edges', 'edge-pairs', 'live-exclusions']) {
    await db.prepare(name, fill);
    if (readSql(name).includes('create temp')) await db.run(name, fill);
    left.delete(name);
  }
  // These read Parquet files: they are run by every recount, at every earlier cut, and by exact.test.ts.
  for (const name of ['recount-day', 'recount', 'rows-below', 'whole-run']) left.delete(name);
  assert.deepEqual([...left], []);
});
