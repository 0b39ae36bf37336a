import assert from 'node:assert/strict';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { batchLockPath, listRuns } from '../../serving/batch-runs.js';
import { readConfig } from '../../lib/config/config.js';
import type { SwaError } from '../../lib/errors/errors.js';
import type { Fact } from '../../facts/fact.js';
import { liveLockOwner } from '../../lib/files/owner-lock.js';
import { offset } from '../../log/log.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { readCurrent } from '../../serving/current.js';
import { buildingDir, fileNames, heldDir, viewPath } from '../../serving/layout.js';
import { openView } from '../../serving/store.js';
import { forgeMeta } from '../../serving/test/forge.js';
import { batchOverview } from '../overview.js';
import { steps } from '../progress.js';
import { fillUp, mountSmallDisk } from '../../test/small-disk.js';
import { runBatch } from '../run.js';
import { spawnBatchRun } from '../spawn-run.js';
import { makeDataDir, store, testClock } from './data-dir.js';

const kills = Number(process.env['RUNS'] ?? 20);

const fact = (i: number): Fact => ({
  type: 'pageview',
  visitor: `cookie:${i % 40}`,
  url: `https://example.com/${i % 9}`,
  timestamp: Date.UTC(2024, 1, 1) + i * 60_000,
  eventId: `e${i}`,
  receivedAt: testClock(),
});
const facts = Array.from({ length: 2000 }, (_, i) => fact(i));

test('a run killed at any point leaves the old view serving, and the next run succeeds and cleans up', async (t) => {
  const config = makeDataDir();
  await store(config, facts);
  let current = (await runBatch({ config, clock: testClock, trigger: 'command' })).id;
  const seed = Date.now();
  t.diagnostic(`seed ${seed}`);
  const points = fc.sample(
    fc.record({ step: fc.constantFrom(...steps), delayMs: fc.integer({ min: 0, max: 60 }) }),
    { numRuns: kills, seed },
  );
  let killed = 0;
  for (const { step, delayMs } of points) {
    let timer: NodeJS.Timeout | undefined;
    const kill = (): void => {
      const owner = liveLockOwner(batchLockPath(config.dataDir));
      if (owner !== undefined && owner.pid !== process.pid) process.kill(owner.pid, 'SIGKILL');
    };
    const published = await spawnBatchRun({
      config,
      trigger: 'command',
      onProgress: (progress) => {
        if (progress.step === step) timer ??= setTimeout(kill, delayMs);
      },
    }).then(
      (meta) => meta.id,
      () => undefined,
    );
    clearTimeout(timer);
    const serving = readCurrent(config.dataDir);
    if (published === undefined) {
      killed++;
      // It may have died after the commit point: then the new view serves.
      if (serving !== current) current = serving;
    } else {
      assert.equal(serving, published);
      current = serving;
    }
    const view = openView(config.dataDir, serving);
    assert.equal(view.meta.counts.pageviews, facts.length);
    assert.equal([...view.pages('example.com')].length, 9);
    view.close();
  }
  t.diagnostic(`${killed} of ${kills} runs killed`);
  assert.ok(killed > 0, 'no run was killed in time');
  const meta = await runBatch({ config, clock: testClock, trigger: 'command' });
  assert.equal(readCurrent(config.dataDir), meta.id);
  assert.throws(() => statSync(buildingDir(config.dataDir)), { code: 'ENOENT' });
  assert.ok(listRuns(config.dataDir).every((run) => run.outcome !== 'running'));
});

test('a damaged Parquet file that is not in the star yet stops the run, which names it and keeps the old view', async () => {
  const config = makeDataDir();
  await store(config, facts.slice(0, 100));
  const before = await runBatch({ config, clock: testClock, trigger: 'command' });
  await store(config, facts.slice(100));
  const file = takeSnapshot(config.dataDir).files.findLast(({ topic }) => topic === 'pageviews');
  const fd = openSync(file?.path ?? '', 'r+');
  writeSync(fd, Uint8Array.of(0x55), 0, 1, Math.floor((file?.sizeBytes ?? 0) / 2));
  closeSync(fd);
  const run = runBatch({ config, clock: testClock, trigger: 'command' });
  await assert.rejects(run, (error: Error & { code: string }) => {
    assert.equal(error.code, 'master.corrupt');
    assert.ok(error.message.includes(file?.path ?? '?'));
    assert.ok(error.message.includes(file?.sha256 ?? '?'), 'the hash that was expected');
    return true;
  });
  assert.equal(readCurrent(config.dataDir), before.id);
  assert.equal(listRuns(config.dataDir).at(-1)?.outcome, 'failed');
});

test('a truncated or missing file is reported as damaged before DuckDB reads it', async () => {
  const config = makeDataDir();
  await store(config, facts);
  const [file] = takeSnapshot(config.dataDir).files;
  const path = file?.path ?? '';
  const damages = [() => truncateSync(path, (file?.sizeBytes ?? 0) - 3), () => rmSync(path)];
  for (const damage of damages) {
    damage();
    await assert.rejects(runBatch({ config, clock: testClock, trigger: 'command' }), {
      code: 'master.corrupt',
      message: new RegExp(path),
    });
  }
});

test('unreadable views do not stop a run; a new view is never behind a readable one', async () => {
  const config = makeDataDir();
  await store(config, facts.slice(0, 100));
  const first = await runBatch({ config, clock: testClock, trigger: 'command' });
  const second = await runBatch({ config, clock: testClock, trigger: 'command' });
  writeFileSync(join(viewPath(config.dataDir, second.id), fileNames.meta), 'not JSON');
  assert.deepEqual(batchOverview(config.dataDir).unreadable, [second.id]);

  const third = await runBatch({ config, clock: testClock, trigger: 'command' });
  assert.deepEqual([third.number, readCurrent(config.dataDir)], [3, third.id]);
  writeFileSync(join(viewPath(config.dataDir, third.id), fileNames.meta), 'not JSON');
  const ahead = { 'pageviews/0': offset(101) };
  forgeMeta(viewPath(config.dataDir, first.id), ({ view, ...rest }) => {
    const cut = { ...view.cut, next: { ...view.cut.next, ...ahead } };
    return { ...rest, view: { ...view, cut } };
  });
  await assert.rejects(runBatch({ config, clock: testClock, trigger: 'command' }), {
    code: 'view.refused',
    message: new RegExp(`its cut is before that of ${first.id}`),
  });
});

test('a failure after publication is recorded with the run, which counts as published', async () => {
  const config = makeDataDir();
  await store(config, facts.slice(0, 100));
  const hold = join(heldDir(config.dataDir), 'speed.json');
  mkdirSync(heldDir(config.dataDir), { recursive: true });
  writeFileSync(hold, '["v1');
  const meta = await runBatch({ config, clock: testClock, trigger: 'command' });
  assert.equal(readCurrent(config.dataDir), meta.id);
  const run = listRuns(config.dataDir).at(-1);
  assert.deepEqual([run?.outcome, run?.viewId, run?.error?.code], ['published', meta.id, 'view.corrupt']);
  assert.match(run?.error?.message ?? '', /speed\.json/);
});

test('a run that is stopped while it verifies publishes nothing', async () => {
  const config = makeDataDir();
  await store(config, facts);
  const before = await runBatch({ config, clock: testClock, trigger: 'command' });
  const stop = new AbortController();
  const run = runBatch({
    config,
    clock: testClock,
    trigger: 'command',
    signal: stop.signal,
    onProgress: ({ step }) => step === 'verify' && stop.abort(),
  });
  await assert.rejects(run, { code: 'batch.failed' });
  assert.equal(readCurrent(config.dataDir), before.id);
});

test('too little memory is reported with the setting to change, without SQL advice', async () => {
  const config = makeDataDir({ batchMemory: '2MB' });
  await store(config, facts);
  await assert.rejects(runBatch({ config, clock: testClock, trigger: 'command' }), (error: SwaError) => {
    assert.deepEqual([error.code, /SET /.test(error.message)], ['batch.failed', false]);
    assert.match(error.hint ?? '', /SWA_BATCH_MEMORY/);
    return true;
  });
  assert.throws(() => readConfig({ SWA_BATCH_MEMORY: '0MB' }), /SWA_BATCH_MEMORY must be at least 128MB/);
});

test('a full disk fails the run with a hint, the old view serves, and with space the next run succeeds', async (t) => {
  const mount = mountSmallDisk(t, 24);
  if (mount === undefined) {
    t.skip('needs root to mount a small file system');
    return;
  }
  const config = makeDataDir({ dataDir: join(mount, 'data') });
  await store(config, facts);
  const before = await runBatch({ config, clock: testClock, trigger: 'command' });
  const filler = join(mount, 'filler');
  fillUp(filler, 1 << 12); // leaves a few kilobytes
  await assert.rejects(runBatch({ config, clock: testClock, trigger: 'command' }), /ENOSPC|No space|full/i);
  assert.equal(readCurrent(config.dataDir), before.id);
  rmSync(filler);
  const after = await runBatch({ config, clock: testClock, trigger: 'command' });
  assert.equal(after.contentHash, before.contentHash);
  assert.ok(readdirSync(join(config.dataDir, 'serving', 'views')).length >= 2);
});
