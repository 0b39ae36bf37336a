/**
 * A mutex across threads, processes, process id namespaces and containers of one machine: a kernel lock, flock(2), on
 * an open file. It belongs to the open file, so it ends with the process that opened it, however that ends. It excludes
 * a second open in the same process, too, and closing another open of the file does not release it (as it would with
 * fcntl locks, which DuckDB and LMDB use on their files). A copied lock file is not locked.
 *
 * Node cannot call flock, but an open file can be passed to a child process: `flock -n 3` (util-linux, BusyBox) locks
 * its descriptor 3 and exits, and the lock stays with our side of the same open file. Perl does the same if there is no
 * such command. A lock costs one descriptor, and one start of that command whenever it is taken or checked: see
 * docs/decisions/0015-locks-are-the-kernels.md.
 *
 * The file's content names the holder for messages and has no other effect. Lock files are left in place. Removing one
 * (pins do, because each has its own name) is safe: a lock counts only while its path still leads to the locked file.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { SwaError, systemCode, type ErrorCode } from '../errors/errors.js';
import { validJson } from './valid-json.js';
import { writeFully } from './durable.js';
import { readIfThere } from './read-if-there.js';

const ownerSchema = z.object({ what: z.string(), pid: z.number(), host: z.string() });

/** The holder of a lock, as it described itself. */
export type LockOwner = z.infer<typeof ownerSchema>;

export type LockMode = 'exclusive' | 'shared';

/** A holder that has not written its name (yet, or because the disk is full). */
const unnamed: LockOwner = { what: 'another process', pid: 0, host: 'an unknown host' };

/**
 * Attempts to take a lock: a check of the lock holds it for a moment, and an owner writes its name a moment after
 * taking it.
 */
const attempts = { named: 3, unnamed: 10 };
const betweenAttemptsMs = 20;

export class OwnerLock {
  #fd: number | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Takes the lock, or throws an error with `code` that names its holder. */
  static acquire(path: string, what: string, code?: ErrorCode): OwnerLock {
    const taken = OwnerLock.tryAcquire(path, what);
    if (taken instanceof OwnerLock) return taken;
    throw lockHeld(path, what, taken, code);
  }

  /** Takes the lock, or returns its holder. */
  static tryAcquire(path: string, what: string): OwnerLock | LockOwner {
    mkdirSync(dirname(path), { recursive: true });
    for (let attempt = 1; ; attempt++) {
      const fd = lockFile(path, 'exclusive');
      if (fd !== undefined) {
        writeOwner(fd, { what, pid: process.pid, host: hostname() });
        return new OwnerLock(fd);
      }
      const holder = readOwner(path);
      if (attempt >= (holder === undefined ? attempts.unnamed : attempts.named)) return holder ?? unnamed;
      waitSync(betweenAttemptsMs);
    }
  }

  /** Releases the lock; may be called more than once. */
  release(): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    this.#fd = undefined;
    writeOwner(fd, undefined);
    closeSync(fd);
  }
}

/** Returns the holder of the lock; undefined if it is free. Takes as long as starting a small program. */
export function liveLockOwner(path: string): LockOwner | undefined {
  try {
    const fd = lockFile(path, 'shared');
    if (fd === undefined) return readOwner(path) ?? unnamed;
    closeSync(fd);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error; // it has never been taken
  }
  return undefined;
}

/** Makes the error for a lock that is held by another. */
export function lockHeld(
  path: string,
  what: string,
  holder: LockOwner,
  code: ErrorCode = 'data-dir.in-use',
): SwaError {
  const process = holder === unnamed ? '' : ` (pid ${holder.pid} on ${holder.host})`;
  return new SwaError(code, `cannot start ${what}: ${holder.what}${process} holds the lock ${path}`, {
    hint: 'stop that process first, or use another SWA_DATA_DIR; the lock is released when its process ends, so there is no file to delete',
    context: { holder },
  });
}

/** Locks the file and returns its descriptor; undefined if it is already locked. */
function lockFile(path: string, mode: LockMode): number | undefined {
  for (;;) {
    const fd = openSync(path, mode === 'exclusive' ? 'a+' : 'r', 0o600);
    try {
      if (!flock(fd, mode, path)) {
        closeSync(fd);
        return undefined;
      }
      const locked = fstatSync(fd);
      const there = statSync(path, { throwIfNoEntry: false });
      if (there?.ino === locked.ino && there.dev === locked.dev) return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd); // the file was removed between open and lock
  }
}

/** Returns false if another open of the file has the lock. */
function flock(fd: number, mode: LockMode, path: string): boolean {
  for (const [command, ...args] of lockCommands(mode)) {
    const { status, error, signal, stderr } = spawnSync(command, args, {
      stdio: ['ignore', 'ignore', 'pipe', fd],
      env: {}, // found on the system's default path
      timeout: 10_000,
    });
    if (status === 0 || status === 1) return status === 0;
    if (systemCode(error) === 'ENOENT') continue;
    const why = systemCode(error) ?? signal ?? stderr.toString().trim();
    throw new SwaError('data-dir.unusable', `cannot lock ${path}: ${command} failed (${why})`, {
      ...(error === undefined ? {} : { cause: error }),
      retryable: true,
    });
  }
  throw new SwaError('data-dir.unusable', `cannot lock ${path}: neither flock nor perl is installed`, {
    hint: 'install util-linux: locks need its `flock` command',
  });
}

/** Commands that lock their descriptor 3 and exit with 0, or with 1 if it is already locked. */
export function lockCommands(mode: LockMode): [string, ...string[]][] {
  const [option, flags] = mode === 'exclusive' ? ['-x', 6] : ['-s', 5];
  const script = `open(my $f, '+<&=', 3) or open($f, '<&=', 3) or die $!; exit 0 if flock($f, ${flags}); exit 1 if $!{EWOULDBLOCK}; die $!`;
  return [
    ['flock', '-n', option, '3'],
    ['perl', '-MErrno', '-e', script],
  ];
}

/** Writes the holder's name; errors such as a full disk are ignored, because it is only for messages. */
function writeOwner(fd: number, owner: LockOwner | undefined): void {
  try {
    ftruncateSync(fd, 0);
    if (owner !== undefined) writeFully(fd, Buffer.from(JSON.stringify(owner)), 0);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
}

function readOwner(path: string): LockOwner | undefined {
  const text = readIfThere(path);
  return text === undefined ? undefined : validJson(ownerSchema, text);
}

function waitSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
