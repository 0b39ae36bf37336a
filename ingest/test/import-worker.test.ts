import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { existsSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ImportState } from '../import-state.js';
import { systemClock } from '../../lib/time/clock.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import { SwaError } from '../../lib/errors/errors.js';
import { timeStart, type Fact } from '../../facts/fact.js';
import { openJobQueue } from '../../log/queue/job-queue.js';
import type { QueueOptions } from '../../log/queue/single-consumer-queue.js';
import { BotRule } from '../../facts/bots.js';
import { UrlRules } from '../../facts/url/normalize.js';
import { defaultRejectPath } from '../reject-file.js';
import { ImportWorker } from '../import-worker.js';
import { formatOf } from '../ndjson.js';
import { tempDir } from '../../test/temp-dir.js';

const lines = (count: number): string =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      type: 'pageview',
      visitor: `cookie:${i}`,
      url: 'https://e.org/',
      timestamp: timeStart + i,
    }),
  ).join('\n');

function setUp() {
  const dataDir = tempDir('import-worker');
  openDataDir({ dataDir, lgK: 14, bucketMinutes: 60 });
  const file = join(dataDir, 'facts.ndjson');
  const time = { now: systemClock() };
  const clock = (): number => time.now;
  const ask = async (path: string): Promise<void> => {
    const jobs = openJobQueue(dataDir, 'import', clock);
    jobs.add({ requestedBy: 'test', requestedAt: 0, file: path, format: { name: 'ndjson' } });
    await jobs.close();
  };
  const waiting = async (): Promise<number> => {
    const jobs = openJobQueue(dataDir, 'import', clock);
    const { length } = jobs.list();
    await jobs.close();
    return length;
  };
  /** Starts a worker; `until` resolves with the first state that satisfies. */
  const start = (append: (facts: readonly Fact[]) => Promise<void>, queue: Partial<QueueOptions> = {}) => {
    const waiters: { met: (state: ImportState) => boolean; resolve: (state: ImportState) => void }[] = [];
    const worker = new ImportWorker({
      dataDir,
      jobs: openJobQueue(dataDir, 'import', clock, queue),
      sink: { append },
      urls: new UrlRules(),
      bots: new BotRule('exclude'),
      formatOf,
      clock,
      onChange: (state) => waiters.filter(({ met }) => met(state)).forEach(({ resolve }) => resolve(state)),
    });
    const until = (met: (state: ImportState) => boolean): Promise<ImportState> =>
      new Promise((resolve) => waiters.push({ met, resolve }));
    return { worker, until };
  };
  return { dataDir, file, time, clock, ask, waiting, start };
}

const away = (): Promise<void> =>
  Promise.reject(new SwaError('log.unavailable', 'the disk is full', { retryable: true }));
const isWaiting = ({ state, note }: ImportState): boolean =>
  state === 'running' && note === 'waits: the disk is full';

test('an import left as a job is done once, and leaves the queue', async () => {
  const { file, ask, waiting, start } = setUp();
  writeFileSync(file, `${lines(5_000)}\nno json\n`);
  await ask(file);
  const facts: Fact[] = [];
  const { worker, until } = start((batch) => Promise.resolve(void facts.push(...batch)));
  const state = await until((one) => one.state === 'done');
  await worker.stop();
  assert.deepEqual([state.accepted, state.rejected, facts.length], [5_000, 1, 5_000]);
  assert.match(state.note ?? '', /facts\.ndjson.*\.ndjson$/);
  assert.equal(await waiting(), 0);
});

test('an import cut short by a stop is done again, with the same eventIds', async () => {
  const { file, ask, start } = setUp();
  writeFileSync(file, `${lines(25_000)}\n${lines(25_000)}`);
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
  assert.ok(state.known > 0, 'it goes on where it was stopped');
  assert.equal(state.known + state.accepted, 50_000);
  assert.equal(ids.size, 50_000, 'both runs gave a line the same id, and equal lines different ones');
});

test('an import that cannot be done says why', async () => {
  const { file, ask, start } = setUp();
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
    const { dataDir, file, time, clock, ask, start } = setUp();
    t.mock.timers.enable({ apis: ['setInterval'] });
    writeFileSync(file, lines(10));
    await ask(file);
    const log = new EventEmitter();
    const appended = once(log, 'appended');
    const { worker, until } = start(async () => void (await appended), { leaseMs: 1 });
    await until((one) => one.read === 10);
    const other = openJobQueue(dataDir, 'import', clock, { leaseMs: 1 });
    t.after(() => other.close());
    time.now += 1;
    assert.equal(other.get()?.attempt, 2);
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

test('while the log cannot take facts an import waits where it is, and says so', async () => {
  const { file, ask, start } = setUp();
  writeFileSync(file, lines(10));
  await ask(file);
  let appends = 0;
  const { worker, until } = start(() => (++appends < 3 ? away() : Promise.resolve()));
  const waited = until(isWaiting);
  const { state, read, accepted } = await until((one) => one.state !== 'running');
  await waited;
  await worker.stop();
  assert.deepEqual([state, read, accepted, appends], ['done', 10, 10, 3]);
});

test('stops do not count as failures of an import', async () => {
  const { file, ask, waiting, start } = setUp();
  writeFileSync(file, lines(10));
  await ask(file);
  for (let stops = 0; stops < 3; stops++) {
    const { worker, until } = start(away);
    await until(isWaiting);
    const interrupted = until((one) => one.state !== 'running');
    await worker.stop();
    assert.equal((await interrupted).state, 'interrupted');
  }
  rmSync(file);
  const { worker, until } = start(away);
  await until((one) => one.state === 'failed');
  await worker.stop();
  assert.equal(await waiting(), 1, 'it failed once');
});

test(
  'an import that fails three times is given up; what passes by itself, as a full disk, does not count',
  { skip: !existsSync('/dev/full') && 'needs /dev/full' },
  async () => {
    const { dataDir, file, time, ask, waiting, start } = setUp();
    const { worker, until } = start(() => Promise.resolve());
    writeFileSync(file, 'no json\n');
    for (const [round, why] of [/ENOSPC/, /ENOSPC/, /ENOENT/, /ENOENT/, /ENOENT/].entries()) {
      if (round === 2) rmSync(file);
      const failed = until((one) => one.state === 'failed');
      const later = time.now + 10_000;
      symlinkSync(
        '/dev/full',
        defaultRejectPath(dataDir, file, () => later),
      );
      time.now = later;
      if (round === 0) await ask(file);
      assert.match((await failed).note ?? '', why);
      assert.equal(await waiting(), round < 4 ? 1 : 0);
    }
    await worker.stop();
  },
);
