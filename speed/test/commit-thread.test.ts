/** Epochs that are committed on a thread of their own, while the next one is worked on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { SwaError } from '../../lib/errors.js';
import type { Fact } from '../../lib/facts/fact.js';
import { reaches, zeroOffsets } from '../../lib/log/cut.js';
import type { BatchView } from '../../lib/views/view.js';
import { Generation } from '../generation.js';
import { openRealtime } from '../read-side.js';
import { CommitThread, type Commit } from '../store/commit-thread.js';
import { storeDir, writePointer } from '../store/layout.js';
import { seededRandom } from '../topology/index.js';
import { below } from '../topology/random.js';
import { assertRealtimeEquals } from './compare.js';
import { until } from './harness.js';
import { pageview, recordsOf, rules, time0 } from './facts.js';
import { MemoryLog } from './memory-log.js';
import { countedBetween, oracleView } from './oracle.js';

const lgK = 12;
const epochTuples = 40;
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const answers = ['done', 'done', 'not done', 'nobody knows'] as const;

/** Does what it is asked, or not, and in one case does it without saying so, as a thread that dies between the two. */
class UnreliableThread extends CommitThread {
  readonly #random = seededRandom(seed);
  readonly failures = { 'not done': 0, 'nobody knows': 0 };
  readonly #underWay = new Set<string>();

  override async commit(commit: Commit): Promise<void> {
    const { dir } = commit.place;
    assert.ok(!this.#underWay.has(dir), 'an epoch is committed before the one before it');
    this.#underWay.add(dir);
    try {
      const answer = answers[below(this.#random, answers.length)] ?? 'done';
      if (answer !== 'not done') await super.commit(commit);
      if (answer === 'done') return;
      this.failures[answer]++;
      throw new SwaError('speed.failed', answer, { retryable: true });
    } finally {
      this.#underWay.delete(dir);
    }
  }
}

/** A generation before these facts, and the visitors it has looked at. */
async function generationOver(t: TestContext, facts: readonly Fact[], commits: CommitThread) {
  const dataDir = mkdtempSync(join(tmpdir(), 'swa-speed-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const log = new MemoryLog(2);
  const cut = { logId: log.id, next: zeroOffsets(log.partitions) };
  const workedOn = new Set<string>();
  const view: BatchView = {
    ...oracleView(log.records, cut, 1, rules, lgK),
    personOf(visitor) {
      workedOn.add(visitor);
      return visitor;
    },
  };
  await log.append(recordsOf(facts));
  writePointer(dataDir, { partitions: log.partitions, serving: view.meta.id, next: undefined });
  const generation = await Generation.open({
    dataDir,
    log,
    rules,
    clock: () => time0,
    lgK,
    dedupWindow: 10_000,
    epochTuples,
    bootId: 'this boot',
    commits,
    partitions: log.partitions,
    view,
  });
  return { dataDir, log, view, generation, workedOn };
}

test(`commits that fail, and commits that nobody knows of, lose nothing and count nothing twice (seed ${seed})`, async (t) => {
  const firsts = Array.from({ length: 1_500 }, (_, i) =>
    pageview(`cookie:${i % 700}`, `http://example.com/${i % 13}`),
  );
  const facts = firsts.flatMap((fact, i) =>
    i % 3 === 0 ? [fact, firsts[Math.max(0, i - 50)] ?? fact] : [fact],
  );
  const commits = new UnreliableThread();
  const { dataDir, log, generation } = await generationOver(t, facts, commits);
  while (!reaches(generation.positions(), log.end())) {
    try {
      await generation.runEpochs({ waitMs: 0, limit: {} });
    } catch (error) {
      assert.ok(error instanceof SwaError && error.code === 'speed.failed', String(error));
    }
  }
  assert.ok(commits.failures['not done'] > 0 && commits.failures['nobody knows'] > 0);
  const realtime = openRealtime(dataDir);
  const snapshot = realtime.snapshot();
  assert.ok(snapshot !== undefined);
  const from = zeroOffsets(log.partitions);
  assertRealtimeEquals(
    snapshot,
    countedBetween(log.records, from, log.end(), (id) => id, rules),
    lgK,
  );
  snapshot.release();
  await generation.close();
  await commits.close();
  await realtime.close();
});

test('the next epoch is worked on while one is committed, and none counts before it is', async (t) => {
  const facts = Array.from({ length: 400 }, (_, i) => pageview(`cookie:${i}`, 'http://example.com/'));
  const hold = new AbortController();
  class SlowThread extends CommitThread {
    override async commit(commit: Commit): Promise<void> {
      if (!hold.signal.aborted) await once(hold.signal, 'abort');
      await super.commit(commit);
    }
  }
  const commits = new SlowThread();
  const { log, generation, workedOn } = await generationOver(t, facts, commits);
  const running = generation.runEpochs({ waitMs: 0, limit: {} });
  await until(() => workedOn.size >= 2 * epochTuples, 'two epochs to be worked on');
  assert.deepEqual(generation.positions(), zeroOffsets(log.partitions));
  assert.equal(workedOn.size, 2 * epochTuples, 'a third epoch is begun');
  hold.abort();
  assert.equal(await running, 400);
  assert.deepEqual(generation.positions(), log.end());
  await generation.close();
  await commits.close();
});

test('a store that is gone from its place refuses to be written, and is not made anew', async (t) => {
  const commits = new CommitThread();
  const facts = [pageview('cookie:a', 'http://example.com/')];
  const { dataDir, log, view, generation } = await generationOver(t, facts, commits);
  for (const name of log.partitions) rmSync(storeDir(dataDir, view.meta.id, name), { recursive: true });
  await assert.rejects(generation.runEpochs({ waitMs: 0, limit: {} }), { code: 'view.corrupt' });
  assert.deepEqual(generation.positions(), zeroOffsets(log.partitions));
  await generation.close();
  await commits.close();
});
