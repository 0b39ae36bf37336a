/** A role's thread that takes long to end. DuckDB aborts the process if a thread is terminated while DuckDB works for it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setUp } from './swa-command.js';

test('a thread that has not ended in time is said so and left to end by itself: the process lives', () => {
  const { dataDir } = setUp();
  const child = fileURLToPath(new URL('role-thread-child.js', import.meta.url));
  const { status, signal, stderr } = spawnSync(process.execPath, [child, dataDir], { encoding: 'utf8' });
  assert.deepEqual([status, signal], [0, null], stderr);
});
