/** A batch run whose parent was killed ends within seconds, at any step, and releases its lock. */
import assert from 'node:assert/strict';
import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { batchLockPath } from '../../serving/batch-runs.js';
import { liveLockOwner } from '../../lib/files/owner-lock.js';
import { steps } from '../progress.js';
import { makeDataDir, store, testClock } from './data-dir.js';
import { eventually } from '../../test/eventually.js';

const skip = existsSync('/proc/self/stat') ? false : 'needs procfs';
const kills = 20;
/** The watch polls twice a second and waits 2 s; the rest is for a busy machine. */
const endsWithinMs = 10_000;

async function untilGone(pid: number): Promise<void> {
  await eventually(
    () => `process ${pid} is gone: ${statOf(pid)}`,
    () => !existsSync(`/proc/${pid}`) || /\) [ZX] /.test(statOf(pid)),
    endsWithinMs,
  );
}

function statOf(pid: number): string {
  return spawnSync('cat', [`/proc/${pid}/stat`]).stdout.toString();
}

function killAtEnd(t: TestContext, pid: number): void {
  t.after(() => spawnSync('kill', ['-9', String(pid)]));
}

test('a run ends after its parent, killed at any step', { skip }, async (t) => {
  const config = makeDataDir();
  const facts = Array.from({ length: 2000 }, (_, i) => ({
    type: 'pageview' as const,
    visitor: `cookie:${i % 40}`,
    url: `https://example.com/${i % 9}`,
    timestamp: Date.UTC(2024, 1, 1) + i * 60_000,
    eventId: `e${i}`,
    receivedAt: testClock(),
  }));
  await store(config, facts);
  const seed = Date.now();
  t.diagnostic(`SEED=${seed}`);
  const points = fc.sample(
    fc.record({ step: fc.constantFrom(...steps), delayMs: fc.integer({ min: 0, max: 60 }) }),
    { numRuns: kills, seed },
  );
  let killed = 0;
  for (const { step, delayMs } of points) {
    const parent = fork(fileURLToPath(new URL('orphan-parent.js', import.meta.url)));
    const ended = once(parent, 'exit');
    parent.send(config);
    await new Promise<void>((resolve) => {
      parent.on('message', (at) => at === step && resolve());
      parent.on('exit', () => resolve());
    });
    await sleep(delayMs);
    if (parent.pid === undefined || parent.exitCode !== null) continue;
    const child = Number(readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8').trim());
    if (child === 0) continue;
    parent.kill('SIGKILL');
    killAtEnd(t, child);
    await ended;
    await untilGone(child);
    assert.equal(liveLockOwner(batchLockPath(config.dataDir)), undefined);
    killed++;
  }
  t.diagnostic(`${killed} of ${kills} parents killed`);
  assert.ok(killed >= kills / 2);
});

test('a run whose main thread waits forever ends after its parent, too', { skip }, async (t) => {
  const watch = new URL('../parent-watch.js', import.meta.url).href;
  const child = `import('${watch}').then(({ endWithParent }) => {
    endWithParent(Number(process.argv[1]));
    process.stdout.write(String(process.pid));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  })`;
  const code = `const { spawn } = require('node:child_process');
    spawn(process.execPath, ['-e', ${JSON.stringify(child)}, String(process.pid)], { stdio: 'inherit' });`;
  const parent = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
  killAtEnd(t, Number(pid));
  parent.kill('SIGKILL');
  await untilGone(Number(pid));
});
