/**
 * The files of a realtime store. LMDB is opened for writing also by those who only read: within one process LMDB may open
 * a file but once. Every further opening, be it by the query layer or by the commit thread, shares that one.
 */
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { SwaError, systemCode } from '../../lib/errors/errors.js';
import { reserveLockFile } from '../../lib/files/lmdb-room.js';
import { decodeProgress, type Progress } from './store-meta.js';

export type Database = RootDatabase<Buffer, Buffer>;

/** Below the keys of all cells. */
export const progressKey = Buffer.of(0);

/** The room LMDB may map; address space, not memory or disk. */
const mapSizeBytes = 2 ** 36;
const maxReaders = 1_024;

/** One life of a store: where a store is rebuilt it is another file. */
export interface StorePlace {
  readonly dir: string;
  readonly inode: number;
}

export function openDatabase(dir: string): Database {
  reserveLockFile(dir, maxReaders);
  return open<Buffer, Buffer>({
    path: dir,
    encoding: 'binary',
    keyEncoding: 'binary',
    overlappingSync: false,
    noSync: true, // see StoreIdentity.bootId
    mapSize: mapSizeBytes,
    maxReaders,
  });
}

/** The progress as of a read transaction, or the newest. */
export function readProgress(db: Database, options?: Parameters<Database['get']>[1]): Progress {
  const bytes = db.get(progressKey, options);
  if (bytes === undefined) throw new SwaError('realtime.corrupt', 'a realtime store has no progress record');
  return decodeProgress(bytes);
}

/** Throws `realtime.corrupt` when the store is gone from its place, or someone found it damaged. */
export function requireSound({ dir, inode }: StorePlace): void {
  if (inodeOf(dir) === inode && !existsSync(damagedMarker(dir))) return;
  throw new SwaError('realtime.corrupt', `the realtime store ${dir} was deleted, replaced or damaged`, {
    retryable: true,
  });
}

/** What LMDB says of pages that are not what they should be. A full disk, or too many readers, say nothing about them. */
const damageCodes: ReadonlySet<unknown> = new Set([
  -30_797, // PAGE_NOTFOUND
  -30_796, // CORRUPTED
  -30_795, // PANIC
  -30_794, // VERSION_MISMATCH
  -30_793, // INVALID
  -30_787, // CURSOR_FULL
  -30_786, // PAGE_FULL
  -30_784, // INCOMPATIBLE
  -30_782, // BAD_TXN: it met one of the others before
  -30_779, // PROBLEM
]);

/** True for what LMDB throws and for `realtime.corrupt`, which says the same of what lies in the pages. */
export function isDamage(error: unknown): boolean {
  if (error instanceof SwaError) return error.code === 'realtime.corrupt';
  return error instanceof Error && 'code' in error && damageCodes.has(error.code);
}

/**
 * What to throw instead of an error that using a store has met: when it means that the store is damaged, `realtime.corrupt`,
 * and a marker is left for the process that may rebuild it. (Damage that LMDB asserts against, or that it reads beyond the file's end for,
 * ends the process; see `openingMarker`.)
 */
export function damageOr(error: unknown, { dir, inode }: StorePlace): unknown {
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

/** Runs what uses a store. Throws `realtime.corrupt` when it is damaged; see `damageOr`. */
export function guarded<T>(place: StorePlace, use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw damageOr(error, place);
  }
}

/** The file's inode, or 0 when there is no such file. */
export function inodeOf(dir: string): number {
  return statSync(dataFile(dir), { throwIfNoEntry: false })?.ino ?? 0;
}

export function dataFile(dir: string): string {
  return join(dir, 'data.mdb');
}

/** There while someone checks whether the store can be used. */
export function openingMarker(dir: string): string {
  return join(dir, 'OPENING');
}

/** Put there by the process that found the store damaged. */
export function damagedMarker(dir: string): string {
  return join(dir, 'DAMAGED');
}
