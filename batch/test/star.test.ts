/** The star is a cache: whatever its state, the view is the same. */
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { roomOf } from '../../lib/files/data-dir.js';
import { makeRules } from '../../facts/rules.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { makeStar } from '../../master-data/star/make-star.js';
import { makeDataDir, store } from './data-dir.js';
import { run, someFacts } from './star-facts.js';

test('a star that grew file by file, one made at once and one made with other rules before give the same view', async () => {
  const grew = makeDataDir({ lgK: 9 });
  const atOnce = makeDataDir({ lgK: 9 });
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

test('leftovers of a killed run in the star are ignored', async () => {
  const config = makeDataDir({ lgK: 9 });
  await store(config, someFacts(0, 200));
  await run(config);
  const dir = roomOf(config.dataDir, 'star');
  await store(config, someFacts(200, 400));
  for (const name of ['urls', 'visitors', 'coupons', 'pages-0', 'url-pages-0'])
    appendFileSync(join(dir, name), 'half a text');
  writeFileSync(join(dir, 'abc.facts'), 'PAR1');
  const again = makeDataDir({ lgK: 9 });
  await store(again, someFacts(0, 200));
  await store(again, someFacts(200, 400));
  assert.equal(await run(config), await run(again));
  assert.equal(existsSync(join(dir, 'abc.facts')), false);
});

test('URLs that differ only in a dropped query are one text in the star', async () => {
  const config = makeDataDir();
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
