/** Epochs are committed on a separate thread, while the next one is processed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { SwaError, hasCode } from '../../lib/errors/errors.js';
import type { Fact } from '../../facts/fact.js';
import { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { reaches, zeroOffsets } from '../../log/cut.js';
import { offset } from '../../log/log.js';
import type { BatchView } from '../../facts/views/view.js';
import { oracleView } from '../../test/oracle/batch-view.js';
import { assertRealtimeEquals } from '../../test/oracle/compare.js';
import { ledgerOf } from '../../test/oracle/ledger.js';
import { realtimeTally } from '../../test/oracle/layers.js';
import { Generation } from '../generations/generation.js';
import { openRealtime } from '../store/read-side.js';
import { CommitThread, startWorker, type Commit } from '../store/commit-thread.js';
import { storeDir, writePointer } from '../store/layout.js';
import { seededRandom } from '../../topology/index.js';
import { below } from '../../topology/random.js';
import { assertEdgesEqual } from './edges.js';
import { equiv, pageview, recordsOf, rules, time0 } from './facts.js';
import { MemoryLog } from './memory-log.js';
import { eventually } from '../../test/eventually.js';
import { tempDir } from '../../test/temp-dir.js';

const lgK = 12;
const epochTuples = 40;
const dedupWindow = 10_000;
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const answers = ['done', 'done', 'not done', 'nobody knows'] as const;

/** Fails some commits, and for some carries them out but reports a failure, like a thread that dies before its reply. */
class UnreliableThread extends CommitThread {
  readonly #random = seededRandom(seed);
  readonly failures = { 'not done': 0, 'nobody knows': 0 };
  readonly #underWay = new Set<string>();
  isOvertaken = false;

  override async commit(commit: Commit): Promise<void> {
    const { dir } = commit.location;
    if (this.#underWay.has(dir)) this.isOvertaken = true;
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

/** A generation before these facts, and the visitors it has looked up. */
async function generationOver(facts: readonly Fact[], commits: CommitThread, tuples = epochTuples) {
  const dataDir = tempDir('speed');
  const log = new MemoryLog(2);
  const cut = { logId: log.id, next: zeroOffsets(log.partitions) };
  const workedOn = new Set<string>();
  const view: BatchView = {
    ...oracleView([], cut, 1, rules, lgK),
    personOf(visitor) {
      workedOn.add(visitor);
      return visitor;
    },
  };
  await log.append(recordsOf(facts));
  writePointer(dataDir, { partitions: log.partitions, serving: view.meta.id, next: undefined });
  const options = {
    dataDir,
    log,
    rules,
    hash: new KeyedHash(),
    clock: () => time0 + 60_000,
    monotonic: () => 0, // no run ends early on a busy machine
    lgK,
    dedupWindow,
    epochTuples: tuples,
    bootId: 'this boot',
    partitions: log.partitions,
    view,
  };
  const reopen = (thread: CommitThread): Promise<Generation> =>
    Generation.open({ ...options, commits: thread });
  return { dataDir, log, view, generation: await reopen(commits), reopen, workedOn };
}

/** Processes everything, whatever happens to the commits; they stop failing eventually. */
async function bringIn(generation: Generation, log: MemoryLog): Promise<void> {
  while (!reaches(generation.positions(), log.end())) {
    try {
      await generation.runEpochs({ waitMs: 0, limit: {} });
    } catch (error) {
      assert.ok(hasCode(error, 'speed.failed'), String(error));
      continue;
    }
    assert.deepEqual(generation.positions(), log.end(), 'an epoch was lost, and nobody was told');
  }
}

async function assertEachCountsOnce(dataDir: string, log: MemoryLog): Promise<void> {
  const realtime = openRealtime(dataDir);
  const snapshot = realtime.snapshot();
  assert.ok(snapshot !== undefined);
  const from = zeroOffsets(log.partitions);
  const generation = { from, personOf: String, window: dedupWindow, rules };
  assertRealtimeEquals(snapshot, realtimeTally(ledgerOf(log.records), generation, log.end()), lgK);
  assertEdgesEqual(snapshot, log.records, from);
  snapshot.release();
  await realtime.close();
}

function edgeOf(i: number): Fact {
  return equiv(`cookie:${i}`, `user:${i}`, { type: i % 2 === 0 ? 'equiv' : 'retract' });
}

test(`commits that fail, and commits that nobody knows of, lose nothing and count nothing twice (seed ${seed})`, async () => {
  const firsts = Array.from({ length: 1_500 }, (_, i) =>
    pageview(`cookie:${i % 700}`, `http://example.com/${i % 13}`),
  );
  const facts = firsts.flatMap((fact, i) =>
    i % 3 === 0 ? [fact, firsts[Math.max(0, i - 50)] ?? fact, edgeOf(i)] : [fact],
  );
  const commits = new UnreliableThread();
  const { dataDir, log, generation } = await generationOver(facts, commits);
  await bringIn(generation, log);
  assert.ok(!commits.isOvertaken, 'an epoch is committed before the one before it has been answered');
  assert.ok(commits.failures['not done'] > 0 && commits.failures['nobody knows'] > 0);
  await assertEachCountsOnce(dataDir, log);
  await generation.close();
  await commits.close();
});

function startedInto(threads: Worker[]): Worker {
  const thread = startWorker();
  threads.push(thread);
  return thread;
}

async function catchUp(generation: Generation, log: MemoryLog): Promise<void> {
  while (!reaches(generation.positions(), log.end())) await generation.runEpochs({ waitMs: 0, limit: {} });
}

test('a store that is opened while another process still writes it does not go back', async () => {
  const facts = Array.from({ length: 16_000 }, (_, i) => pageview('cookie:a', `http://example.com/${i}`));
  const threads = [new CommitThread(), new CommitThread()] as const;
  const { dataDir, log, generation, reopen } = await generationOver(facts, threads[0]);
  await catchUp(generation, log);
  const opened = new AbortController();
  const opening = reopen(threads[1]).finally(() => opened.abort()); // it checks all cells, yielding in between
  for (let i = 0; !opened.signal.aborted; i++) {
    await log.append(recordsOf([pageview(`cookie:${i}`, 'http://example.com/0')]));
    await catchUp(generation, log);
  }
  const other = await opening;
  await assertEachCountsOnce(dataDir, log);
  await other.close();
  await generation.close();
  await Promise.all(threads.map((thread) => thread.close()));
});

test('a commit thread that is terminated between commits is replaced, and nothing is lost or counted twice', async () => {
  const threads: Worker[] = [];
  const commits = new CommitThread(() => startedInto(threads));
  const { dataDir, log, generation } = await generationOver([], commits);
  for (let round = 1; round <= 3; round++) {
    const facts = Array.from({ length: 100 }, (_, i) =>
      pageview(`cookie:${round * i}`, `http://example.com/${i % 13}`),
    );
    await log.append(recordsOf(facts));
    await bringIn(generation, log);
    assert.equal(threads.length, round);
    await threads.at(-1)?.terminate();
  }
  await assertEachCountsOnce(dataDir, log);
  await generation.close();
  await commits.close();
});

test('a commit thread that is terminated during a commit ends the work; the next process loses nothing and counts nothing twice', async () => {
  const threads: Worker[] = [];
  let dying: Promise<unknown> | undefined;
  /** Dies with a message unread: dying inside LMDB's code would abort this process. */
  class DyingThread extends CommitThread {
    override async commit(commit: Commit): Promise<void> {
      if (generation.positions()['pageviews/0'] !== zero) dying ??= threads[0]?.terminate();
      await super.commit(commit);
    }
  }
  const zero = offset(0);
  const commits = new DyingThread(() => startedInto(threads));
  const facts = Array.from({ length: 400 }, (_, i) =>
    pageview(`cookie:${i}`, `http://example.com/${i % 13}`),
  );
  const { dataDir, log, generation, reopen } = await generationOver(facts, commits);
  const ended = { code: 'speed.failed', retryable: false };
  await assert.rejects(generation.runEpochs({ waitMs: 0, limit: {} }), ended);
  await assert.rejects(generation.runEpochs({ waitMs: 0, limit: {} }), ended, 'it is tried once more');
  assert.ok(dying !== undefined && threads.length === 1);
  await generation.close();
  await commits.close();

  const others = new CommitThread();
  const next = await reopen(others);
  assert.ok(!reaches(next.positions(), log.end()));
  await bringIn(next, log);
  await assertEachCountsOnce(dataDir, log);
  await next.close();
  await others.close();
});

test('the next epoch is processed while one is being committed, and none counts before its commit', async (t) => {
  const facts = Array.from({ length: 400 }, (_, i) => pageview(`cookie:${i}`, 'http://example.com/'));
  const hold = new AbortController();
  t.after(() => hold.abort()); // a waiting commit would keep the test from ending
  class SlowThread extends CommitThread {
    override async commit(commit: Commit): Promise<void> {
      if (!hold.signal.aborted) await once(hold.signal, 'abort');
      await super.commit(commit);
    }
  }
  const commits = new SlowThread();
  const { log, generation, workedOn } = await generationOver(facts, commits);
  const running = generation.runEpochs({ waitMs: 0, limit: {} });
  await eventually('two epochs to be worked on', () => workedOn.size >= 2 * epochTuples);
  assert.deepEqual(generation.positions(), zeroOffsets(log.partitions));
  assert.equal(workedOn.size, 2 * epochTuples, 'a third epoch is begun');
  hold.abort();
  assert.equal(await running, 400);
  assert.deepEqual(generation.positions(), log.end());
  await generation.close();
  await commits.close();
});

test('epochs become shorter towards the end of the log, where nothing is left to process during a commit', async () => {
  const facts = Array.from({ length: 400 }, (_, i) => pageview(`cookie:${i}`, 'http://example.com/'));
  const committed: number[] = [];
  class CountingThread extends CommitThread {
    override async commit(commit: Commit): Promise<void> {
      committed.push(commit.cells.views.length / 2);
      await super.commit(commit);
    }
  }
  const commits = new CountingThread();
  const { generation } = await generationOver(facts, commits);
  assert.equal(await generation.runEpochs({ waitMs: 0, limit: {} }), 400);
  assert.deepEqual(committed, [...Array.from({ length: 9 }, () => epochTuples), 20, 10, 5, 5]);
  await generation.close();
  await commits.close();
});

test('a stop cancels a commit that is under way; its facts count once after the next start', async () => {
  const facts = Array.from({ length: 4_000 }, (_, i) => pageview('cookie:a', `http://example.com/${i}`));
  const stopping = new AbortController();
  /** The stop comes while the thread has the commit. */
  class StoppingThread extends CommitThread {
    override async commit(commit: Commit): Promise<void> {
      const committed = super.commit(commit);
      stopping.abort();
      await committed;
    }
  }
  const commits = new StoppingThread();
  const { dataDir, log, generation } = await generationOver(facts, commits, facts.length);
  const stopped = generation.runEpochs({ waitMs: 0, limit: {}, signal: stopping.signal });
  await assert.rejects(stopped, { code: 'speed.failed', retryable: true });
  assert.deepEqual(generation.positions(), zeroOffsets(log.partitions));
  await bringIn(generation, log);
  await assertEachCountsOnce(dataDir, log);
  await generation.close();
  await commits.close();
});

test('a stop does not commit what is being processed; it counts once after the next start', async () => {
  const facts = Array.from({ length: 400 }, (_, i) => pageview(`cookie:${i}`, 'http://example.com/'));
  const stopping = new AbortController();
  const commits = new CommitThread();
  const { dataDir, log, generation, workedOn } = await generationOver(facts, commits);
  workedOn.add = (visitor) => {
    stopping.abort();
    return Set.prototype.add.call(workedOn, visitor);
  };
  assert.equal(await generation.runEpochs({ waitMs: 0, limit: {}, signal: stopping.signal }), 0);
  assert.ok(workedOn.size > 0 && workedOn.size <= epochTuples);
  assert.deepEqual(generation.positions(), zeroOffsets(log.partitions));
  await bringIn(generation, log);
  await assertEachCountsOnce(dataDir, log);
  await generation.close();
  await commits.close();
});

test('of two writers of one store without a lock, only the first to commit counts its facts', async () => {
  const facts = Array.from({ length: 100 }, (_, i) => pageview(`cookie:${i}`, 'http://example.com/'));
  const [commits, others] = [new CommitThread(), new CommitThread()];
  const { dataDir, log, generation, reopen } = await generationOver(facts, commits);
  const second = await reopen(others);
  while (!reaches(generation.positions(), log.end())) await generation.runEpochs({ waitMs: 0, limit: {} });
  await assert.rejects(second.runEpochs({ waitMs: 0, limit: {} }), {
    code: 'data-dir.in-use',
    retryable: false,
  });
  await assertEachCountsOnce(dataDir, log);
  await generation.close();
  await second.close();
  await commits.close();
  await others.close();
});

test('a store that was removed refuses writes, and is not created again', async () => {
  const commits = new CommitThread();
  const facts = [pageview('cookie:a', 'http://example.com/')];
  const { dataDir, log, view, generation } = await generationOver(facts, commits);
  for (const name of log.partitions) rmSync(storeDir(dataDir, view.meta.id, name), { recursive: true });
  await assert.rejects(generation.runEpochs({ waitMs: 0, limit: {} }), { code: 'realtime.corrupt' });
  assert.deepEqual(generation.positions(), zeroOffsets(log.partitions));
  await generation.close();
  await commits.close();
});
