/** Adds changes to a store: the cells they touch, edges, and the progress they belong to, in one transaction. */
import { asBuffer } from '../../lib/memory/as-buffer.js';
import { SwaError, isFullDisk } from '../../lib/errors/errors.js';
import { requireRoom } from '../../lib/files/lmdb-room.js';
import type { Offset } from '../../log/log.js';
import { CellMerger } from './cell-merger.js';
import type { StoredEdges } from './edge-block.js';
import {
  damageOr,
  guarded,
  openDatabase,
  progressKey,
  readProgress,
  requireSound,
  type Database,
  type StorePlace,
} from './store-files.js';
import type { CellChanges } from './view-changes.js';

/** What an epoch may take of the disk. */
const roomBytes = 4 * 2 ** 20;

export class StoreWriter {
  readonly #place: StorePlace;
  readonly #merger: CellMerger;
  readonly #db: Database;

  constructor(place: StorePlace, lgK: number) {
    requireSound(place); // LMDB would make a new one
    this.#place = place;
    this.#merger = new CellMerger(lgK);
    this.#db = guarded(place, () => openDatabase(place.dir));
  }

  /**
   * All of it or nothing, and only on top of exactly the facts before `from`: whatever has become of the locks, no two
   * writers count the same facts. Throws `realtime.corrupt` when the store is gone from its place or damaged,
   * `data-dir.in-use` when it stands elsewhere, `speed.failed` when it cannot be written.
   */
  commit(from: Offset, changes: CellChanges, edges: readonly StoredEdges[], progress: Uint8Array): void {
    requireSound(this.#place);
    try {
      requireRoom(this.#place.dir, roomBytes);
      this.#db.transactionSync(() => {
        this.#requireAt(from);
        this.#addTo(changes);
        for (const { key, value } of edges) this.#db.putSync(asBuffer(key), asBuffer(value));
        this.#db.putSync(progressKey, Buffer.from(progress));
      });
    } catch (error) {
      const cause = damageOr(error, this.#place);
      if (cause instanceof SwaError) throw cause;
      const why = isFullDisk(error) ? ': its disk is full' : '';
      throw new SwaError('speed.failed', `cannot write the realtime store ${this.#place.dir}${why}`, {
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
    const { dir } = this.#place;
    throw new SwaError('data-dir.in-use', `another worker writes ${dir}: it is at ${next}, not at ${from}`, {
      hint: 'two processes of the speed layer work on one partition: stop one of them',
    });
  }

  #addTo({ keys, keyEnds, longUrls, siteCells, views }: CellChanges): void {
    const { coupons, ends } = couponsByCell(views, siteCells);
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
}

/**
 * The coupons of all pageviews, those of one cell together, and where those of each cell end. A pageview counts in the
 * cell of its page and in that of the page's domain.
 */
function couponsByCell(
  views: Uint32Array,
  siteCells: Int32Array,
): { coupons: Uint32Array; ends: Uint32Array } {
  const ends = new Uint32Array(siteCells.length);
  for (let i = 0; i < views.length; i += 2) {
    const cell = views[i] ?? 0;
    const siteCell = siteCells[cell] ?? 0;
    ends[cell] = (ends[cell] ?? 0) + 1;
    ends[siteCell] = (ends[siteCell] ?? 0) + 1;
  }
  let sum = 0;
  for (let cell = 0; cell < ends.length; cell++) {
    const count = ends[cell] ?? 0;
    ends[cell] = sum; // where they begin, until they are filled in
    sum += count;
  }
  const coupons = new Uint32Array(sum);
  for (let i = 0; i < views.length; i += 2) {
    const cell = views[i] ?? 0;
    const coupon = views[i + 1] ?? 0;
    const at = ends[cell] ?? 0;
    coupons[at] = coupon;
    ends[cell] = at + 1;
    const siteCell = siteCells[cell] ?? 0;
    const siteAt = ends[siteCell] ?? 0;
    coupons[siteAt] = coupon;
    ends[siteCell] = siteAt + 1;
  }
  return { coupons, ends };
}
