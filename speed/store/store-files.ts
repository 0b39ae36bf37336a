/**
 * Files of a realtime store. Readers, too, open LMDB for writing, because LMDB allows only one opening of a file per process: all openings, by
 * the query layer or by the commit thread, share it.
 */
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { SwaError, systemCode } from '../../lib/errors/errors.js';
import { openLmdb } from '../../lib/files/lmdb-open.js';
import { decodeProgress, type Progress } from './store-meta.js';

export type Database = RootDatabase<Buffer, Buffer>;

/** Sorts before the keys of all cells. */
export const progressKey = Buffer.of(0);

/** Maximum size of the memory map: address space, not memory or disk. */
const mapSizeBytes = 2 ** 36;
const maxReaders = 1_024;

/** Identifies a store: a rebuilt one is another file. */
export interface StoreLocation {
  readonly dir: string;
  readonly inode: number;
}

export function openDatabase(dir: string): Database {
  return openLmdb<Buffer, Buffer>(dir, {
    encoding: 'binary',
    keyEncoding: 'binary',
    noSync: true, // see StoreIdentity.bootId
    mapSize: mapSizeBytes,
    maxReaders,
  });
}

/** The progress as of a read transaction, or the latest. */
export function readProgress(db: Database, options?: Parameters<Database['get']>[1]): Progress {
  const bytes = db.get(progressKey, options);
  if (bytes === undefined) throw new SwaError('realtime.corrupt', 'a realtime store has no progress record');
  return decodeProgress(bytes);
}

/** Throws `realtime.corrupt` if the store was deleted or replaced, or is marked as damaged. */
export function requireIntact({ dir, inode }: StoreLocation): void {
  if (inodeOf(dir) === inode && !existsSync(damagedMarker(dir))) return;
  throw new SwaError('realtime.corrupt', `the realtime store ${dir} was deleted, replaced or damaged`, {
    retryable: true,
  });
}

/** LMDB's codes for damaged pages. Errors such as a full disk or too many readers are not damage. */
const damageCodes: ReadonlySet<unknown> = new Set([
  -30_797, // PAGE_NOTFOUND
  -30_796, // CORRUPTED
  -30_795, // PANIC
  -30_794, // VERSION_MISMATCH
  -30_793, // INVALID
  -30_787, // CURSOR_FULL
  -30_786, // PAGE_FULL
  -30_784, // INCOMPATIBLE
  -30_782, // BAD_TXN: the transaction met one of the others before
  -30_779, // PROBLEM
]);

/** True for LMDB's damage codes and for `realtime.corrupt`, which reports damaged content of pages. */
export function isDamage(error: unknown): boolean {
  if (error instanceof SwaError) return error.code === 'realtime.corrupt';
  return error instanceof Error && 'code' in error && damageCodes.has(error.code);
}

/**
 * Maps an error of using a store to the error to throw: damage becomes `realtime.corrupt`, and the store is marked for the process that may
 * rebuild it. (Damage that fails an assertion of LMDB, or makes it read beyond the file's end, ends the process; see `openingMarker`.)
 */
export function damageOr(error: unknown, { dir, inode }: StoreLocation): unknown {
  if (!isDamage(error)) return error;
  try {
    if (inodeOf(dir) === inode) writeFileSync(damagedMarker(dir), '');
  } catch (problem) {
    if (systemCode(problem) !== 'ENOENT') throw problem; // already gone: it is being rebuilt
  }
  return new SwaError('realtime.corrupt', `the realtime store ${dir} is damaged`, {
    cause: error,
    retryable: true,
  });
}

/** Runs an operation on a store. Throws `realtime.corrupt` if the store is damaged; see `damageOr`. */
export function guarded<T>(location: StoreLocation, use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw damageOr(error, location);
  }
}

/** The file's inode; 0 if it does not exist. */
export function inodeOf(dir: string): number {
  return statSync(dataFile(dir), { throwIfNoEntry: false })?.ino ?? 0;
}

export function dataFile(dir: string): string {
  return join(dir, 'data.mdb');
}

/** Exists while a process checks whether the store can be used. */
export function openingMarker(dir: string): string {
  return join(dir, 'OPENING');
}

/** Created by a process that found the store damaged. */
export function damagedMarker(dir: string): string {
  return join(dir, 'DAMAGED');
}
