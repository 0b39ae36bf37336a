/**
 * A process that tries a lock, for owner-lock.test.ts. Given a round, it spins until then, tries once and reports who
 * has the lock. Told to hammer, it takes and releases the lock until it is killed, and reports if another process held
 * it too.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { systemCode } from '../errors/errors.js';
import { OwnerLock } from '../files/owner-lock.js';

export interface Round {
  readonly path: string;
  /** Unix time in ms at which all processes start. */
  readonly at: number;
  readonly hammer: boolean;
}

export interface Said {
  readonly holder: string;
  /** Another process that held the lock at the same time. */
  readonly intruder?: number;
}

const name = process.argv[2] ?? '';
const pause = new Int32Array(new SharedArrayBuffer(4));
const say = (said: Said): unknown => process.send?.(said);

process.on('message', ({ path, at, hammer }: Round) => {
  while (Date.now() < at);
  if (hammer) {
    setImmediate(hit, path);
    return;
  }
  const taken = OwnerLock.tryAcquire(path, name);
  say({ holder: taken instanceof OwnerLock ? name : taken.what });
});
process.on('disconnect', () => process.exit());

function hit(path: string): void {
  const lock = OwnerLock.tryAcquire(path, name);
  if (lock instanceof OwnerLock) {
    const intruder = enter(`${path}-witness`);
    say(intruder === undefined ? { holder: name } : { holder: name, intruder });
    rmSync(`${path}-witness`, { force: true });
    lock.release();
  }
  setImmediate(hit, path);
}

/** Returns the living process named in the witness file, which only the lock's holder writes. */
function enter(witness: string): number | undefined {
  try {
    writeFileSync(witness, String(process.pid), { flag: 'wx' });
    return undefined;
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  }
  const pid = Number(readFileSync(witness, 'utf8'));
  if (pid > 0 && staysAlive(pid)) return pid;
  writeFileSync(witness, String(process.pid)); // the one before was killed in there
  return undefined;
}

/** A killed process releases its locks a moment before it disappears from the process table. */
function staysAlive(pid: number): boolean {
  for (const end = Date.now() + 500; Date.now() < end; Atomics.wait(pause, 0, 0, 5)) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      if (stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) === 'Z') return false;
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return false;
    }
  }
  return true;
}
