/** The lock: whatever dead owners left, of many who want it at once one gets it, and the others hear who. */
import assert from 'node:assert/strict';
import { fork, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { SwaError } from '../errors.js';
import { OwnerLock, liveLockOwner, type LockOwner } from '../files/owner-lock.js';
import type { Round, Said } from './owner-lock-child.js';

const childPath = fileURLToPath(new URL('owner-lock-child.js', import.meta.url));
const contenders = 6;
const deadPid = spawnSync('true').pid;

/** A directory and the processes at work in it; both go with the test. */
class Arena {
  readonly dir = mkdtempSync(join(tmpdir(), 'swa-lock-'));
  readonly children: ChildProcess[] = [];

  constructor(t: TestContext) {
    t.after(async () => {
      for (let i = 0; i < this.children.length; i++) await this.kill(i);
      rmSync(this.dir, { recursive: true, force: true });
    });
  }

  /** Also in the place of one that was killed. */
  start(i: number): ChildProcess {
    return (this.children[i] = fork(childPath, [`contender ${i}`]));
  }

  /** Resolves when it is gone for all who look. */
  async kill(i: number): Promise<void> {
    const child = this.children[i];
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

function recordOf(token: string): string {
  const owner: LockOwner = { token, pid: deadPid, startTicks: '1', host: hostname(), what: 'a dead one' };
  return JSON.stringify(owner);
}

/** A lock as killed owners left it: each but the first died with the right to the record before in hand. */
function leaveBehind(path: string, dead: number): void {
  for (let i = 0; i < dead; i++)
    writeFileSync(i === 0 ? path : `${path}.next-dead-${i - 1}`, recordOf(`dead-${i}`));
  if (dead === 0) return;
  writeFileSync(`${path}.next-of-long-ago`, recordOf('late'));
  writeFileSync(`${path}.${deadPid}.abc-7.tmp`, 'half a rec');
}

test('of many who find the lock of a dead owner one gets it, and nothing is left beside it', async (t) => {
  const arena = new Arena(t);
  const children = Array.from({ length: contenders }, (_, i) => arena.start(i));
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 4 }), async (dead) => {
      const path = join(arena.dir, `${round++}.lock`);
      leaveBehind(path, dead);
      const order: Round = { path, at: Date.now() + 4, hammer: false };
      const answers = await Promise.all(
        children.map(async (child) => {
          const answer = once(child, 'message') as Promise<[Said]>;
          child.send(order);
          return (await answer)[0].holder;
        }),
      );
      const holder = liveLockOwner(path)?.what;
      assert.deepEqual(
        answers,
        answers.map(() => holder),
      );
      assert.deepEqual(
        readdirSync(arena.dir).filter((name) => name.startsWith(`${round - 1}.`)),
        [`${round - 1}.lock`],
      );
    }),
    { numRuns: 250, endOnFailure: true },
  );
});

test('no two are ever in, whoever is killed when', async (t) => {
  const arena = new Arena(t);
  const path = join(arena.dir, 'x.lock');
  const intruders: Said[] = [];
  let missing = 0;
  let enough: (() => void) | undefined;
  const start = (i: number): void => {
    const child = arena.start(i);
    child.on('message', (said: Said) => {
      if (said.intruder !== undefined) intruders.push(said);
      if (--missing === 0) enough?.();
    });
    child.send({ path, at: 0, hammer: true } satisfies Round);
  };
  for (let i = 0; i < contenders; i++) start(i);
  for (let kills = 0; kills < 25; kills++) {
    await new Promise<void>((resolve) => {
      missing = 1 + ((kills * 17) % 40);
      enough = resolve;
    });
    await arena.kill(kills % contenders);
    start(kills % contenders);
  }
  assert.deepEqual(intruders, []);
});

test('a lock that is held is refused by name, and free again after its release', (t) => {
  const path = join(new Arena(t).dir, 'x.lock');
  const lock = OwnerLock.acquire(path, 'the first');
  assert.throws(() => OwnerLock.acquire(path, 'the second'), {
    code: 'data-dir.in-use',
    message: /cannot start the second: the first \(pid \d+ on .+\) holds .*x\.lock/,
  });
  lock.release();
  OwnerLock.acquire(path, 'the second').release();
  assert.equal(liveLockOwner(path), undefined);
});

test('the owner on another host counts as alive, and the refusal says which file to delete if it is not', (t) => {
  const path = join(new Arena(t).dir, 'x.lock');
  const owner: LockOwner = { token: 't', pid: deadPid, startTicks: '1', host: 'elsewhere', what: 'sink' };
  writeFileSync(path, JSON.stringify(owner));
  assert.throws(
    () => OwnerLock.acquire(path, 'sink'),
    (error: unknown) => {
      assert.ok(error instanceof SwaError);
      assert.equal(error.code, 'data-dir.in-use');
      assert.equal(
        error.hint,
        `stop that process first; if no swa runs on elsewhere any more, delete ${path}`,
      );
      return true;
    },
  );
});
