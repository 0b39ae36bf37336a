/**
 * Reserves disk space for LMDB. On a full disk LMDB ends the process instead of failing: a hole in its mapped lock file
 * causes SIGBUS, and lmdb-js corrupts its own memory if the pages of a commit cannot be written. So space is checked
 * first.
 */
import { existsSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { createFile } from './durable.js';

/** Returns the size of LMDB's lock file for a number of readers. */
function lockFileBytes(readers: number): number {
  return 208 + 64 * readers;
}

/**
 * Call before opening a new store: creates its lock file with content, where LMDB would leave a hole. Throws ENOSPC.
 */
export function reserveLockFile(dir: string, readers: number): void {
  const path = join(dir, 'lock.mdb');
  if (!existsSync(path)) createFile(path, new Uint8Array(lockFileBytes(readers)));
}

/** Call before a commit: throws ENOSPC if the disk has less space than the commit may need. */
export function requireRoom(dir: string, sizeBytes: number): void {
  const { bavail, bsize } = statfsSync(dir);
  if (bavail * bsize >= sizeBytes) return;
  const message = `ENOSPC: less than ${sizeBytes} bytes are free on the disk of '${dir}'`;
  throw Object.assign(new Error(message), { code: 'ENOSPC' });
}
