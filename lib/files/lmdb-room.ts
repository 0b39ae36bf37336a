/**
 * LMDB on a disk that is full ends the process instead of failing: a hole in its lock file, which it maps and writes to, is
 * SIGBUS, and lmdb-js damages its own memory when the pages of a commit cannot be written. So room is asked for first.
 */
import { existsSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { createFile } from './durable.js';

/** The size of LMDB's lock file for so many readers. */
function lockFileBytes(readers: number): number {
  return 208 + 64 * readers;
}

/** Before a store is opened that is new: makes its lock file, which LMDB would make without content. Throws ENOSPC. */
export function reserveLockFile(dir: string, readers: number): void {
  const path = join(dir, 'lock.mdb');
  if (!existsSync(path)) createFile(path, new Uint8Array(lockFileBytes(readers)));
}

/** Before a commit: throws ENOSPC when the disk has less room than a commit may need. */
export function requireRoom(dir: string, sizeBytes: number): void {
  const { bavail, bsize } = statfsSync(dir);
  if (bavail * bsize >= sizeBytes) return;
  const message = `ENOSPC: less than ${sizeBytes} bytes are free on the disk of '${dir}'`;
  throw Object.assign(new Error(message), { code: 'ENOSPC' });
}
