/** Batch views of more facts than fit in memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Fact } from '../../facts/fact.js';
import { assertViewEquals } from '../../test/oracle/compare.js';
import { placed } from '../../test/oracle/ledger.js';
import { makeDataDir, store, testClock } from './data-dir.js';
import { openViewAt } from '../../serving/view-reader.js';
import { build } from './build.js';

const day = 86_400_000;

test('facts that go to a file count the same, in however many threads', async (t) => {
  const config = makeDataDir({ lgK: 11 });
  // Every second fact is of one domain, which fills blocks; the others are spread over many shards.
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
