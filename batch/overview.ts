/** What the batch layer shows of itself: the views on disk, the last runs, whether one runs now. */
import { liveLockOwner } from '../lib/files/owner-lock.js';
import { SwaError } from '../lib/errors.js';
import type { ViewId, ViewMeta } from '../lib/views/view.js';
import { readCurrent } from '../serving/current.js';
import { listViews } from '../serving/store.js';
import { batchLockPath, listRuns, type RunRecord } from '../lib/batch-runs.js';

export interface BatchOverview {
  readonly current: ViewId | undefined;
  /** Oldest first. */
  readonly views: readonly ViewMeta[];
  readonly runs: readonly RunRecord[];
  readonly running: { readonly pid: number } | undefined;
}

export function batchOverview(dataDir: string): BatchOverview {
  const owner = liveLockOwner(batchLockPath(dataDir));
  return {
    current: currentOrNone(dataDir),
    views: listViews(dataDir),
    runs: listRuns(dataDir),
    running: owner === undefined ? undefined : { pid: owner.pid },
  };
}

function currentOrNone(dataDir: string): ViewId | undefined {
  try {
    return readCurrent(dataDir);
  } catch (error) {
    if (error instanceof SwaError && error.code === 'view.missing') return undefined;
    throw error;
  }
}
