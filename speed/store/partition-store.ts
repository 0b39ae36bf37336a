/**
 * The durable part of one partition's realtime view: an LMDB environment with the cells and the progress they belong to. A commit changes both
 * in one transaction, so a store always contains exactly the facts before its own position, whenever its process is killed. Commits go through
 * the commit thread; everything else is done here.
 */
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asBuffer } from '../../lib/memory/as-buffer.js';
import { SwaError, systemCode } from '../../lib/errors/errors.js';
import { removeScratch } from '../../lib/files/removal.js';
import type { Offset } from '../../log/log.js';
import { decodeCell } from './cell-codec.js';
import { parseCellKey } from './cell-key.js';
import type { CancelFlag } from './commit-cancel.js';
import type { CommitThread } from './commit-thread.js';
import { decodeEdges, encodeEdges, isEdgeKey } from './edge-block.js';
import { removeStores } from './layout.js';
import { lmdbDamage, lmdbFirstValue } from '../../lib/files/lmdb-file.js';
import {
  damagedMarker,
  damageOr,
  dataFile,
  guarded,
  inodeOf,
  isDamage,
  openDatabase,
  openingMarker,
  progressKey,
  readProgress,
  requireIntact,
  type Database,
  type StoreLocation,
} from './store-files.js';
import type { EpochChanges } from './epoch-changes.js';
import {
  decodeProgress,
  encodeDescription,
  encodeProgress,
  progressAfter,
  readDescription,
  sameIdentity,
  startProgress,
  type Progress,
  type StoreDescription,
  type StoreIdentity,
} from './store-meta.js';

/** Number of cells and edges that are checked before yielding to the event loop. */
const checkedPerTurn = 2_000;
const maxKeysSampled = 20_000;

/** A store's position, and the position from which it may answer. */
export interface StoreState {
  readonly next: Offset;
  readonly readyAt: Offset;
}

export class PartitionStore {
  readonly description: StoreDescription;
  readonly #location: StoreLocation;
  readonly #db: Database;
  readonly #thread: CommitThread;
  #progress: Progress;

  private constructor(
    dir: string,
    description: StoreDescription,
    { db, progress }: Opened,
    thread: CommitThread,
  ) {
    this.#location = { dir, inode: inodeOf(dir) };
    this.description = description;
    this.#db = db;
    this.#progress = progress;
    this.#thread = thread;
  }

  /**
   * Opens the store if it has the wanted identity and is intact, otherwise creates a new one. Checks the whole content of an existing store,
   * yielding to the event loop in between.
   */
  static async open(
    dir: string,
    wanted: StoreIdentity,
    logEnd: StoreDescription['readyAt'],
    thread: CommitThread,
  ): Promise<PartitionStore> {
    const existing = readDescription(dir);
    if (existing !== undefined && sameIdentity(existing, wanted)) {
      const store = await openWhole(dir, existing);
      if (store !== undefined) return new PartitionStore(dir, existing, store, thread);
    }
    return PartitionStore.#create(dir, { ...wanted, readyAt: logEnd }, thread);
  }

  static #create(dir: string, description: StoreDescription, thread: CommitThread): PartitionStore {
    removeStores(dir);
    mkdirSync(dir, { recursive: true });
    const db = openDatabase(dir);
    const progress = startProgress(description.from);
    db.transactionSync(() => db.putSync(progressKey, encodeProgress(progress)));
    writeFileSync(join(dir, 'STORE'), encodeDescription(description));
    return new PartitionStore(dir, description, { db, progress }, thread);
  }

  get progress(): Progress {
    return this.#progress;
  }

  get state(): StoreState {
    return { next: this.#progress.next, readyAt: this.description.readyAt };
  }

  /** The value is valid until the next call. */
  get(key: Uint8Array): Uint8Array | undefined {
    return guarded(this.#location, () => this.#db.getBinaryFast(asBuffer(key)));
  }

  /** At most `most` pages with their buckets, evenly from the first keys; only pages whose URL is in the key. */
  samplePages(most: number): Map<string, number[]> {
    return guarded(this.#location, () => this.#samplePages(most));
  }

  #samplePages(most: number): Map<string, number[]> {
    const pages = new Map<string, number[]>();
    const step = Math.max(1, Math.floor(Math.min(this.#db.getKeysCount(), maxKeysSampled) / most));
    let seen = 0;
    let taken = '';
    for (const key of this.#db.getKeys({ start: Buffer.of(1), limit: maxKeysSampled })) {
      const cell = parseCellKey(key);
      if (cell?.kind !== 'page' || cell.url === undefined) continue;
      if (cell.url !== taken && (seen++ % step !== 0 || pages.size >= most)) continue;
      taken = cell.url;
      pages.set(taken, [...(pages.get(taken) ?? []), cell.bucket]);
    }
    return pages;
  }

  /** Commits atomically on the commit thread. Rejects like `CommitThread.commit`. */
  async commit({ next, cells, edges, tally }: EpochChanges, cancelled: CancelFlag): Promise<void> {
    const kept = edges.slice(0, Math.max(0, this.description.maxEdges - this.#progress.keptEdges));
    const progress = progressAfter(this.#progress, next, tally, kept.length);
    try {
      await this.#thread.commit({
        location: this.#location,
        lgK: this.description.lgK,
        from: this.#progress.next,
        cells,
        edges: encodeEdges(kept),
        progress: encodeProgress(progress),
        cancelled,
      });
      this.#progress = progress;
    } catch (error) {
      this.#db.resetReadTxn();
      // A thread that died may have committed first.
      this.#progress = guarded(this.#location, () => readProgress(this.#db));
      throw error;
    }
  }

  /** Throws `realtime.corrupt` if the store was deleted or replaced, or is marked as damaged. */
  requireIntact(): void {
    requireIntact(this.#location);
  }

  async close(): Promise<void> {
    await this.#thread.release(this.#location.dir);
    await this.#db.close();
  }
}

/**
 * State of another worker's store; undefined if there is none, or it cannot be read or is damaged. Does not open it with LMDB: its owner may be
 * about to replace it, and LMDB then fails or crashes the process.
 */
export function readStoreState(dir: string): StoreState | undefined {
  const description = readDescription(dir);
  if (description === undefined) return undefined;
  const inode = inodeOf(dir);
  const progress = lmdbFirstValue(dataFile(dir), progressKey);
  if (progress === undefined) return undefined;
  try {
    return { next: decodeProgress(progress).next, readyAt: description.readyAt };
  } catch (error) {
    damageOr(error, { dir, inode }); // marks the store as damaged for its owner
    return undefined;
  }
}

interface Opened {
  readonly db: Database;
  readonly progress: Progress;
}

async function openWhole(dir: string, description: StoreDescription): Promise<Opened | undefined> {
  const marker = openingMarker(dir);
  if (existsSync(marker) || existsSync(damagedMarker(dir)) || !existsSync(dataFile(dir))) return undefined;
  writeFileSync(marker, '');
  if (statSync(dataFile(dir)).size === 0 || lmdbDamage(dataFile(dir)) !== undefined) return undefined;
  let db: Database | undefined;
  try {
    db = openDatabase(dir);
    await checkRecords(db);
    checkWriting(db);
    db.resetReadTxn();
    const progress = readProgress(db);
    if (progress.next < description.from)
      throw new SwaError('realtime.corrupt', "the store's position is before its generation's cut");
    removeScratch(marker);
    return { db, progress };
  } catch (error) {
    if (systemCode(error) === 'EMFILE') throw error; // says nothing about the store
    await db?.close();
    return undefined; // whatever the damage, the store is rebuilt from the log
  }
}

/** Writes need pages that reads never touch. Rewrites the current value, because another process may still be using this store. */
function checkWriting(db: Database): void {
  try {
    db.transactionSync(() => db.putSync(progressKey, encodeProgress(readProgress(db))));
  } catch (error) {
    if (isDamage(error)) throw error; // other errors, such as a full disk, are not damage
  }
}

async function checkRecords(db: Database): Promise<void> {
  let checked = 0;
  for (const { key, value } of db.getRange({ start: Buffer.of(1) })) {
    checked += checkRecord(key, value);
    if (checked < checkedPerTurn) continue;
    checked = 0;
    await new Promise(setImmediate);
  }
}

/** Returns the number of cells or edges in the record. Throws `realtime.corrupt` if it is damaged. */
export function checkRecord(key: Uint8Array, value: Uint8Array): number {
  if (isEdgeKey(key)) return decodeEdges(value).length;
  if (parseCellKey(key) === undefined) throw new SwaError('realtime.corrupt', 'an unknown record');
  decodeCell(value);
  return 1;
}
