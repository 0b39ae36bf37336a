/** The query layer's access to batch runs: requests (the system's own job queue), records of past runs, and published views. */
import { countsOf, listRuns } from '../serving/batch-runs.js';
import type { Clock } from '../lib/time/clock.js';
import { SwaError } from '../lib/errors/errors.js';
import { unusable } from '../lib/files/data-dir.js';
import { openJobQueue, type JobQueue } from '../log/queue/job-queue.js';
import { currentIfAny } from '../serving/current.js';
import { listViews } from '../serving/store.js';
import type { BatchControl } from './http/routes.js';
import type { BatchRun, PendingBatch, PublishedView } from './bodies.js';

export interface OpenBatchControl extends BatchControl {
  close(): Promise<void>;
}

/** How long the list of runs is cached: making it reads a hundred files, and checks the lock while a run is in progress. */
const cacheMs = 1_000;

export function openBatchControl(dataDir: string, clock: Clock): OpenBatchControl {
  let jobs: JobQueue<'batch-run'> | undefined;
  let cached: { readonly runs: readonly BatchRun[]; readonly at: number } | undefined;
  const queue = (): JobQueue<'batch-run'> => (jobs ??= openRuns(dataDir, clock));
  openIfPossible(queue);
  return {
    request: (by) => queue().add({ requestedBy: by, requestedAt: clock() }),
    pending: () =>
      (openIfPossible(queue)?.list() ?? []).map(({ id, job, attempt }): PendingBatch => ({
        id,
        requestedBy: job.requestedBy,
        requestedAt: new Date(job.requestedAt).toISOString(),
        running: attempt > 0,
      })),
    views: () => publishedViews(dataDir),
    runs: () => {
      if (cached === undefined || performance.now() - cached.at >= cacheMs)
        cached = { runs: lastRuns(dataDir), at: performance.now() };
      return cached.runs;
    },
    close: async () => {
      await jobs?.close();
    },
  };
}

/** Opens the queue if possible; answers do not need it. */
function openIfPossible<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch {
    return undefined; // requesting a run reports the error
  }
}

/** Throws `queue.damaged`, or `data-dir.unusable` if its files cannot be created or opened. */
function openRuns(dataDir: string, clock: Clock): JobQueue<'batch-run'> {
  try {
    return openJobQueue(dataDir, 'batch-run', clock);
  } catch (error) {
    if (!(error instanceof SwaError)) throw unusable(dataDir, error);
    if (error.code !== 'data-dir.unusable') throw error;
    throw new SwaError('queue.damaged', error.message, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
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
