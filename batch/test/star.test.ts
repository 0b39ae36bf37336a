/** The star is a cache: whatever becomes of it, the view is the same. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { countsOf, listRuns } from '../../serving/batch-runs.js';
import { roomOf } from '../../lib/files/data-dir.js';
import type { Fact } from '../../facts/fact.js';
import { makeRules } from '../../facts/rules.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { makeStar } from '../../master-data/star/make-star.js';
import { runBatch, type BatchConfig } from '../run.js';
import { makeHouse, store, testClock } from './house.js';

/** Spellings, bots, refused URLs, placeholders, repeats over several files, edges. */
function someFacts(from: number, to: number): Fact[] {
  const facts: Fact[] = [];
  for (let i = from; i < to; i++) {
    const same = i % 9 === 4 ? i - 4 : i;
    facts.push({
      type: 'pageview',
      visitor: same % 31 === 0 ? 'user:null' : `cookie:${same % 37}`,
      url: same % 23 === 0 ? 'mailto:x' : `https://Site${same % 3}.example/${same % 11}?click=${i}`,
      timestamp: Date.UTC(2024, 1, 1) + same * 600_000,
      eventId: `e${same % 200}`,
      receivedAt: testClock(),
      ...(same % 7 === 0 ? { userAgent: 'Googlebot/2.1' } : {}),
    });
    if (i % 8 === 0)
      facts.push({
        type: 'equiv',
        a: `cookie:${i % 37}`,
        b: `user:${i % 5}`,
        timestamp: testClock(),
        eventId: `edge${i}`,
        receivedAt: 0,
      });
  }
  return facts;
}

const run = async (config: BatchConfig): Promise<string> =>
  (await runBatch({ config, clock: testClock, trigger: 'command' })).contentHash;

test('a star that grew file by file, one made at once and one of other rules before give one view', async () => {
  const grew = makeHouse({ lgK: 9 });
  const atOnce = makeHouse({ lgK: 9 });
  for (let from = 0; from < 600; from += 200) {
    const facts = someFacts(from, from + 200);
    await store(grew, facts);
    await store(atOnce, facts);
    if (from < 400) await run({ ...grew, bots: 'include' });
  }
  const expected = await run(atOnce);
  assert.equal(await run(grew), expected);
  const other = await run({ ...grew, urlQueryAllow: ['click'] });
  assert.notEqual(other, expected);
  assert.equal(other, await run({ ...atOnce, urlQueryAllow: ['click'] }));
  assert.equal(await run(grew), expected);
});

test('a star that is at hand is read and not made; deleted, cut short or damaged anywhere it is made again', async () => {
  const config = makeHouse({ lgK: 9 });
  await store(config, someFacts(0, 400));
  const dir = roomOf(config.dataDir, 'star');
  const bytesRead = (): Record<string, number> | undefined => listRuns(config.dataDir).map(countsOf).at(-1);
  const expected = await run(config);
  const first = bytesRead();
  const files = readdirSync(dir);
  assert.ok(files.length > 12, 'texts, results, facts and repeats');
  const timeOf = (name: string): number => statSync(join(dir, name)).mtimeMs;
  const times = files.map(timeOf);
  assert.equal(await run(config), expected);
  assert.deepEqual(files.map(timeOf), times, 'nothing was written');
  const second = bytesRead();
  assert.ok((first?.['masterBytesRead'] ?? 0) > 0 && second?.['masterBytesRead'] === 0);
  assert.ok((second['starBytesRead'] ?? 0) > 300 * 20);

  rmSync(dir, { recursive: true });
  assert.equal(await run(config), expected);
  for (const name of files) {
    const path = join(dir, name);
    const { size } = statSync(path);
    if (size < 2) continue;
    const bytes = readFileSync(path);
    const middle = name.endsWith('.facts') ? 40 : Math.floor(size / 2); // values of the first column
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    const damages = [
      () => writeFileSync(path, bytes),
      () => truncateSync(path, size - 1),
      () => rmSync(path),
    ];
    for (const damage of name === 'HEAD.json' ? damages : [damages[0], damages[2]]) {
      damage?.();
      assert.equal(await run(config), expected, name);
    }
  }
});

test('what a killed run has left behind in the star counts for nothing', async () => {
  const config = makeHouse({ lgK: 9 });
  await store(config, someFacts(0, 200));
  await run(config);
  const dir = roomOf(config.dataDir, 'star');
  await store(config, someFacts(200, 400));
  for (const name of ['urls', 'visitors', 'coupons', 'pages-0', 'url-pages-0'])
    appendFileSync(join(dir, name), 'half a text');
  writeFileSync(join(dir, 'abc.facts'), 'PAR1');
  const again = makeHouse({ lgK: 9 });
  await store(again, someFacts(0, 200));
  await store(again, someFacts(200, 400));
  assert.equal(await run(config), await run(again));
  assert.equal(existsSync(join(dir, 'abc.facts')), false);
});

test('URLs that the rules make one page by dropping their queries are one text', async () => {
  const config = makeHouse();
  await store(config, someFacts(0, 300));
  const options = {
    dir: roomOf(config.dataDir, 'star'),
    snapshot: takeSnapshot(config.dataDir),
    tempDir: join(config.dataDir, 'temp'),
  };
  const limits = {
    memoryLimit: '256MB',
    threads: 1,
    hashesPerScan: 1000,
    onRows: () => undefined,
    signal: undefined,
  };
  const { head: few } = await makeStar({
    ...options,
    ...limits,
    rules: makeRules({ urlQueryAllow: [], bots: 'exclude' }),
  });
  assert.ok(few.texts.urls.count < 40, String(few.texts.urls.count));
  const { head: all } = await makeStar({
    ...options,
    ...limits,
    rules: makeRules({ urlQueryAllow: ['id'], bots: 'exclude' }),
  });
  assert.ok(all.texts.urls.count > 200, String(all.texts.urls.count));
});
