/**
 * The durable half of one partition's realtime view: an LMDB environment with the cells and the progress they belong
 * to. `commit` changes both in one transaction, so a store always holds exactly the facts before its own position,
 * whenever its process was killed.
 *
 * Opened for writing also by those who only read: within one process LMDB may open a file but once, and the
 * speed and query layers can share a process.
 */
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { SwaError, systemCode } from '../../lib/errors.js';
import type { Offset } from '../../lib/log/log.js';
import { decodeCell } from './cell-codec.js';
import { parseCellKey } from './cell-key.js';
import { CellMerger } from './cell-merger.js';
import { removeStores } from './layout.js';
import { looksSound } from './lmdb-file.js';
import type { ViewChanges } from './view-changes.js';
import {
  decodeProgress,
  encodeProgress,
  progressAfter,
  readDescription,
  sameIdentity,
  startProgress,
  type Progress,
  type StoreDescription,
  type StoreIdentity,
} from './store-meta.js';

export type Database = RootDatabase<Buffer, Buffer>;

const progressKey = Buffer.of(0);

/** The room LMDB may map; address space, not memory or disk. */
const mapSizeBytes = 2 ** 36;
const maxReaders = 1_024;
const cellsPerTurn = 2_000;
const mostKeysSampled = 20_000;

/** How far a store is, and how far it must be before it may answer. */
export interface Standing {
  readonly next: Offset;
  readonly readyAt: Offset;
}

export class PartitionStore {
  readonly description: StoreDescription;
  readonly #dir: string;
  readonly #db: Database;
  readonly #inode: number;
  readonly #merger: CellMerger;
  #progress: Progress;

  private constructor(dir: string, description: StoreDescription, db: Database, progress: Progress) {
    this.#dir = dir;
    this.description = description;
    this.#db = db;
    this.#progress = progress;
    this.#inode = inodeOf(dir);
    this.#merger = new CellMerger(description.lgK);
  }

  /**
   * Opens the store if it is what is wanted and whole; makes a new one otherwise. Checks every cell of an existing one,
   * giving the event loop its turn in between.
   */
  static async open(
    dir: string,
    wanted: StoreIdentity,
    logEnd: StoreDescription['readyAt'],
  ): Promise<PartitionStore> {
    const existing = readDescription(dir);
    if (existing !== undefined && sameIdentity(existing, wanted)) {
      const store = await openWhole(dir, existing);
      if (store !== undefined) return new PartitionStore(dir, existing, store.db, store.progress);
    }
    return PartitionStore.#create(dir, { ...wanted, readyAt: logEnd });
  }

  static #create(dir: string, description: StoreDescription): PartitionStore {
    removeStores(dir);
    mkdirSync(dir, { recursive: true });
    const db = openDatabase(dir);
    const progress = startProgress(description.from);
    db.transactionSync(() => db.putSync(progressKey, encodeProgress(progress)));
    writeFileSync(join(dir, 'STORE'), JSON.stringify(description));
    return new PartitionStore(dir, description, db, progress);
  }

  get progress(): Progress {
    return this.#progress;
  }

  get standing(): Standing {
    return { next: this.#progress.next, readyAt: this.description.readyAt };
  }

  /** Valid until the next call. */
  get(key: Uint8Array): Uint8Array | undefined {
    try {
      return this.#db.getBinaryFast(asBuffer(key));
    } catch (cause) {
      throw new SwaError('view.corrupt', `cannot read the realtime store ${this.#dir}`, {
        cause,
        retryable: true,
      });
    }
  }

  /** At most `most` pages that the keys name, evenly from the first keys, each with its hours. */
  samplePages(most: number): Map<string, number[]> {
    const pages = new Map<string, number[]>();
    const step = Math.max(1, Math.floor(Math.min(this.#db.getKeysCount(), mostKeysSampled) / most));
    let seen = 0;
    let taken = '';
    for (const key of this.#db.getKeys({ start: Buffer.of(1), limit: mostKeysSampled })) {
      const cell = parseCellKey(key);
      if (cell?.url === undefined) continue;
      if (cell.url !== taken && (seen++ % step !== 0 || pages.size >= most)) continue;
      taken = cell.url;
      pages.set(taken, [...(pages.get(taken) ?? []), cell.hour]);
    }
    return pages;
  }

  /** All of it or nothing. Throws `view.corrupt` when the store is gone from its place, or damaged. */
  commit(changes: ViewChanges): void {
    this.requireSound();
    const progress = progressAfter(this.#progress, changes);
    try {
      this.#db.transactionSync(() => {
        this.#addTo(changes);
        this.#db.putSync(progressKey, encodeProgress(progress));
      });
    } catch (cause) {
      if (cause instanceof SwaError) throw cause;
      throw new SwaError('speed.failed', `cannot write the realtime store ${this.#dir}`, {
        cause,
        retryable: true,
      });
    }
    this.#progress = progress;
  }

  #addTo({ keys, keyEnds, longUrls, views }: ViewChanges): void {
    const { coupons, ends } = couponsByCell(views, keyEnds.length);
    let keyFrom = 0;
    let from = 0;
    for (let cell = 0; cell < keyEnds.length; cell++) {
      const keyEnd = keyEnds[cell] ?? 0;
      const end = ends[cell] ?? 0;
      const key = Buffer.from(keys.buffer, keyFrom, keyEnd - keyFrom);
      const stored = this.#db.getBinaryFast(key);
      const url = longUrls.size === 0 ? '' : (longUrls.get(cell) ?? '');
      this.#db.putSync(key, this.#merger.merge(stored, coupons.subarray(from, end), url));
      keyFrom = keyEnd;
      from = end;
    }
  }

  /** Throws `view.corrupt` when the store is gone from its place, or a reader found it damaged. */
  requireSound(): void {
    if (inodeOf(this.#dir) !== this.#inode || existsSync(damagedMarker(this.#dir))) throw gone(this.#dir);
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  /** Closes and deletes: this generation is over, or the store is damaged. */
  async destroy(): Promise<void> {
    removeStores(this.#dir);
    await this.#db.close();
  }
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

/** How far another worker's store is; undefined when there is none to be read. */
export function readStanding(dir: string): Standing | undefined {
  const description = readDescription(dir);
  if (description === undefined || !looksSound(dataFile(dir))) return undefined;
  const db = openDatabase(dir);
  try {
    return { next: readProgress(db).next, readyAt: description.readyAt };
  } finally {
    void db.close();
  }
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

async function openWhole(
  dir: string,
  description: StoreDescription,
): Promise<{ db: Database; progress: Progress } | undefined> {
  const marker = join(dir, 'OPENING');
  if (existsSync(marker) || existsSync(damagedMarker(dir)) || !looksSound(dataFile(dir))) return undefined;
  writeFileSync(marker, '');
  let db: Database | undefined;
  try {
    db = openDatabase(dir);
    const progress = readProgress(db);
    if (progress.next < description.from) throw new SwaError('view.corrupt', 'a realtime store goes back');
    await checkCells(db);
    rmSync(marker, { force: true });
    return { db, progress };
  } catch (error) {
    if (systemCode(error) === 'EMFILE') throw error; // says nothing about the store
    await db?.close();
    return undefined; // whatever is wrong with it, it is made again from the log
  }
}

async function checkCells(db: Database): Promise<void> {
  let seen = 0;
  for (const { key, value } of db.getRange({ start: Buffer.of(1) })) {
    if (parseCellKey(Buffer.from(key)) === undefined) throw new SwaError('view.corrupt', 'an unknown record');
    decodeCell(value);
    if (++seen % cellsPerTurn === 0) await new Promise(setImmediate);
  }
}

/** The coupons of all pageviews, those of one cell together, and where those of each cell end. */
function couponsByCell(views: Uint32Array, cells: number): { coupons: Uint32Array; ends: Uint32Array } {
  const ends = new Uint32Array(cells);
  for (let i = 0; i < views.length; i += 2) {
    const cell = views[i] ?? 0;
    ends[cell] = (ends[cell] ?? 0) + 1;
  }
  let sum = 0;
  for (let cell = 0; cell < cells; cell++) {
    const count = ends[cell] ?? 0;
    ends[cell] = sum; // where they begin, until they are filled in
    sum += count;
  }
  const coupons = new Uint32Array(sum);
  for (let i = 0; i < views.length; i += 2) {
    const cell = views[i] ?? 0;
    const at = ends[cell] ?? 0;
    coupons[at] = views[i + 1] ?? 0;
    ends[cell] = at + 1;
  }
  return { coupons, ends };
}

function gone(dir: string): SwaError {
  return new SwaError('view.corrupt', `the realtime store ${dir} was deleted, replaced or damaged`, {
    retryable: true,
  });
}

function asBuffer(key: Uint8Array): Buffer {
  return Buffer.isBuffer(key) ? key : Buffer.from(key.buffer, key.byteOffset, key.byteLength);
}
