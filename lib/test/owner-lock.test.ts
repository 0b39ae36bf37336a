/**
 * The lock: of many processes that try it at once, one gets it, and it ends with its holder. Across process id
 * namespaces: test/locks.whole.test.ts.
 */
import assert from 'node:assert/strict';
import { fork, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { openDataDir } from '../files/data-dir.js';
import { SwaError } from '../errors/errors.js';
import {
  OwnerLock,
  liveLockOwner,
  lockCommands,
  type LockMode,
  type LockOwner,
} from '../files/owner-lock.js';
import type { Round, Said } from './owner-lock-child.js';
import { tempDir } from '../../test/temp-dir.js';

const childPath = fileURLToPath(new URL('owner-lock-child.js', import.meta.url));
const contenders = 6;
const deadPid = spawnSync('true').pid;

/** A directory and the processes working in it; both are removed with the test. */
class Arena {
  readonly dir = tempDir('lock');
  readonly children: ChildProcess[] = [];

  constructor(t: TestContext) {
    t.after(async () => {
      for (let i = 0; i < this.children.length; i++) await this.kill(i);
      rmSync(this.dir, { recursive: true, force: true });
    });
  }

  /** Also to replace one that was killed. */
  start(i: number): ChildProcess {
    return (this.children[i] = fork(childPath, [`contender ${i}`]));
  }

  /** Resolves when the process has disappeared for all observers. */
  async kill(i: number): Promise<void> {
    const child = this.children[i];
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

/** Content a lock file may have before it is taken; it must not matter. */
const leftBehind: readonly (string | undefined)[] = [
  undefined,
  '',
  '{"what":"half a rec',
  JSON.stringify({ what: 'a copied one', pid: process.pid, host: hostname() } satisfies LockOwner),
];

test('of many processes that try a lock at once, one gets it, and the others learn its holder', async (t) => {
  const arena = new Arena(t);
  const children = Array.from({ length: contenders }, (_, i) => arena.start(i));
  for (let round = 0; round < 8; round++) {
    const path = join(arena.dir, `${round}.lock`);
    const left = leftBehind[round % leftBehind.length];
    if (left !== undefined) writeFileSync(path, left);
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
  }
});

test('two processes never hold the lock at once, whichever is killed at any time', async (t) => {
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
  for (let kills = 0; kills < 12; kills++) {
    await new Promise<void>((resolve) => {
      missing = 1 + ((kills * 17) % 40);
      enough = resolve;
    });
    await arena.kill(kills % contenders);
    start(kills % contenders);
  }
  assert.deepEqual(intruders, []);
});

test('a held lock is refused with the name of its holder, also within one process, and is free after its release', (t) => {
  const path = join(new Arena(t).dir, 'x.lock');
  const lock = OwnerLock.acquire(path, 'the first');
  closeSync(openSync(path, 'r+')); // would lose an fcntl lock
  assert.throws(
    () => OwnerLock.acquire(path, 'the second'),
    (error: unknown) => {
      assert.ok(error instanceof SwaError);
      assert.equal(error.code, 'data-dir.in-use');
      const holder = `the first (pid ${process.pid} on ${hostname()})`;
      assert.equal(error.message, `cannot start the second: ${holder} holds the lock ${path}`);
      return true;
    },
  );
  assert.equal(liveLockOwner(path)?.pid, process.pid);
  lock.release();
  assert.equal(liveLockOwner(path), undefined);
  const second = OwnerLock.acquire(path, 'the second');
  lock.release(); // once more: not the lock of its successor
  assert.equal(liveLockOwner(path)?.what, 'the second');
  second.release();
});

test('a lock on a removed file does not block a new file at its path', (t) => {
  const path = join(new Arena(t).dir, 'x.lock');
  const lock = OwnerLock.acquire(path, 'the first');
  t.after(() => lock.release());
  rmSync(path);
  OwnerLock.acquire(path, 'the second').release();
});

test('a lock ends with the thread that took it', async (t) => {
  const path = join(new Arena(t).dir, 'x.lock');
  const url = new URL('../files/owner-lock.js', import.meta.url).href;
  const code = `import('${url}').then(({ OwnerLock }) => {
    OwnerLock.acquire('${path}', 'a thread');
    require('node:worker_threads').parentPort.postMessage('in');
    setInterval(() => {}, 1000);
  })`;
  const worker = new Worker(code, { eval: true });
  await once(worker, 'message');
  assert.equal(liveLockOwner(path)?.what, 'a thread');
  await worker.terminate();
  assert.equal(liveLockOwner(path), undefined);
});

function byPerl(mode: LockMode, fd: number): number | null {
  const [command, ...args] = lockCommands(mode)[1] ?? [''];
  return spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit', fd] }).status;
}

test('perl takes the same lock if flock is not installed', (t) => {
  const path = join(new Arena(t).dir, 'x.lock');
  const [one, other] = [openSync(path, 'a+'), openSync(path, 'r')];
  assert.equal(byPerl('exclusive', one), 0);
  assert.equal(byPerl('shared', other), 1);
  assert.equal(liveLockOwner(path)?.what, 'another process'); // it has not said who it is
  closeSync(one);
  assert.equal(byPerl('shared', other), 0);
  closeSync(other);
  assert.equal(liveLockOwner(path), undefined);
});

test('a running earlier version is detected by its lock file; the file of a dead one is removed', (t) => {
  const { dir } = new Arena(t);
  const config = { dataDir: join(dir, 'data'), lgK: 12, bucketMinutes: 60 } as const;
  openDataDir(config);
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  const lock = (file: string, pid: number, startTicks: string): string => {
    const path = join(config.dataDir, file);
    writeFileSync(path, JSON.stringify({ token: 't', pid, startTicks, host: hostname(), what: 'the sink' }));
    return path;
  };
  for (const file of ['log/writer.lock', 'master/sink.lock', 'locks/speed-pageviews-0.lock']) {
    const path = lock(file, process.pid, ticks);
    assert.throws(() => openDataDir(config), {
      code: 'data-dir.in-use',
      message: new RegExp(`earlier version .* the sink \\(pid ${process.pid} on .*\\) holds ${path}$`),
    });
    lock(file, process.pid, '1'); // its process id is another one's now
    openDataDir(config);
    assert.equal(existsSync(path), file.startsWith('locks/'));
    lock(file, deadPid, ticks);
    openDataDir(config);
    OwnerLock.acquire(path, 'a new one').release();
  }
});
