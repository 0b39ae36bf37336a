/**
 * Opens LMDB files so that opening cannot fail inside LMDB: after a failed open, lmdb-js 3 uses freed memory, which can
 * end the process (SIGSEGV). So whatever LMDB would need is prepared or checked first: the directory, the first pages
 * of a new file, the lock file, the rights and the descriptors. Full disks are checked before commits for a like
 * reason: a hole in the mapped lock file causes SIGBUS, and lmdb-js corrupts its own memory if the pages of a commit
 * cannot be written.
 */
import { accessSync, closeSync, constants, existsSync, openSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { open, type RootDatabase, type RootDatabaseOptions } from 'lmdb';
import { createFile, replaceFile } from './durable.js';
import { emptyLmdbFile, lmdbDamage } from './lmdb-file.js';

/** LMDB's code for a file that is not LMDB's, or damaged (MDB_INVALID). */
const invalidFile = -30_793;

/** Descriptors that LMDB opens at most. */
const descriptors = 4;

export interface LmdbOptions extends Omit<RootDatabaseOptions, 'path' | 'overlappingSync'> {
  /** Maximum number of concurrent read transactions of all processes. */
  readonly maxReaders: number;
}

/**
 * Opens `data.mdb` in the existing directory `dir`, or creates it: then the file, its first pages and its name are
 * durable. Throws the system's error (EACCES, EMFILE, ENOSPC...), or one with LMDB's code MDB_INVALID if one of the
 * files is none, or the meta pages are damaged. Does not check the other pages; see `lmdbDamage`.
 */
export function openLmdb<Value, Key extends Buffer | number>(
  dir: string,
  options: LmdbOptions,
): RootDatabase<Value, Key> {
  const file = join(dir, 'data.mdb');
  const lockFile = join(dir, 'lock.mdb');
  const bytes = statSync(file, { throwIfNoEntry: false })?.size;
  if (bytes === undefined) createFile(file, emptyLmdbFile());
  else if (bytes === 0) replaceFile(file, emptyLmdbFile());
  // LMDB itself would leave a hole.
  if (!existsSync(lockFile)) createFile(lockFile, new Uint8Array(lockFileBytes(options.maxReaders)));
  requireOpenable(file, lockFile);
  // With overlapping syncs, lmdb-js has acknowledged a commit whose last page could not be written.
  return open<Value, Key>({ ...options, path: dir, overlappingSync: false });
}

/** Opens a file that is never written, such as `index.mdb`; its lock file is beside it. Throws like `openLmdb`. */
export function openLmdbReadOnly(file: string, options: RootDatabaseOptions): RootDatabase {
  requireOpenable(file, `${file}-lock`, constants.R_OK);
  return open({ ...options, path: file, noSubdir: true, readOnly: true });
}

/** Call before a commit: throws ENOSPC if the disk has less space than the commit may need. */
export function requireRoom(dir: string, sizeBytes: number): void {
  const { bavail, bsize } = statfsSync(dir);
  if (bavail * bsize >= sizeBytes) return;
  const message = `ENOSPC: less than ${sizeBytes} bytes are free on the disk of '${dir}'`;
  throw Object.assign(new Error(message), { code: 'ENOSPC' });
}

/** Returns the size of LMDB's lock file for a number of readers. */
function lockFileBytes(readers: number): number {
  return 208 + 64 * readers;
}

/**
 * Throws what would keep LMDB from opening the files. Never opens the lock file: closing it would release the locks
 * that LMDB holds on it in this process (fcntl(2)), and another process would then reset it.
 */
function requireOpenable(file: string, lockFile: string, mode = constants.R_OK | constants.W_OK): void {
  for (const path of [file, lockFile]) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined && path === lockFile) continue; // LMDB creates it
    accessSync(path, mode);
    if (stat?.isFile() !== true)
      throw Object.assign(new Error(`'${path}' is not a file`), { code: invalidFile });
  }
  const fds: number[] = [];
  try {
    while (fds.length < descriptors) fds.push(openSync(dirname(file), 'r'));
  } finally {
    for (const fd of fds) closeSync(fd);
  }
  const damage = lmdbDamage(file, true);
  if (damage !== undefined)
    throw Object.assign(new Error(`MDB_INVALID: '${file}' is damaged: ${damage}`), { code: invalidFile });
}
