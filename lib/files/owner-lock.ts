/**
 * "Only one at a time", across processes: a lock file that names its owner by pid and process start time, so that a
 * killed owner leaves nothing behind: a lock whose owner is dead is taken over.
 *
 * Take-over: the record of a dead owner may be replaced, wherever it stands, only by whoever holds the right to it, a
 * second lock named by that record's token (`<lock>.next-<token>`). With the right in hand one looks whether the dead
 * record still stands there, and if so renames the right, which names its new owner already, over it. Nobody else can
 * touch a dead record meanwhile, so the look stays true until the rename. A right whose holder was killed is itself a lock
 * with a dead owner and is taken over in the same way; tokens are never used twice, so no two rights share a name.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { SwaError, systemCode, type ErrorCode } from '../errors.js';
import { createFile, tempWriter } from './durable.js';
import { readIfThere } from './read-if-there.js';

const ownerSchema = z.object({
  token: z.string(),
  pid: z.number(),
  startTicks: z.string(),
  host: z.string(),
  what: z.string(),
});
export type LockOwner = z.infer<typeof ownerSchema>;

export class OwnerLock {
  readonly #path: string;
  readonly #token: string;

  private constructor(path: string, token: string) {
    this.#path = path;
    this.#token = token;
  }

  /** Takes the lock, or throws `code` naming the owner that holds it. */
  static acquire(path: string, what: string, code?: ErrorCode): OwnerLock {
    const taken = OwnerLock.tryAcquire(path, what);
    if (taken instanceof OwnerLock) return taken;
    throw lockHeld(path, what, taken, code);
  }

  /** Takes the lock, or says who holds it. */
  static tryAcquire(path: string, what: string): OwnerLock | LockOwner {
    mkdirSync(dirname(path), { recursive: true });
    const owner: LockOwner = {
      token: randomUUID(),
      pid: process.pid,
      startTicks: startTicks(process.pid) ?? '',
      host: hostname(),
      what,
    };
    const outcome = take(path, path, owner);
    if (typeof outcome === 'object') return outcome;
    const lock = new OwnerLock(path, owner.token);
    try {
      if (outcome === 'taken-over') sweep(path, owner);
    } catch (error) {
      lock.release();
      throw error;
    }
    return lock;
  }

  release(): void {
    if (readLockOwner(this.#path)?.token === this.#token) rmSync(this.#path, { force: true });
  }
}

/** The owner on record, dead or alive; undefined when the lock is free. */
export function readLockOwner(path: string): LockOwner | undefined {
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new SwaError('data-dir.unusable', `the lock file ${path} is damaged`, {
      cause,
      hint: 'delete it when no swa runs',
    });
  }
}

/** The live owner, or undefined. */
export function liveLockOwner(path: string): LockOwner | undefined {
  const owner = readLockOwner(path);
  return owner !== undefined && isAlive(owner) ? owner : undefined;
}

/** The error of who cannot do without the lock. */
export function lockHeld(
  path: string,
  what: string,
  holder: LockOwner,
  code: ErrorCode = 'data-dir.in-use',
): SwaError {
  return new SwaError(
    code,
    `cannot start ${what}: ${holder.what} (pid ${holder.pid} on ${holder.host}) holds ${path}`,
    {
      hint: isOfThisHost(holder)
        ? 'stop that process first, or use another SWA_DATA_DIR'
        : `stop that process first; if no swa runs on ${holder.host} any more, delete ${path}`,
      context: { holder },
    },
  );
}

/** Whether we can see an owner die. Where not it counts as alive, for ever. */
export function isOfThisHost(owner: LockOwner): boolean {
  return owner.host === hostname();
}

function isAlive(owner: LockOwner): boolean {
  if (!isOfThisHost(owner)) return true;
  if (!isRunning(owner.pid)) return false;
  const ticks = startTicks(owner.pid);
  return ticks === undefined || owner.startTicks === '' || ticks === owner.startTicks;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (systemCode(error) === 'ESRCH') return false;
  }
  return true;
}

/** When a process started, in clock ticks since boot (Linux); undefined elsewhere. Tells a reused pid apart. */
function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined; // no procfs: the pid alone must do
  }
}

/** Makes `path`, which is `lock` or a right to one of its records, name this owner; or returns the living one it has. */
function take(lock: string, path: string, owner: LockOwner): 'taken' | 'taken-over' | LockOwner {
  for (let attempt = 0; attempt < 100; attempt++) {
    const holder = readLockOwner(path);
    if (holder === undefined) {
      if (createFile(path, JSON.stringify(owner))) return 'taken';
    } else if (isAlive(holder)) {
      return holder;
    } else {
      const right = `${lock}.next-${holder.token}`;
      const other = take(lock, right, owner);
      if (typeof other === 'object') {
        // Nobody else can replace it: in a moment it is theirs.
        if (readLockOwner(path)?.token === holder.token) return other;
        continue;
      }
      try {
        if (readLockOwner(path)?.token === holder.token) {
          renameSync(right, path);
          return 'taken-over';
        }
      } catch (error) {
        rmSync(right, { force: true }); // it would name us, who do not hold the lock, as long as we live
        throw error;
      }
      rmSync(right);
    }
  }
  throw new SwaError('data-dir.in-use', `cannot take the lock ${path}: it changes hands too fast`, {
    retryable: true,
  });
}

/** Removes what those have left who were killed while they took this lock. */
function sweep(lock: string, owner: LockOwner): void {
  const dir = dirname(lock);
  const name = basename(lock);
  for (const file of readdirSync(dir)) {
    if (!file.startsWith(`${name}.`)) continue;
    const path = join(dir, file);
    const writer = tempWriter(file);
    if (writer !== undefined) {
      if (!isRunning(writer)) rmSync(path, { force: true });
    } else if (file.startsWith(`${name}.next-`) && typeof take(lock, path, owner) === 'string') {
      rmSync(path);
    }
  }
}
