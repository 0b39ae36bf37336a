/**
 * The files of a realtime store. LMDB is opened for writing also by those who only read: within one process LMDB may open
 * a file but once. Every further opening, be it by the query layer or by the commit thread, shares that one.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { SwaError } from '../../lib/errors.js';
import { decodeProgress, type Progress } from './store-meta.js';

export type Database = RootDatabase<Buffer, Buffer>;

/** Below the keys of all cells. */
export const progressKey = Buffer.of(0);

/** The room LMDB may map; address space, not memory or disk. */
const mapSizeBytes = 2 ** 36;
const maxReaders = 1_024;

/** One life of a store: where a store is made again it is another file. */
export interface StorePlace {
  readonly dir: string;
  readonly inode: number;
}

export function openDatabase(dir: string): Database {
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
  if (bytes === undefined) throw new SwaError('view.corrupt', 'a realtime store has no progress record');
  return decodeProgress(bytes);
}

/** Throws `view.corrupt` when the store is gone from its place, or a reader found it damaged. */
export function requireSound({ dir, inode }: StorePlace): void {
  if (inodeOf(dir) === inode && !existsSync(damagedMarker(dir))) return;
  throw new SwaError('view.corrupt', `the realtime store ${dir} was deleted, replaced or damaged`, {
    retryable: true,
  });
}

/** The file's inode, or 0 when there is no such file. */
export function inodeOf(dir: string): number {
  return statSync(dataFile(dir), { throwIfNoEntry: false })?.ino ?? 0;
}

export function dataFile(dir: string): string {
  return join(dir, 'data.mdb');
}

/** Put there by a reader that found the store damaged. */
export function damagedMarker(dir: string): string {
  return join(dir, 'DAMAGED');
}
