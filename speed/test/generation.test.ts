import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ErasureHash } from '../../facts/erasures.js';
import { timeEnd, type Fact } from '../../facts/fact.js';
import { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { zeroOffsets } from '../../log/cut.js';
import { offset, type Offsets } from '../../log/log.js';
import { hourMs, widthOf } from '../../lib/time/buckets.js';
import type { BatchView } from '../../facts/views/view.js';
import { oracleView } from '../../test/oracle/batch-view.js';
import { assertRealtimeEquals } from '../../test/oracle/compare.js';
import { realtimeTally } from '../../test/oracle/layers.js';
import { ledgerOf } from '../../test/oracle/ledger.js';
import { Generation, type GenerationOptions } from '../generations/generation.js';
import { openRealtime } from '../store/read-side.js';
import { CommitThread } from '../store/commit-thread.js';
import { storeDir, writePointer } from '../store/layout.js';
import type { Progress } from '../store/store-meta.js';
import { equiv, hour0, pageview, recordsOf, rules, time0 } from './facts.js';
import { MemoryLog } from './memory-log.js';
import { assertEdgesEqual } from './edges.js';
import { tempDir } from '../../test/temp-dir.js';

const lgK = 12;
const dedupWindow = 1_000;
const commits = new CommitThread();
after(() => commits.close());

function optionsFor(dataDir: string, log: MemoryLog, view: BatchView): GenerationOptions {
  return {
    dataDir,
    log,
    rules,
    hash: new KeyedHash(),
    clock: () => time0,
    monotonic: () => 0,
    lgK,
    dedupWindow,
    epochTuples: 50,
    bootId: 'this boot',
    commits,
    partitions: log.partitions,
    view,
  };
}

async function catchUp(generation: Generation): Promise<void> {
  while ((await generation.runEpochs({ waitMs: 0, limit: {} })) > 0);
}

/** A log with these facts, and a batch view over the first `covered` of them. */
async function logWith(
  facts: readonly Fact[],
  covered = 0,
): Promise<{ log: MemoryLog; view: BatchView; from: Offsets }> {
  const log = new MemoryLog(2);
  await log.append(recordsOf(facts.slice(0, covered)));
  const from = covered === 0 ? zeroOffsets(log.partitions) : log.end();
  const view = oracleView(ledgerOf(log.records), { logId: log.id, next: from }, 1, rules, lgK);
  await log.append(recordsOf(facts.slice(covered)));
  return { log, view, from };
}

test('the realtime view equals the oracle: pages, domains, late facts, bots, invalid URLs, edges', async () => {
  const dataDir = tempDir('speed');
  const bot = { userAgent: 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)' };
  const facts: Fact[] = [
    equiv('cookie:b', 'cookie:a'),
    pageview('cookie:a', 'http://example.com/x'),
    ...Array.from({ length: 60 }, (_, i) =>
      pageview(`cookie:${i % 9}`, `http://www.example.com/${i % 7}/?q=${i}`),
    ),
    pageview('cookie:b', 'HTTP://EXAMPLE.com:80/x#top'),
    pageview('cookie:late', 'http://example.com/x', { timestamp: time0 - 400 * 86_400_000 }),
    pageview('cookie:c', 'http://example.com/x', bot),
    pageview('cookie:c', 'ftp://example.com/x'),
    equiv('cookie:c', 'cookie:d'),
    equiv('cookie:c', 'cookie:d', { type: 'retract' }),
    equiv('cookie:b', 'cookie:a', { type: 'retract' }),
    ...Array.from({ length: 900 }, (_, i) => pageview(`user:${i}`, 'https://shop.example.co.uk/')),
  ];
  const { log, view, from } = await logWith(facts, 2);
  const generation = await Generation.open(optionsFor(dataDir, log, view));
  await catchUp(generation);
  writePointer(dataDir, { partitions: log.partitions, serving: view.meta.id, next: undefined });
  const realtime = openRealtime(dataDir);
  const snapshot = realtime.snapshot();
  assert.ok(snapshot !== undefined);
  assert.deepEqual(snapshot.cut, { logId: log.id, next: log.end() });
  assert.equal(snapshot.equivsAfterBatchCut, 1);
  assert.equal(snapshot.retractionsAfterBatchCut, 2);
  assertEdgesEqual(snapshot, log.records, from);
  const personOf = (visitor: string): string => view.personOf(visitor);
  assert.equal(personOf('cookie:b'), 'cookie:a');
  const expected = realtimeTally(
    ledgerOf(log.records),
    { from, personOf, window: dedupWindow, rules },
    log.end(),
  );
  assertRealtimeEquals(snapshot, expected, lgK);
  const pages = [...snapshot.pages('example.com', hour0, hour0 + 1)].flat();
  assert.deepEqual(pages.map(({ url }) => url).toSorted(), [
    'http://example.com/x',
    ...Array.from({ length: 7 }, (_, i) => `http://www.example.com/${i}`),
  ]);
  assert.deepEqual([...snapshot.domains()], ['example.co.uk', 'example.com']);
  snapshot.release();
  const [refused] = [...generation.progress().values()]
    .map((progress) => progress.refused)
    .filter((r) => 'known bot' in r);
  assert.equal(refused?.['known bot'], 1);
  await generation.close();
  await realtime.close();
});

test('edges are kept up to a limit, the first ones, whole across restarts; those beyond are counted', async () => {
  const dataDir = tempDir('speed');
  const edges = Array.from({ length: 700 }, (_, i) =>
    equiv(i === 5 ? 'user:\u{1f600} "\\\u001f' : `cookie:${i}`, `user:${i}`, {
      type: i % 7 === 0 ? 'retract' : 'equiv',
      timestamp: time0 - i,
    }),
  );
  const { log, view, from } = await logWith([equiv('cookie:x', 'cookie:y'), ...edges], 1);
  writePointer(dataDir, { partitions: log.partitions, serving: view.meta.id, next: undefined });
  const realtime = openRealtime(dataDir);
  for (const maxEdges of [1_000, 600]) {
    const options = { ...optionsFor(dataDir, log, view), maxEdges, epochTuples: 23 };
    for (const share of [0.3, 0.7, 1]) {
      const generation = await Generation.open(options); // another limit makes it another store
      const limit = { 'equivs/0': offset(Math.floor(share * 701)) };
      while ((await generation.runEpochs({ waitMs: 0, limit })) > 0);
      await generation.close();
    }
    const snapshot = realtime.snapshot();
    assert.ok(snapshot !== undefined);
    assertEdgesEqual(snapshot, log.records, from, maxEdges);
    snapshot.release();
  }
  await realtime.close();
});

test('edges of a failed epoch are not in the view, and are there once after its retry', async () => {
  const dataDir = tempDir('speed');
  const facts = Array.from({ length: 60 }, (_, i) => [
    pageview(i === 40 ? 'poison' : `cookie:${i}`, 'http://example.com/'),
    equiv(`cookie:${i}`, `user:${i}`),
  ]).flat();
  const { log, view, from } = await logWith(facts);
  const realtime = openRealtime(dataDir);
  let failures = 0;
  const poisoned: BatchView = {
    ...view,
    personOf(visitor) {
      if (visitor !== 'poison') return visitor;
      failures++;
      const snapshot = realtime.snapshot(); // the committed state
      assert.ok(snapshot !== undefined);
      assertEdgesEqual(snapshot, log.records, from);
      snapshot.release();
      throw new Error('cannot be mapped');
    },
  };
  writePointer(dataDir, { partitions: log.partitions, serving: view.meta.id, next: undefined });
  const generation = await Generation.open({ ...optionsFor(dataDir, log, poisoned), epochTuples: 30 });
  await catchUp(generation);
  assert.equal(failures, 3);
  const snapshot = realtime.snapshot();
  assert.ok(snapshot !== undefined);
  assertEdgesEqual(snapshot, log.records, from);
  assert.equal(snapshot.equivsAfterBatchCut, 60);
  snapshot.release();
  await generation.close();
  await realtime.close();
});

test('a store of another format is made again from the log', async () => {
  const dataDir = tempDir('speed');
  const { log, view, from } = await logWith([equiv('cookie:a', 'user:a'), equiv('cookie:b', 'user:b')]);
  const options = optionsFor(dataDir, log, view);
  const before = await Generation.open(options);
  await catchUp(before);
  await before.close();
  const dir = storeDir(dataDir, view.meta.id, 'equivs/0');
  const description: unknown = JSON.parse(readFileSync(join(dir, 'STORE'), 'utf8'));
  assert.ok(typeof description === 'object' && description !== null && 'format' in description);
  const { format, ...older } = description; // as before it had edges
  assert.equal(format, 3);
  writeFileSync(join(dir, 'STORE'), JSON.stringify(older));
  const again = await Generation.open(options);
  assert.equal(again.positions()['equivs/0'], from['equivs/0']);
  await catchUp(again);
  assert.deepEqual(again.positions(), log.end());
  await again.close();
});

test('offsets without records at the end of the log are passed over, up to a limit', async () => {
  const { log, view } = await logWith([pageview('cookie:a', 'http://example.com/')]);
  const generation = await Generation.open(optionsFor(tempDir('speed'), log, view));
  await catchUp(generation);
  const before = generation.positions();
  log.holesAtEnd = 2;
  await generation.runEpochs({ waitMs: 0, limit: before });
  assert.deepEqual(generation.positions(), before);
  await generation.runEpochs({ waitMs: 0, limit: {} });
  assert.deepEqual(generation.positions(), log.end());
  await generation.close();
});

test('a listing that finds nothing for long lets its reader pause', async () => {
  const dataDir = tempDir('speed');
  const facts = Array.from({ length: 4_100 }, (_, i) => pageview('cookie:a', `http://example.com/${i}`));
  const later = pageview('cookie:a', 'http://example.com/later', { timestamp: time0 + 5 * hourMs });
  const { log, view } = await logWith([...facts, later]);
  const generation = await Generation.open({ ...optionsFor(dataDir, log, view), epochTuples: 5_000 });
  await catchUp(generation);
  writePointer(dataDir, { partitions: log.partitions, serving: view.meta.id, next: undefined });
  const realtime = openRealtime(dataDir);
  const snapshot = realtime.snapshot();
  const listed = [...(snapshot?.pages('example.com', hour0 + 5, hour0 + 6) ?? [])];
  assert.deepEqual(listed.flat(), [{ url: 'http://example.com/later', pageviews: 1 }]);
  assert.ok(listed.length >= 2, 'of 2,051 cells in the partition that has such hours');
  snapshot?.release();
  await generation.close();
  await realtime.close();
});

test('records of other producers that are not facts of their topic are refused, as in the sink', async () => {
  const page = pageview('cookie:a', 'http://example.com/');
  const [microseconds = page, far = page] = [time0 * 1_000, timeEnd - 1].map((timestamp) =>
    pageview('cookie:b', 'http://example.com/', { timestamp }),
  );
  const { log, view } = await logWith([page, microseconds, far]);
  const misplaced = recordsOf([pageview('cookie:c', 'http://example.com/'), equiv('a', 'b')]);
  await log.append(
    misplaced.map((record) => ({ ...record, topic: record.topic === 'equivs' ? 'pageviews' : 'equivs' })),
  );
  const generation = await Generation.open(optionsFor(tempDir('speed'), log, view));
  await catchUp(generation);
  const progress = [...generation.progress().values()];
  const sumOf = (count: (each: Progress) => number): number =>
    progress.reduce((sum, each) => sum + count(each), 0);
  assert.equal(
    sumOf((each) => each.pageviews),
    2,
  );
  assert.equal(
    sumOf((each) => each.equivs),
    0,
  );
  for (const reason of [
    'timestamp is not a valid time',
    'pageview in topic equivs',
    'equiv in topic pageviews',
  ])
    assert.equal(
      sumOf(({ refused }) => refused[reason] ?? 0),
      1,
      reason,
    );
  assert.equal(
    progress.reduce((hour, { toBucket }) => Math.max(hour, toBucket), 0),
    widthOf(60).at(timeEnd - 1) + 1,
  );
  await generation.close();
});

test('a single hour can be queried, whether its facts came before or after those of other hours', async () => {
  const dataDir = tempDir('speed');
  const url = 'http://example.com/';
  const hours = [0, -9_600, 30, -48, 1].map((shift) => hour0 + shift);
  const { log, view } = await logWith([]);
  const generation = await Generation.open(optionsFor(dataDir, log, view));
  writePointer(dataDir, { partitions: log.partitions, serving: view.meta.id, next: undefined });
  const realtime = openRealtime(dataDir);
  for (const [i, hour] of hours.entries()) {
    await log.append(recordsOf([pageview('cookie:a', url, { timestamp: hour * 3_600_000 })]));
    await catchUp(generation);
    const snapshot = realtime.snapshot();
    const asked = hours.filter((candidate) => {
      let seen = false;
      const see = ({ bucket }: { bucket: number }): void => void (seen ||= bucket === candidate);
      snapshot?.forEachBucket({ kind: 'page', url }, candidate, candidate + 1, see);
      return seen;
    });
    assert.deepEqual(asked, hours.slice(0, i + 1));
    snapshot?.release();
  }
  await generation.close();
  await realtime.close();
});

test('a repeat within the window counts once, also when the first came before the cut', async () => {
  const dataDir = tempDir('speed');
  const first = pageview('cookie:a', 'http://example.com/');
  const second = pageview('cookie:b', 'http://example.com/');
  const { log, view } = await logWith([first, second, first, second, second], 1);
  const generation = await Generation.open(optionsFor(dataDir, log, view));
  await catchUp(generation);
  const counted = [...generation.progress().values()].reduce((sum, { pageviews }) => sum + pageviews, 0);
  assert.equal(counted, 1);
  await generation.close();
});

test('a generation that is opened again continues at its position, and one of another boot starts over', async () => {
  const dataDir = tempDir('speed');
  const facts = Array.from({ length: 120 }, (_, i) => pageview(`cookie:${i}`, `http://example.com/${i % 5}`));
  const { log, view } = await logWith(facts);
  const options = optionsFor(dataDir, log, view);
  const one = await Generation.open(options);
  await one.runEpochs({ waitMs: 0, limit: {} });
  const reached = one.positions();
  await one.close();
  const two = await Generation.open(options);
  assert.deepEqual(two.positions(), reached);
  await catchUp(two);
  assert.deepEqual(two.positions(), log.end());
  await two.close();
  const three = await Generation.open({ ...options, bootId: 'another boot' });
  assert.deepEqual(three.positions(), zeroOffsets(log.partitions));
  await catchUp(three);
  await three.close();
});

test('a record that fails three times is set aside with its offset and reason, and the stream goes on', async () => {
  const dataDir = tempDir('speed');
  const facts = Array.from({ length: 30 }, (_, i) =>
    pageview(i === 17 ? 'poison' : `cookie:${i}`, 'http://example.com/'),
  );
  const { log, view } = await logWith(facts);
  let failures = 0;
  const poisoned: BatchView = {
    ...view,
    personOf(visitor) {
      if (visitor !== 'poison') return visitor;
      failures++;
      throw new Error('cannot be mapped');
    },
  };
  const generation = await Generation.open(optionsFor(dataDir, log, poisoned));
  await catchUp(generation);
  assert.equal(failures, 3);
  const progress = [...generation.progress().values()];
  assert.equal(
    progress.reduce((sum, { pageviews }) => sum + pageviews, 0),
    29,
  );
  assert.equal(
    progress.reduce((sum, { deadLetters }) => sum + deadLetters, 0),
    1,
  );
  const [file, ...rest] = readdirSync(join(dataDir, 'dead-letter'));
  assert.ok(file !== undefined && rest.length === 0);
  const letter: unknown = JSON.parse(readFileSync(join(dataDir, 'dead-letter', file), 'utf8'));
  assert.ok(typeof letter === 'object' && letter !== null);
  assert.deepEqual(
    { ...letter, value: '', partition: '', offset: 0 },
    {
      partition: '',
      offset: 0,
      reason: 'cannot be mapped',
      at: time0,
      value: '',
    },
  );
  await generation.close();
});

test('an edge that fails three times is set aside like a pageview, and the stream goes on', async () => {
  const dataDir = tempDir('speed');
  const facts = Array.from({ length: 6 }, (_, i) => equiv(i === 3 ? 'poison' : `cookie:${i}`, `user:${i}`));
  const { log, view, from } = await logWith(facts);
  const erasures = new ErasureHash(() => 'ab'.repeat(32));
  const value = erasures.valueOf('poison');
  let failures = 0;
  // The rules meet an erased id and fail on it.
  erasures.valueOf = () => {
    failures++;
    throw new Error('cannot be hashed');
  };
  const clock = (): number => {
    assert.ok(failures <= 3, 'an edge that was set aside is tried again');
    return time0;
  };
  const erasing: BatchView = { ...view, exclusions: () => [{ by: 'erased', value }] };
  writePointer(dataDir, { partitions: log.partitions, serving: view.meta.id, next: undefined });
  const generation = await Generation.open({
    ...optionsFor(dataDir, log, erasing),
    rules: { ...rules, erasures },
    clock,
  });
  await catchUp(generation);
  assert.equal(failures, 3);
  const progress = [...generation.progress().values()];
  assert.equal(
    progress.reduce((sum, { deadLetters }) => sum + deadLetters, 0),
    1,
  );
  assert.equal(readdirSync(join(dataDir, 'dead-letter')).length, 1);
  const realtime = openRealtime(dataDir);
  const snapshot = realtime.snapshot();
  assert.ok(snapshot !== undefined);
  assertEdgesEqual(snapshot, log.records, from, undefined, (id) => id === 'poison');
  snapshot.release();
  await generation.close();
  await realtime.close();
});

test('a tree that fails at the end of its time is retried, and the stream goes on', async () => {
  const facts = Array.from({ length: 30 }, (_, i) => pageview(`cookie:${i}`, 'http://example.com/'));
  const { log, view } = await logWith(facts);
  let failures = 0;
  let nowMs = 0;
  const slow: BatchView = {
    ...view,
    personOf(visitor) {
      if (failures++ > 0) return visitor;
      nowMs += 500; // longer than an epoch of new facts
      throw new Error('cannot be mapped now');
    },
  };
  let asked = 0;
  const clock = (): number => {
    if (asked++ > 1_000) throw new Error('it is tried for ever');
    return time0;
  };
  const generation = await Generation.open({
    ...optionsFor(tempDir('speed'), log, slow),
    clock,
    monotonic: () => nowMs,
  });
  await generation.runEpochs({ waitMs: 0, limit: {} });
  assert.deepEqual(generation.positions(), log.end());
  await generation.close();
});
