import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assetPath } from '../../lib/files/assets.js';
import { configWith, type Config } from '../../lib/config/config.js';
import { timeStart, type Fact } from '../../facts/fact.js';
import { offsetAt } from '../../log/cut.js';
import type { ViewMeta } from '../../facts/views/view.js';
import { dimensions } from '../../facts/subjects.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { fileNames, viewPath } from '../../serving/layout.js';
import { forgeMeta } from '../../serving/test/forge.js';
import { auditViews } from '../recomputed-view.js';
import { runBatch } from '../run.js';
import { makeDataDir, store, testClock } from './data-dir.js';
import { tempDir } from '../../test/temp-dir.js';

/** Visitors return, one pageview in ten is repeated, and edges join 0-1-2, 3-4-5 and so on; some are retracted. */
function factsOf(round: number): Fact[] {
  const views = Array.from({ length: 60 }, (_, i): Fact => {
    const n = round * 50 + i; // the last ten are the next round's first
    return {
      type: 'pageview',
      visitor: `cookie:${n % 40}`,
      url: `https://example.com/${n % 7}`,
      timestamp: Date.UTC(2024, 1, 1) + n * 600_000,
      eventId: `e${n}`,
      receivedAt: testClock(),
    };
  });
  const edges = [0, 1].map((i): Fact => ({
    type: round % 3 === 2 ? 'retract' : 'equiv',
    a: `cookie:${(3 * round) % 40}`,
    b: `cookie:${(3 * round + 1 + i) % 40}`,
    timestamp: timeStart + round,
    eventId: `edge${round}.${i}`,
    receivedAt: testClock(),
  }));
  return [...views, ...edges];
}

/** A view in the middle of history, whose files have since been compacted with later facts. */
async function makeHistory(): Promise<{ config: Config; meta: ViewMeta }> {
  const config = makeDataDir();
  for (let round = 0; round < 4; round++) await store(config, factsOf(round));
  const meta = await runBatch({ config, clock: testClock, trigger: 'command' });
  for (let round = 4; round < 12; round++) await store(config, factsOf(round));
  return { config, meta };
}

function editMeta(config: Config, { id }: ViewMeta, change: Partial<ViewMeta>): void {
  forgeMeta(viewPath(config.dataDir, id), ({ view, ...rest }) => ({ ...rest, view: { ...view, ...change } }));
}

test('an intact view is recomputed from the facts before its cut, even if their files now contain later facts', async () => {
  const { config, meta } = await makeHistory();
  const across = takeSnapshot(config.dataDir).files.filter(({ topic, partition, fromOffset, toOffset }) => {
    const end = offsetAt(meta.cut.next, `${topic}/${partition}`);
    return fromOffset < end && toOffset > end;
  });
  assert.deepEqual(across.map(({ topic }) => topic).toSorted(), ['equivs', 'pageviews']);
  const audit = await auditViews({ config, recount: true, exact: true });
  assert.deepEqual(audit.problems, []);
  assert.deepEqual([audit.ok, audit.recounted, audit.notRecounted], [true, meta.id, undefined]);
  assert.deepEqual([audit.checked.sound, audit.checked.files], [1, 4 + dimensions.length]);
});

test('a changed byte and a damaged META are each named', async () => {
  const { config, meta } = await makeHistory();
  const second = await runBatch({ config, clock: testClock, trigger: 'command' });
  const fd = openSync(join(viewPath(config.dataDir, meta.id), fileNames.domains), 'r+');
  writeSync(fd, Uint8Array.of(255), 0, 1, 3);
  closeSync(fd);
  const path = join(viewPath(config.dataDir, second.id), fileNames.meta);
  writeFileSync(path, readFileSync(path, 'utf8').replace('"number":2', '"number":3'));
  const { ok, problems } = await auditViews({ config, recount: false });
  assert.equal(ok, false);
  assert.equal(problems.length, 2);
  assert.match(problems[0] ?? '', new RegExp(`${meta.id}/domains.dat has SHA-256`));
  assert.match(
    problems[1] ?? '',
    new RegExp(`${second.id}/META.json is not a META .* its hash does not match`),
  );
});

test('a view that does not match its facts is found although its files match their hashes', async () => {
  const { config, meta } = await makeHistory();
  editMeta(config, meta, { maxPersonIds: 2 }); // without the cap the view would have joined some of these persons
  const { ok, recounted, problems } = await auditViews({ config, recount: true });
  assert.deepEqual([ok, recounted, problems.length > 1], [false, undefined, true]);
  assert.match(problems[0] ?? '', new RegExp(`${meta.id} does not match the facts before its cut`));
});

test('a view of another version, or of other rules, is compared, and the difference is named', async () => {
  const { config, meta } = await makeHistory();
  const same = await auditViews({ config: { ...config, bots: 'include' }, recount: true });
  assert.deepEqual([same.ok, same.recounted], [true, meta.id], 'there are no bots: the same content');
  const query = await auditViews({ config: { ...config, urlQueryAllow: ['q'] }, recount: true });
  assert.deepEqual([query.ok, query.recounted], [true, meta.id]);
});

test('a view of format 5 that confused texts is compared, and its wrong pages and persons are named', async () => {
  const dir = tempDir('format-5');
  execFileSync('tar', ['xzf', assetPath('batch/test/fixtures/format-5-collisions.tar.gz'), '-C', dir]);
  const dataDir = join(dir, 'data');
  const { ok, recounted, problems, checked } = await auditViews({
    config: configWith({ dataDir, batchThreads: 1, batchMemory: '512MB' }),
    recount: true,
  });
  assert.deepEqual([ok, recounted, checked.sound], [false, undefined, 1]);
  const all = problems.join('\n');
  assert.match(all, /v000001-\w+ does not match the facts before its cut: 4 pages and 2 persons are wrong/);
  const hour = '2026-01-02T03:00:00Z';
  assert.match(
    all,
    new RegExp(
      `https://hash.example/p has 2 pageviews of 1 people in the hour ${hour}; its facts say 2 pageviews of 2`,
    ),
  );
  assert.match(
    all,
    /the person ip:26.107.169.32 .*user:bob.*; its edges join ip:26.107.169.32, user:alice$/m,
  );
  assert.match(all, /the person ip:26.197.169.37 is missing; its edges join ip:26.197.169.37, user:bob$/m);
});
