/** Where batch runs are asked for (the system's own job queue), what became of them, and what was published. */
import { countsOf, listRuns } from '../lib/batch-runs.js';
import type { Clock } from '../lib/clock.js';
import { openJobQueue } from '../lib/queue/job-queue.js';
import { currentIfAny } from '../serving/current.js';
import { listViews } from '../serving/store.js';
import type { BatchDesk, BatchRun, PendingBatch, PublishedView } from './http/routes.js';

export interface OpenBatchDesk extends BatchDesk {
  close(): Promise<void>;
}

/** How long a look at the runs serves: it reads a hundred files, and while one runs it asks about the lock. */
const lookEveryMs = 1_000;

export function openBatchDesk(dataDir: string, clock: Clock): OpenBatchDesk {
  const jobs = openJobQueue(dataDir, 'batch-run', clock);
  let looked: { readonly runs: readonly BatchRun[]; readonly at: number } | undefined;
  return {
    request: (by) => jobs.add({ requestedBy: by, requestedAt: clock() }),
    pending: () =>
      jobs.list().map(({ id, job, attempt }): PendingBatch => ({
        id,
        requestedBy: job.requestedBy,
        requestedAt: new Date(job.requestedAt).toISOString(),
        running: attempt > 0,
      })),
    views: () => publishedViews(dataDir),
    runs: () => {
      if (looked === undefined || performance.now() - looked.at >= lookEveryMs)
        looked = { runs: lastRuns(dataDir), at: performance.now() };
      return looked.runs;
    },
    close: () => jobs.close(),
  };
}

const runsShown = 20;

function lastRuns(dataDir: string): readonly BatchRun[] {
  return listRuns(dataDir)
    .slice(-runsShown)
    .toReversed()
    .map((run) => ({
      id: run.id,
      trigger: run.trigger,
      startedAt: new Date(run.startedAt).toISOString(),
      endedAt: run.endedAt === null ? null : new Date(run.endedAt).toISOString(),
      outcome: run.outcome,
      view: run.viewId,
      error: run.error,
      counts: countsOf(run),
    }));
}

function publishedViews(dataDir: string): readonly PublishedView[] {
  const current = currentIfAny(dataDir);
  return listViews(dataDir)
    .toReversed()
    .map((meta) => ({
      id: meta.id,
      number: meta.number,
      createdAt: new Date(meta.createdAt).toISOString(),
      current: meta.id === current,
      pageviews: meta.counts.pageviews,
      persons: meta.counts.persons,
    }));
}
