import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { constants, getPriority } from 'node:os';
import { test } from 'node:test';
import { pino } from 'pino';
import type { Fact } from '../../facts/fact.js';
import { systemClock } from '../../lib/time/clock.js';
import { batchLockPath, newRunId, saveRun } from '../../serving/batch-runs.js';
import { OwnerLock } from '../../lib/files/owner-lock.js';
import { openJobQueue } from '../../log/queue/job-queue.js';
import { readStatus } from '../../lib/process/status.js';
import { CurrentWatch, readCurrent } from '../../serving/current.js';
import { currentPath, oldestReadable, viewPath } from '../../serving/layout.js';
import { openView } from '../../serving/store.js';
import { forgeMeta } from '../../serving/test/forge.js';
import { auditViews } from '../recomputed-view.js';
import { batchOverview } from '../overview.js';
import { spawnBatchRun } from '../spawn-run.js';
import { countsOf } from '../../serving/batch-runs.js';
import { startBatch } from '../role.js';
import { makeDataDir, store, testClock } from './data-dir.js';
import { eventually } from '../../test/eventually.js';

const fact = (id: number): Fact => ({
  type: 'pageview',
  visitor: `cookie:${id}`,
  url: 'https://example.com/',
  timestamp: Date.UTC(2024, 1, 1),
  eventId: `e${id}`,
  receivedAt: testClock(),
});

test('a run as a child process publishes, reports its steps and keeps its history', async () => {
  const config = makeDataDir();
  await store(config, [fact(1), fact(2), fact(2)]);
  const seen: string[] = [];
  const meta = await spawnBatchRun({ config, trigger: 'command', onProgress: ({ step }) => seen.push(step) });
  assert.equal(meta.counts.pageviews, 2);
  assert.deepEqual([seen.at(0), seen.at(-1)], ['star', 'publish']);
  const overview = batchOverview(config.dataDir);
  assert.equal(overview.current, meta.id);
  const [run] = overview.runs;
  assert.equal(run?.outcome, 'published');
  assert.equal(run === undefined ? undefined : countsOf(run)['repeats'], 1);
  assert.equal(overview.running, undefined);
});

test('a run has a lower priority than the roles that take facts and answer queries', async () => {
  const config = makeDataDir();
  await store(config, [fact(1)]);
  const niceness = new Set<number>();
  await spawnBatchRun({
    config,
    trigger: 'command',
    onProgress: () => {
      const { running } = batchOverview(config.dataDir);
      if (running !== undefined) niceness.add(getPriority(running.pid));
    },
  });
  assert.deepEqual([...niceness], [Math.max(getPriority(), constants.priority.PRIORITY_BELOW_NORMAL)]);
});

test('runs are listed in start order even if the clock has gone back', () => {
  const { dataDir } = makeDataDir();
  const dayMs = 86_400_000;
  const ids = [5 * dayMs, 6 * dayMs, dayMs, dayMs + 1, 7 * dayMs].map((startedAt) => {
    const id = newRunId(dataDir, startedAt, 10);
    saveRun(dataDir, { id, trigger: 'command', pid: 10, startedAt, endedAt: startedAt, outcome: 'failed', viewId: null, error: null, durations: {}, peakMemoryBytes: null, statistics: null }); // prettier-ignore
    return id;
  });
  assert.deepEqual(ids, ids.toSorted());
  assert.equal(new Set(ids).size, ids.length);
});

test('two runs at once: the second is refused with the name of the first', async () => {
  const config = makeDataDir();
  await store(config, [fact(1)]);
  const results = await Promise.allSettled([
    spawnBatchRun({ config, trigger: 'command' }),
    spawnBatchRun({ config, trigger: 'command' }),
    spawnBatchRun({ config, trigger: 'command' }),
  ]);
  const refused = results.filter((result) => result.status === 'rejected');
  assert.ok(results.some((result) => result.status === 'fulfilled'));
  for (const { reason } of refused) assert.match(String(reason.code), /^(batch\.running|data-dir\.in-use)$/);
});

test('a job asks the role for a run, and the role stops in order', { timeout: 60_000 }, async () => {
  const config = makeDataDir({ batchSchedule: 'off' });
  await store(config, [fact(1)]);
  const context = { config, clock: systemClock, logger: pino({ level: 'silent' }) };
  const role = await startBatch(context);
  const watch = new CurrentWatch(config.dataDir);
  const genesis = watch.current();
  const jobs = openJobQueue(config.dataDir, 'batch-run', systemClock);
  jobs.add({ requestedBy: 'test', requestedAt: 0 });
  await eventually('a view is published', () => watch.current() !== genesis);
  const view = openView(config.dataDir, watch.current());
  assert.equal(view.meta.counts.pageviews, 1);
  view.close();
  await eventually('the job is done', () => jobs.list().length === 0);
  await jobs.close();
  await role.stop();
});

test(
  'after an upgrade that changed the format of views the role runs by itself',
  { timeout: 60_000 },
  async () => {
    const config = makeDataDir({ batchSchedule: 'off' });
    await store(config, [fact(1)]);
    const old = await spawnBatchRun({ config, trigger: 'command' });
    forgeMeta(viewPath(config.dataDir, old.id), (meta) => ({ ...meta, format: oldestReadable - 1 }));
    assert.throws(() => openView(config.dataDir, old.id), { message: /has format/ });
    const role = await startBatch({ config, clock: systemClock, logger: pino({ level: 'silent' }) });
    const watch = new CurrentWatch(config.dataDir);
    await eventually('a view is published', () => watch.current() !== old.id);
    openView(config.dataDir, watch.current()).close();
    await role.stop();
    assert.equal(
      batchOverview(config.dataDir).runs.some(({ trigger }) => trigger === 'upgrade'),
      true,
    );
  },
);

test(
  'when the view that serves was made by other rules the role runs by itself, and again when that fails',
  { timeout: 60_000 },
  async (t) => {
    const config = makeDataDir({ batchSchedule: 'off' });
    const { dataDir } = config;
    await store(config, [fact(1)]);
    const old = await spawnBatchRun({ config, trigger: 'command' });
    const lock = OwnerLock.acquire(batchLockPath(dataDir), 'a test');
    t.after(() => lock.release());
    let ahead = 0;
    const clock = (): number => systemClock() + ahead;
    const context = {
      config: { ...config, bots: 'include' as const },
      clock,
      logger: pino({ level: 'silent' }),
    };
    const role = await startBatch(context);
    t.after(() => role.stop());
    const lastError = (): string | undefined => readStatus(dataDir)[0]?.lastError?.code;
    await eventually('the run fails', () => lastError() !== undefined);
    assert.match(lastError() ?? '', /^(batch\.running|data-dir\.in-use)$/);
    lock.release();
    ahead = 60_000;
    const watch = new CurrentWatch(dataDir);
    await eventually('a view is published', () => watch.current() !== old.id);
    await eventually('the error is gone', () => lastError() === undefined);
    await role.stop();
    const runs = (): string[] => batchOverview(dataDir).runs.map(({ trigger }) => trigger);
    assert.deepEqual(runs(), ['command', 'rules']);

    const same = await startBatch(context);
    t.after(() => same.stop());
    const rounds = new Set<number>();
    await eventually('three more rounds of the role', () => {
      const status = readStatus(dataDir)[0];
      ahead += 5_000; // each round writes its status
      if (status?.state === 'running') rounds.add(status.updatedAt);
      assert.equal(status?.details['run'], undefined, 'a view made by these rules is left alone');
      return rounds.size === 3;
    });
    await same.stop();
    assert.deepEqual(runs(), ['command', 'rules']);
  },
);

test(
  'with a damaged CURRENT the role runs by itself, and the new view serves',
  { timeout: 60_000 },
  async () => {
    const config = makeDataDir({ batchSchedule: 'off' });
    await store(config, [fact(1)]);
    const before = await spawnBatchRun({ config, trigger: 'command' });
    writeFileSync(currentPath(config.dataDir), '');
    const { current, noCurrent } = batchOverview(config.dataDir);
    assert.deepEqual([current, /CURRENT is empty/.test(noCurrent ?? '')], [undefined, true]);
    assert.match((await auditViews({ config, recount: false })).problems.join(), /CURRENT is empty/);
    const role = await startBatch({ config, clock: systemClock, logger: pino({ level: 'silent' }) });
    await eventually('a view serves', () => batchOverview(config.dataDir).current !== undefined);
    assert.notEqual(readCurrent(config.dataDir), before.id);
    await role.stop();
  },
);
