/** A role process retries its start after temporary errors, and after no others. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const child = fileURLToPath(new URL('run-role-child.js', import.meta.url));

function run(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [child, ...args], {
    encoding: 'utf8',
    env: { SWA_LOG_LEVEL: 'warn' },
    timeout: 60_000,
  });
  return { code: status, stdout, stderr };
}

test('a start that fails with something temporary is tried again, with a warning each time', () => {
  const { code, stdout, stderr } = run('3', 'temporary');
  assert.equal(stdout, 'running after 4 starts\n');
  assert.equal(code, 0);
  assert.equal(stderr.match(/cannot start yet, trying again/g)?.length, 3, stderr);
  assert.match(stderr, /start 1 failed/);
});

test('a permanent error ends the process at once', () => {
  const { code, stdout, stderr } = run('1', 'permanent');
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /start 1 failed/);
  assert.doesNotMatch(stderr, /trying again/);
});

test('a temporary error that lasts too long ends the process with the last error', () => {
  const { code, stdout, stderr } = run('1000000', 'temporary', '100');
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /start [2-9]\d* failed/);
});
