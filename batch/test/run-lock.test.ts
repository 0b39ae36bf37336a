/** One run at a time: a run that finds the lock held changes nothing, and a run holds the lock to its end. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { OwnerLock, liveLockOwner } from '../../lib/files/owner-lock.js';
import { batchLockPath } from '../../serving/batch-runs.js';
import { buildingDir } from '../../serving/layout.js';
import { viewIds } from '../../serving/store.js';
import { batchOverview } from '../overview.js';
import { runBatch } from '../run.js';
import { makeDataDir, store, testClock } from './data-dir.js';

test('a run that finds the lock held is refused, and does not touch the build of the other one', async (t) => {
  const config = makeDataDir();
  await store(config, []);
  const built = join(buildingDir(config.dataDir), 'view-of-another');
  mkdirSync(built, { recursive: true });
  writeFileSync(join(built, 'index.dat'), '');
  const lock = OwnerLock.acquire(batchLockPath(config.dataDir), 'another run');
  t.after(() => lock.release());
  await assert.rejects(runBatch({ config, clock: testClock, trigger: 'command' }), { code: 'batch.running' });
  assert.ok(existsSync(join(built, 'index.dat')));
  assert.deepEqual(viewIds(config.dataDir), []);
  assert.deepEqual(batchOverview(config.dataDir).runs, []);
});

test('a run holds the lock while it works, and not afterwards', async () => {
  const config = makeDataDir();
  await store(config, []);
  const lockPath = batchLockPath(config.dataDir);
  const holders = new Set<number | undefined>();
  const onProgress = (): void => void holders.add(liveLockOwner(lockPath)?.pid);
  await runBatch({ config, clock: testClock, trigger: 'command', onProgress });
  assert.deepEqual([...holders], [process.pid]);
  assert.equal(liveLockOwner(lockPath), undefined);
});
