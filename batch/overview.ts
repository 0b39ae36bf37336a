/** State of the batch layer for commands: the views on disk, recent runs, and whether one is running. */
import { liveLockOwner } from '../lib/files/owner-lock.js';
import type { ViewId, ViewMeta } from '../facts/views/view.js';
import { messageOf } from '../lib/errors/errors.js';
import { readCurrent } from '../serving/current.js';
import { listViews, viewIds } from '../serving/store.js';
import { batchLockPath, listRuns, type RunRecord } from '../serving/batch-runs.js';

export interface BatchOverview {
  readonly current: ViewId | undefined;
  /** Why there is no current view. */
  readonly noCurrent: string | undefined;
  /** Oldest first. */
  readonly views: readonly ViewMeta[];
  /** On disk, but damaged or of a later version. */
  readonly unreadable: readonly ViewId[];
  readonly runs: readonly RunRecord[];
  readonly running: { readonly pid: number } | undefined;
}

export function batchOverview(dataDir: string): BatchOverview {
  const { current, noCurrent } = currentOrWhyNot(dataDir);
  const views = listViews(dataDir);
  const owner = liveLockOwner(batchLockPath(dataDir));
  return {
    current,
    noCurrent,
    views,
    unreadable: viewIds(dataDir).filter((id) => !views.some((view) => view.id === id)),
    runs: listRuns(dataDir),
    running: owner === undefined ? undefined : { pid: owner.pid },
  };
}

function currentOrWhyNot(dataDir: string): Pick<BatchOverview, 'current' | 'noCurrent'> {
  try {
    return { current: readCurrent(dataDir), noCurrent: undefined };
  } catch (error) {
    return { current: undefined, noCurrent: messageOf(error) };
  }
}
