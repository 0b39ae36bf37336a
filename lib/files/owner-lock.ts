/**
 * "Only one at a time", across processes: a lock file that names its owner by pid and process start time, so that a
 * killed owner leaves nothing behind: a lock whose owner is dead is taken over.
 *
 * Take-over is safe against two contenders: the stale file is renamed to a name made of its own content (only one
 * rename of it can succeed), then creation by link(2) decides.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { SwaError, systemCode, type ErrorCode } from '../errors.js';
import { createFile } from './durable.js';
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
  static acquire(path: string, what: string, code: ErrorCode = 'data-dir.in-use'): OwnerLock {
    mkdirSync(dirname(path), { recursive: true });
    const owner: LockOwner = {
      token: randomUUID(),
      pid: process.pid,
      startTicks: startTicks(process.pid) ?? '',
      host: hostname(),
      what,
    };
    for (let attempt = 0; attempt < 8; attempt++) {
      if (createFile(path, JSON.stringify(owner))) return new OwnerLock(path, owner.token);
      const holder = readLockOwner(path);
      if (holder === undefined) continue; // released between the two steps
      if (isAlive(holder)) throw heldError(path, what, holder, code);
      removeStale(path, holder);
    }
    throw new SwaError(code, `cannot take the lock ${path}: it changes hands too fast`, { retryable: true });
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

/** Another host's owner counts as alive: we cannot see it. */
function isAlive(owner: LockOwner): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (systemCode(error) === 'ESRCH') return false;
  }
  const ticks = startTicks(owner.pid);
  return ticks === undefined || owner.startTicks === '' || ticks === owner.startTicks;
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

function removeStale(path: string, holder: LockOwner): void {
  const aside = `${path}.stale-${holder.token}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
  // A contender may have put its fresh lock there between our read and the rename: give it back.
  const moved = readLockOwner(aside);
  if (moved !== undefined && moved.token !== holder.token) createFile(path, JSON.stringify(moved));
  rmSync(aside, { force: true });
}

function heldError(path: string, what: string, holder: LockOwner, code: ErrorCode): SwaError {
  return new SwaError(
    code,
    `cannot start ${what}: ${holder.what} (pid ${holder.pid} on ${holder.host}) holds ${path}`,
    {
      hint: 'stop that process first, or use another SWA_DATA_DIR',
      context: { holder },
    },
  );
}
