import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Config } from '../../lib/config/config.js';
import { timeStart, type Fact } from '../../facts/fact.js';
import { makeRules } from '../../facts/rules.js';
import type { LogId } from '../../log/log.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { newBuildingDir } from '../../serving/store.js';
import { BatchDb, readSql } from '../database.js';
import { buildView, type Built, type Tuning } from '../pipeline.js';
import { ProgressMeter } from '../progress.js';
import { assertViewEquals } from '../../test/oracle/compare.js';
import { placed } from '../../test/oracle/ledger.js';
import { makeHouse, store, testClock } from './house.js';
import { openViewAt } from '../../serving/view-reader.js';

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

async function build(
  config: Config,
  options: { threads: number; tuning?: Partial<Tuning>; keep?: (dir: string) => void },
): Promise<Built> {
  const viewDir = newBuildingDir(config.dataDir, 'test');
  const built = await buildView({
    snapshot: takeSnapshot(config.dataDir),
    rules: makeRules({ urlQueryAllow: [], bots: 'exclude' }),
    lgK: config.lgK,
    maxPersonIds: config.maxPersonIds,
    number: 1,
    createdAt: 0,
    previous: undefined,
    viewDir,
    tempDir: join(config.dataDir, 'batch', 'temp'),
    memoryLimit: '512MB',
    threads: options.threads,
    progress: new ProgressMeter(
      () => 0,
      () => undefined,
    ),
    tuning: options.tuning ?? {},
  });
  options.keep?.(viewDir);
  return built;
}

test('one content hash with 1, 2 and 4 threads, twice, from files cut and partitioned differently', async () => {
  const facts = someFacts(6000);
  const whole = makeHouse({ lgK: 10 });
  await store(whole, facts);
  const pieces = makeHouse({ lgK: 10 });
  for (let from = 0; from < facts.length; from += 1500) await store(pieces, facts.slice(from, from + 1500));
  const hashes: string[] = [];
  for (const threads of [1, 2, 4, 2]) hashes.push((await build(whole, { threads })).meta.view.contentHash);
  hashes.push((await build(pieces, { threads: 2 })).meta.view.contentHash);
  assert.ok(takeSnapshot(pieces.dataDir).files.length > takeSnapshot(whole.dataDir).files.length);
  assert.equal(new Set(hashes).size, 1, hashes.join('\n'));
});

test('sizes of ranges, blocks and scans change nothing, and no key is too busy for a range', async () => {
  const config = makeHouse({ lgK: 8 });
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
    { numRuns: 8 },
  );
  assert.ok(
    plain.statistics.repeats > 0 && plain.statistics.botPageviews > 0 && plain.statistics.liveEdges > 0,
  );
});

test('facts that go to a file count the same, in however many threads', async (t) => {
  const config = makeHouse({ lgK: 11 });
  // Every second fact is of one domain, which fills blocks; the others lie in many shards.
  const facts: Fact[] = Array.from({ length: 130_000 }, (_, i) => ({
    type: 'pageview',
    visitor: `cookie:${(i * 7919) % 5003}`,
    url: i % 2 === 0 ? `https://example.com/${i % 13}` : `https://site${i % 61}.example/${i % 7}`,
    timestamp: Date.UTC(2024, 0, 1) + ((i * 104_729) % 90) * (day / 3),
    eventId: `e${i}`,
    receivedAt: testClock(),
  }));
  await store(config, facts);
  const dirs: string[] = [];
  const hashes: string[] = [];
  for (const threads of [1, 2, 4]) {
    const built = await build(config, {
      threads,
      tuning: threads === 1 ? {} : { shardRows: 5_000, jobRows: 9_000, factsInMemory: 0 },
      keep: (viewDir) => dirs.push(viewDir),
    });
    hashes.push(built.meta.view.contentHash);
  }
  assert.equal(new Set(hashes).size, 1, hashes.join('\n'));
  const view = openViewAt(dirs.at(-1) ?? '');
  t.after(() => view.close());
  assertViewEquals(view, placed(facts));
});

test('every statement under batch/sql can be prepared on an empty snapshot', async (t) => {
  const config = makeHouse();
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
  for (const name of ['edges', 'repeated-edges', 'live-edges', 'edge-pairs', 'live-exclusions']) {
    await db.prepare(name);
    if (readSql(name).includes('create temp')) await db.run(name);
    left.delete(name);
  }
  // These read Parquet files: they are run by every recount, at every earlier cut, and by exact.test.ts.
  for (const name of ['recount-day', 'recount', 'rows-below', 'whole-run']) left.delete(name);
  assert.deepEqual([...left], []);
});
