/** What a batch run lets the log drop, as seen in the log itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../lib/config/config.js';
import { openLogWriter } from '../../log/open-log.js';
import { Trimmer } from '../../log/retention.js';
import type { ViewMeta } from '../../facts/views/view.js';
import { holdViews } from '../../serving/held.js';
import { listViews } from '../../serving/store.js';
import { runBatch } from '../run.js';
import { makeDataDir, store, testClock } from './data-dir.js';

const factsARound = 1_000;
const segmentBytes = 65_536;

/** Each round fills a segment, and only views keep records in the log. */
const small = { segmentBytes, dedupWindow: 1 };

let rounds = 0;

/** New facts and a batch run over all of them. */
async function round(config: Config, count = factsARound): Promise<ViewMeta> {
  rounds++;
  const facts = Array.from({ length: count }, (_, i) => ({
    type: 'pageview' as const,
    visitor: `cookie:${i}`,
    url: 'https://example.com/',
    timestamp: Date.UTC(2024, 1, 1),
    eventId: `round-${rounds}-${i}`,
    receivedAt: testClock(),
  }));
  await store(config, facts);
  return runBatch({ config, clock: testClock, trigger: 'command' });
}

/** The first offset in the log after trimming. */
async function earliest(config: Config): Promise<number> {
  const log = await openLogWriter(config, testClock);
  try {
    await new Trimmer(config.dataDir, log).run();
    return (await log.earliest())['pageviews/0'] ?? 0;
  } finally {
    await log.close();
  }
}

function cutOf(view: ViewMeta): number {
  return view.cut.next['pageviews/0'] ?? 0;
}

/** All segments before the cut are gone, except the one that the deduplication window needs. */
function assertTrimmedTo(cut: number, first: number): void {
  assert.ok(first <= cut, `offset ${first} is above the cut ${cut}`);
  assert.ok(first >= cut - factsARound, `offset ${first} is far below the cut ${cut}`);
}

test('the log reaches back to the oldest of the last views', async () => {
  const config = makeDataDir({ ...small, batchKeepViews: 3, retainBatches: 2 });
  await round(config);
  const second = await round(config);
  await round(config);
  assert.equal(listViews(config.dataDir).length, 3);
  assertTrimmedTo(cutOf(second), await earliest(config));
});

test('the log reaches back to a held view for as long as it is held', async () => {
  const config = makeDataDir({ ...small, batchKeepViews: 1, retainBatches: 1 });
  const first = await round(config);
  holdViews(config.dataDir, 'speed', [first.id]);
  await round(config);
  const third = await round(config);
  assert.deepEqual(
    listViews(config.dataDir).map(({ id }) => id),
    [first.id, third.id],
  );
  assertTrimmedTo(cutOf(first), await earliest(config));
  holdViews(config.dataDir, 'speed', [third.id]);
  const fourth = await round(config);
  assertTrimmedTo(cutOf(third), await earliest(config));
  assert.ok(cutOf(fourth) > cutOf(third));
});

test('fewer views kept than the log is to reach back: it reaches back to the oldest there is', async () => {
  const config = makeDataDir({ ...small, batchKeepViews: 1, retainBatches: 3 });
  await round(config);
  await round(config);
  const third = await round(config);
  assert.equal(listViews(config.dataDir).length, 1);
  assertTrimmedTo(cutOf(third), await earliest(config));
});

test('a few edges and the default window do not keep the log of a small site', async (t) => {
  const config = makeDataDir({ segmentBytes, partitions: 4 });
  const edges = Array.from({ length: 5 }, (_, i) => ({
    type: 'equiv' as const,
    a: `cookie:${i}`,
    b: `user:${i}`,
    timestamp: Date.UTC(2024, 1, 1),
    eventId: `edge-${i}`,
    receivedAt: testClock(),
  }));
  await store(config, edges);
  const views: ViewMeta[] = [];
  for (let i = 0; i < 4; i++) views.push(await round(config, 8_000));
  const [first, second] = views;
  assert.ok(first !== undefined && second !== undefined);
  // All facts are of one page, and so in one partition.
  const busy = Object.entries(second.cut.next).find(([, next]) => next === 16_000)?.[0];
  assert.ok(busy !== undefined, JSON.stringify(second.cut.next));
  const log = await openLogWriter(config, testClock);
  t.after(() => log.close());
  await new Trimmer(config.dataDir, log).run();
  const begin = Object.entries(await log.earliest()).find(([name]) => name === busy)?.[1] ?? 0;
  // The last three views begin with the second; the window goes back one more run.
  assert.ok(begin > 6_500 && begin <= 8_000, `the log begins at ${begin}`);
});
