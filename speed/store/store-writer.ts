/** Commits changes to a store: cells, edges, and the progress they belong to, in one transaction. */
import { asBuffer } from '../../lib/memory/as-buffer.js';
import { SwaError, isFullDisk, messageOf } from '../../lib/errors/errors.js';
import { requireRoom } from '../../lib/files/lmdb-open.js';
import type { Offset } from '../../log/log.js';
import { forEachCell } from '../arrays/cells.js';
import { CellMerger } from './cell-merger.js';
import { throwIfCancelled, type CancelFlag } from './commit-cancel.js';
import type { Commit } from './commit-thread.js';
import {
  damageOr,
  guarded,
  openDatabase,
  progressKey,
  readProgress,
  requireIntact,
  type Database,
  type StoreLocation,
} from './store-files.js';
import type { CellChanges } from './epoch-changes.js';

/** What a commit writes; where is known to the writer. */
export type EpochCommit = Omit<Commit, 'location' | 'lgK'>;

/** Minimum free disk space for a commit. */
const roomBytes = 4 * 2 ** 20;

export class StoreWriter {
  readonly #location: StoreLocation;
  readonly #merger: CellMerger;
  readonly #db: Database;

  constructor(location: StoreLocation, lgK: number) {
    requireIntact(location); // otherwise LMDB would create a new store
    this.#location = location;
    this.#merger = new CellMerger(lgK);
    this.#db = guarded(location, () => openDatabase(location.dir));
  }

  /**
   * Commits atomically, and only if the store's position is `from`: so two writers never count the same facts, whatever the state of the locks.
   * Throws `realtime.corrupt` if the store was deleted, replaced or damaged, `data-dir.in-use` if its position is another one, `speed.failed` if
   * it is cancelled or cannot be written.
   */
  commit({ from, cells, edges, progress, cancelled }: EpochCommit): void {
    requireIntact(this.#location);
    try {
      requireRoom(this.#location.dir, roomBytes);
      this.#db.transactionSync(() => {
        this.#requireAt(from);
        this.#addTo(cells, cancelled);
        for (const { key, value } of edges) this.#db.putSync(asBuffer(key), asBuffer(value));
        this.#db.putSync(progressKey, Buffer.from(progress));
      });
    } catch (error) {
      const cause = damageOr(error, this.#location);
      if (cause instanceof SwaError) throw cause;
      const why = isFullDisk(error) ? 'its disk is full' : messageOf(error);
      throw new SwaError('speed.failed', `cannot write the realtime store ${this.#location.dir}: ${why}`, {
        cause,
        retryable: true,
      });
    }
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  #requireAt(from: Offset): void {
    const { next } = readProgress(this.#db);
    if (next === from) return;
    const { dir } = this.#location;
    throw new SwaError(
      'data-dir.in-use',
      `another worker is writing ${dir}: its position is ${next}, expected ${from}`,
      {
        hint: 'two speed processes are writing the same partition: stop one of them',
      },
    );
  }

  #addTo({ keys, longUrls, ...cells }: CellChanges, cancelled: CancelFlag): void {
    forEachCell(cells, (cell, keyFrom, keyEnd, coupons) => {
      throwIfCancelled(cancelled);
      const key = Buffer.from(keys.buffer, keyFrom, keyEnd - keyFrom);
      const stored = this.#db.getBinaryFast(key);
      const url = longUrls.size === 0 ? '' : (longUrls.get(cell) ?? '');
      this.#db.putSync(key, this.#merger.merge(stored, coupons, url));
    });
  }
}
