import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { systemClock } from '../../lib/clock.js';
import { openDataDir } from '../../lib/data-dir.js';
import type { Fact } from '../../lib/facts/fact.js';
import { openJobQueue } from '../../lib/queue/job-queue.js';
import type { QueueOptions } from '../../lib/queue/single-consumer-queue.js';
import { UrlRules } from '../../lib/url/normalize.js';
import { ImportWorker, type ImportState } from '../import-worker.js';

const lines = (count: number): string =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({ type: 'pageview', visitor: `cookie:${i}`, url: 'https://e.org/', timestamp: i }),
  ).join('\n');

function setUp(t: TestContext) {
  const dataDir = mkdtempSync(join(tmpdir(), 'swa-import-worker-'));
  t.after(() => rmSync(dataDir, { recursive: true }));
  openDataDir({ dataDir, lgK: 14 });
  const file = join(dataDir, 'facts.ndjson');
  const ask = async (path: string): Promise<void> => {
    const jobs = openJobQueue(dataDir, 'import', systemClock);
    jobs.add({ requestedBy: 'test', requestedAt: 0, file: path, format: { name: 'ndjson' } });
    await jobs.close();
  };
  /** Starts a worker; `until` resolves with the first state that satisfies. */
  const start = (append: (facts: readonly Fact[]) => Promise<void>, queue: Partial<QueueOptions> = {}) => {
    const waiting: { met: (state: ImportState) => boolean; resolve: (state: ImportState) => void }[] = [];
    const worker = new ImportWorker({
      dataDir,
      jobs: openJobQueue(dataDir, 'import', systemClock, queue),
      sink: { append },
      urls: new UrlRules(),
      clock: systemClock,
      onChange: (state) => waiting.filter(({ met }) => met(state)).forEach(({ resolve }) => resolve(state)),
    });
    const until = (met: (state: ImportState) => boolean): Promise<ImportState> =>
      new Promise((resolve) => waiting.push({ met, resolve }));
    return { worker, until };
  };
  return { dataDir, file, ask, start };
}

test('an import left as a job is done once, and leaves the queue', async (t) => {
  const { dataDir, file, ask, start } = setUp(t);
  writeFileSync(file, `${lines(5_000)}\nno json\n`);
  await ask(file);
  const facts: Fact[] = [];
  const { worker, until } = start((batch) => Promise.resolve(void facts.push(...batch)));
  const state = await until((one) => one.state === 'done');
  await worker.stop();
  assert.deepEqual([state.accepted, state.rejected, facts.length], [5_000, 1, 5_000]);
  assert.match(state.note ?? '', /facts\.ndjson.*\.ndjson$/);
  const jobs = openJobQueue(dataDir, 'import', systemClock);
  assert.deepEqual(jobs.list(), []);
  await jobs.close();
});

test('an import cut short by a stop is done again, with the same eventIds', async (t) => {
  const { file, ask, start } = setUp(t);
  writeFileSync(file, lines(50_000));
  await ask(file);
  const ids = new Set<string>();
  const take = (batch: readonly Fact[]): Promise<void> => {
    for (const fact of batch) ids.add(fact.eventId);
    return Promise.resolve();
  };
  const first = start(take);
  await first.until((one) => one.accepted > 0);
  const interrupted = first.until((one) => one.state !== 'running');
  await first.worker.stop();
  assert.equal((await interrupted).state, 'interrupted');
  const second = start(take);
  const state = await second.until((one) => one.state === 'done');
  await second.worker.stop();
  assert.equal(state.accepted, 50_000);
  assert.equal(ids.size, 50_000, 'both runs gave a line the same id');
});

test('an import that cannot be done says why', async (t) => {
  const { file, ask, start } = setUp(t);
  await ask(`${file}-absent`);
  const { worker, until } = start(() => Promise.resolve());
  const state = await until((one) => one.state === 'failed');
  await worker.stop();
  assert.match(state.note ?? '', /cannot read .*absent.*ENOENT/);
});

for (const [when, renewals] of [
  ['a renewal', 1],
  ['its end', 0],
] as const) {
  test(`a job that another worker took is left to it, seen at ${when}, and the next one is done`, async (t) => {
    const { dataDir, file, ask, start } = setUp(t);
    t.mock.timers.enable({ apis: ['setInterval'] });
    writeFileSync(file, lines(10));
    await ask(file);
    const log = new EventEmitter();
    const appended = once(log, 'appended');
    const { worker, until } = start(async () => void (await appended), { leaseMs: 1 });
    await until((one) => one.read === 10);
    const other = openJobQueue(dataDir, 'import', systemClock);
    t.after(() => other.close());
    let taken = other.get();
    for (; taken === undefined; taken = other.get()) await setImmediate();
    assert.equal(taken.attempt, 2);
    t.mock.timers.tick(20_000 * renewals);
    const left = until((one) => one.state !== 'running');
    log.emit('appended');
    const { state, note } = await left;
    assert.deepEqual([state, note], ['interrupted', 'item 1 is not leased to this worker (any more)']);
    await ask(file);
    assert.equal((await until((one) => one.state === 'done')).job, 2);
    await worker.stop();
    other.ack(1);
  });
}
