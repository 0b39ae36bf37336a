/**
 * What one data directory holds of erased ids besides facts, removed: realtime stores and batch views from before, the star, dead letters,
 * rejected lines. On each host where several share facts; one process of a data directory at a time.
 */
import { statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { matchesErasure } from '../facts/erased-record.js';
import { erasureFilterOf, type ErasedFile, type ErasureOrder } from '../facts/erasure-records.js';
import { compareViewIds } from '../facts/views/view-id.js';
import type { ViewId } from '../facts/views/view.js';
import { hasCode } from '../lib/errors/errors.js';
import { roomOf } from '../lib/files/data-dir.js';
import { OwnerLock, liveLockOwner } from '../lib/files/owner-lock.js';
import { readIfThere } from '../lib/files/read-if-there.js';
import { removeScratch } from '../lib/files/removal.js';
import { namesIn } from '../log/stored.js';
import { removeStar } from '../master-data/star/head.js';
import { batchLockPath } from '../serving/batch-runs.js';
import { isViewId, viewPath } from '../serving/layout.js';
import { removeViews, viewsWithout } from '../serving/store.js';

export interface EraseHere {
  readonly dataDir: string;
  readonly order: ErasureOrder;
  /** The view that serves here; it is without the ids. */
  readonly current: ViewId;
  readonly onStep?: ((step: 'views' | 'star' | 'set aside') => void) | undefined;
  /** Called for files before they are removed. */
  readonly note: (what: string, files: readonly ErasedFile[]) => void;
}

/** Does the work while no other process does it here; false if one does. */
export async function whileErasing(dataDir: string, work: () => Promise<boolean>): Promise<boolean> {
  const lock = OwnerLock.tryAcquire(join(roomOf(dataDir, 'locks'), 'erasing.lock'), 'erasing');
  if (!(lock instanceof OwnerLock)) return false;
  try {
    return await work();
  } finally {
    lock.release();
  }
}

/**
 * Realtime stores of earlier generations contain edges as texts. A worker removes them after a hand-over; if none is running, this function
 * does. False while a worker runs and they still exist.
 */
export function removeOldStores(dataDir: string, current: ViewId): boolean {
  const old = namesIn(roomOf(dataDir, 'speed')).filter(
    (name) => isViewId(name) && compareViewIds(name, current) < 0,
  );
  if (old.length === 0) return true;
  const locks = namesIn(roomOf(dataDir, 'locks')).filter((name) => name.startsWith('speed-'));
  if (locks.some((name) => liveLockOwner(join(roomOf(dataDir, 'locks'), name)) !== undefined)) return false;
  for (const name of old) removeScratch(join(roomOf(dataDir, 'speed'), name));
  return true;
}

/** False while something is in use by another process. */
export function eraseHere({ dataDir, order, current, onStep, note }: EraseHere): boolean {
  const hasIds = order.values.length > 0;
  const gone = (paths: readonly string[]): ErasedFile[] =>
    paths.map((path) => ({ path: relative(dataDir, path), records: 0 }));
  onStep?.('views');
  const views = hasIds ? viewsWithout(dataDir, order.values) : [];
  note(`batch views before ${current}: removed`, gone(views.map((id) => viewPath(dataDir, id))));
  if (removeViews(dataDir, views).length > 0) return false;
  onStep?.('star');
  note('star: removed, the next batch run makes it again', gone([roomOf(dataDir, 'star')]));
  if (!removeOldStar(dataDir)) return false;
  onStep?.('set aside');
  const letters = lettersOf(dataDir, order);
  note('dead letters of these ids: removed', gone(letters));
  const rejects = namesIn(roomOf(dataDir, 'rejected'))
    .map((name) => join(roomOf(dataDir, 'rejected'), name))
    .filter((path) => hasIds || isOlder(path, order.olderThan));
  note('rejected lines of imports: removed, since an id in them cannot be told', gone(rejects));
  for (const path of [...letters, ...rejects]) removeScratch(path);
  return true;
}

/** False while a batch run is using the star. */
function removeOldStar(dataDir: string): boolean {
  let lock: OwnerLock;
  try {
    lock = OwnerLock.acquire(batchLockPath(dataDir), 'erasing', 'batch.running');
  } catch (error) {
    if (!hasCode(error, 'batch.running')) throw error;
    return false;
  }
  try {
    removeStar(roomOf(dataDir, 'star'));
    return true;
  } finally {
    lock.release();
  }
}

/** Dead letters that contain an erased id or cannot be read. Their records are in the log and in the master dataset too. */
function lettersOf(dataDir: string, order: ErasureOrder): string[] {
  const isErased = matchesErasure(erasureFilterOf(dataDir, order));
  const dir = roomOf(dataDir, 'dead-letter');
  return namesIn(dir)
    .map((name) => join(dir, name))
    .filter((path) => {
      const value = valueIn(readIfThere(path) ?? '');
      return value === undefined || isErased(value, 'pageviews') || isErased(value, 'equivs');
    });
}

function isOlder(path: string, olderThan: number | null): boolean {
  const at = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return at !== undefined && olderThan !== null && at < olderThan;
}

function valueIn(letter: string): Uint8Array | undefined {
  try {
    const { value } = JSON.parse(letter) as { readonly value?: unknown };
    return typeof value === 'string' ? Buffer.from(value) : undefined;
  } catch {
    return undefined;
  }
}
