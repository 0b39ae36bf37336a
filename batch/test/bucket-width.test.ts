/** Changing the width of base buckets: the next run recomputes everything from the same star. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Fact } from '../../facts/fact.js';
import { formatPath } from '../../lib/files/data-dir.js';
import { openView } from '../../serving/store.js';
import { assertViewEquals } from '../../test/oracle/compare.js';
import { placed } from '../../test/oracle/ledger.js';
import { runBatch } from '../run.js';
import { listRuns } from '../../serving/batch-runs.js';
import { makeDataDir, store, testClock } from './data-dir.js';

test('after a change of the bucket width the next run recomputes all history from the existing star', async () => {
  const hourly = makeDataDir({ lgK: 10, bucketMinutes: 60 });
  const facts = Array.from({ length: 500 }, (_, i): Fact => ({
    type: 'pageview',
    visitor: `cookie:${i % 90}`,
    url: `https://site${i % 3}.example/${i % 7}`,
    timestamp: Date.UTC(2024, 1, 1) + i * 1_000_003,
    eventId: `e${i}`,
    receivedAt: testClock(),
  }));
  await store(hourly, facts);
  const run = async (config: typeof hourly): Promise<void> => {
    const { id } = await runBatch({ config, clock: testClock, trigger: 'rules' });
    const view = openView(config.dataDir, id);
    assert.equal(view.meta.bucketMinutes, config.bucketMinutes);
    assertViewEquals(view, placed(facts));
    view.close();
  };
  await run(hourly);
  const quarterly = { ...hourly, bucketMinutes: 15 } as const;
  await assert.rejects(run(quarterly), { code: 'config.invalid' });
  const format = readFileSync(formatPath(hourly.dataDir), 'utf8');
  writeFileSync(formatPath(hourly.dataDir), format.replace('"bucketMinutes":60', '"bucketMinutes":15'));
  await run(quarterly);
  await assert.rejects(run(hourly), { code: 'config.invalid' });
  const read = listRuns(hourly.dataDir).map(({ statistics }) => statistics?.['masterBytesRead']);
  assert.deepEqual(
    read.map((bytes) => bytes === 0),
    [false, true],
    'bytes of the master dataset that were read',
  );
});
