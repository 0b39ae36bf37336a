import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Config } from '../../lib/config/config.js';
import { timeStart, type Fact } from '../../lib/facts/fact.js';
import { OwnerLock } from '../../lib/files/owner-lock.js';
import { offsetAt } from '../../lib/log/cut.js';
import type { ViewMeta } from '../../lib/views/view.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { fileNames, viewPath } from '../../serving/layout.js';
import { auditViews } from '../audit.js';
import { runBatch } from '../run.js';
import { makeHouse, store, testClock } from './house.js';

/** Visitors come back, one pageview in ten comes twice, and edges join 0-1-2, 3-4-5 and so on, some taken back again. */
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

/** A view in the middle of history, with facts of later rounds compacted into the files it was made from. */
async function makeHistory(t: TestContext): Promise<{ config: Config; meta: ViewMeta }> {
  const config = makeHouse(t);
  for (let round = 0; round < 4; round++) await store(config, factsOf(round));
  const meta = await runBatch({ config, clock: testClock, trigger: 'command' });
  for (let round = 4; round < 12; round++) await store(config, factsOf(round));
  return { config, meta };
}

function editMeta(config: Config, { id }: ViewMeta, from: string | RegExp, to: string): void {
  const path = join(viewPath(config.dataDir, id), fileNames.meta);
  const text = readFileSync(path, 'utf8');
  assert.notEqual(text.replace(from, to), text);
  writeFileSync(path, text.replace(from, to));
}

test('a sound view is made again from the facts before its cut, also when its files hold later ones by now', async (t) => {
  const { config, meta } = await makeHistory(t);
  const across = takeSnapshot(config.dataDir).files.filter(({ topic, partition, fromOffset, toOffset }) => {
    const end = offsetAt(meta.cut.next, `${topic}/${partition}`);
    return fromOffset < end && toOffset > end;
  });
  assert.deepEqual(across.map(({ topic }) => topic).toSorted(), ['equivs', 'pageviews']);
  const audit = await auditViews({ config, recount: true });
  assert.deepEqual(audit.problems, []);
  assert.deepEqual([audit.ok, audit.recounted, audit.notRecounted], [true, meta.id, undefined]);
  assert.deepEqual([audit.checked.sound, audit.checked.files], [1, 4]);
  assert.equal(existsSync(join(config.dataDir, 'batch', 'audit')), false);
});

test('a changed byte and a damaged META are each named', async (t) => {
  const { config, meta } = await makeHistory(t);
  const second = await runBatch({ config, clock: testClock, trigger: 'command' });
  const fd = openSync(join(viewPath(config.dataDir, meta.id), fileNames.domains), 'r+');
  writeSync(fd, Uint8Array.of(255), 0, 1, 3);
  closeSync(fd);
  editMeta(config, second, '{', '');
  const { ok, problems } = await auditViews({ config, recount: false });
  assert.equal(ok, false);
  assert.equal(problems.length, 2);
  assert.match(problems[0] ?? '', new RegExp(`${meta.id}/domains.dat has SHA-256`));
  assert.match(problems[1] ?? '', new RegExp(`${second.id}/META.json is not a META`));
});

test('a view that does not say what its facts say is found, though its files are as they were written', async (t) => {
  const { config, meta } = await makeHistory(t);
  editMeta(config, meta, '"maxPersonIds": 0', '"maxPersonIds": 2'); // it would have left some persons unjoined
  const { ok, recounted, problems } = await auditViews({ config, recount: true });
  assert.deepEqual([ok, recounted, problems.length], [false, undefined, 1]);
  assert.match(problems[0] ?? '', new RegExp(`${meta.id} does not say what the facts before its cut say`));
});

test('a second audit beside the first compares hashes only, and this is no problem', async (t) => {
  const { config } = await makeHistory(t);
  const lock = OwnerLock.acquire(join(config.dataDir, 'batch', 'audit.lock'), 'swa verify');
  const { ok, recounted, notRecounted } = await auditViews({ config, recount: true });
  assert.deepEqual([ok, recounted], [true, undefined]);
  assert.match(notRecounted ?? '', /swa verify .* holds/);
  lock.release();
});

test('a view of other rules, or of another version, is not made again, and this is no problem', async (t) => {
  const { config, meta } = await makeHistory(t);
  const other = await auditViews({ config: { ...config, bots: 'include' }, recount: true });
  assert.deepEqual([other.ok, other.recounted], [true, undefined]);
  assert.match(other.notRecounted ?? '', /other rules .* include/);
  editMeta(config, meta, /"codeVersion": "/, '"codeVersion": "0.0.1+');
  assert.match((await auditViews({ config, recount: true })).notRecounted ?? '', /version 0\.0\.1/);
});
