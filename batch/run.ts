/**
 * One batch run, in this process: lock, snapshot, recomputation, verification, publication. Whatever goes wrong before
 * CURRENT is replaced leaves the old view serving; the next run sweeps what this one left.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.js';
import type { Config } from '../lib/config/config.js';
import { openDataDir, roomOf } from '../lib/data-dir.js';
import { SwaError } from '../lib/errors.js';
import { makeRules } from '../lib/facts/rules.js';
import { OwnerLock } from '../lib/files/owner-lock.js';
import type { Cut } from '../lib/log/log.js';
import { lowestOf, requestTrim } from '../lib/log/retention.js';
import type { ViewMeta } from '../lib/views/view.js';
import { pinSnapshot } from '../master-data/pins.js';
import { readCurrent } from '../serving/current.js';
import { viewPath } from '../serving/layout.js';
import { readMeta } from '../serving/meta.js';
import { heldViews } from '../serving/held.js';
import { listViews, newBuildingDir, prune, publish, sweep } from '../serving/store.js';
import { batchLockPath, newRunId, saveRun, type RunRecord, type Trigger } from '../lib/batch-runs.js';
import { nameError } from './name-error.js';
import { buildView, type Built } from './pipeline.js';
import { ProgressMeter, type OnProgress } from './progress.js';

export type BatchConfig = Pick<
  Config,
  | 'dataDir'
  | 'lgK'
  | 'urlQueryAllow'
  | 'bots'
  | 'batchKeepViews'
  | 'retainBatches'
  | 'dedupWindow'
  | 'batchMemory'
  | 'batchThreads'
  | 'maxPersonIds'
>;

export interface RunOptions {
  readonly config: BatchConfig;
  readonly clock: Clock;
  readonly trigger: Trigger;
  readonly onProgress?: OnProgress;
  /** Ends the run at the next chunk of rows; nothing is published. */
  readonly signal?: AbortSignal;
}

/**
 * Rebuilds all views from the master dataset as it is now and publishes them. Throws `batch.running` when another run
 * holds the lock, `master.missing`, `master.corrupt`, `view.refused`, `batch.failed`.
 */
export async function runBatch(options: RunOptions): Promise<ViewMeta> {
  const { config, clock } = options;
  openDataDir(config);
  const lock = OwnerLock.acquire(batchLockPath(config.dataDir), 'batch run', 'batch.running');
  const startedAt = clock();
  const record: RunRecord = {
    id: newRunId(startedAt, process.pid),
    trigger: options.trigger,
    pid: process.pid,
    startedAt,
    endedAt: null,
    outcome: 'running',
    viewId: null,
    error: null,
    durations: {},
    peakMemoryBytes: null,
    statistics: null,
  };
  const progress = new ProgressMeter(() => performance.now(), options.onProgress ?? (() => undefined));
  const end = (change: Partial<RunRecord>): void =>
    saveRun(config.dataDir, {
      ...record,
      endedAt: clock(),
      durations: progress.finish(),
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
      ...change,
    });
  try {
    sweepAll(config.dataDir);
    saveRun(config.dataDir, record);
    const { meta, statistics } = await buildAndPublish(options, startedAt, progress);
    end({ outcome: 'published', viewId: meta.view.id, statistics: { ...statistics } });
    return meta.view;
  } catch (error) {
    const named = nameError(error);
    end({ outcome: 'failed', error: { code: named.code, message: named.message } });
    throw named;
  } finally {
    sweepAll(config.dataDir);
    lock.release();
  }
}

async function buildAndPublish(
  options: RunOptions,
  startedAt: number,
  progress: ProgressMeter,
): Promise<Built> {
  const { config, signal } = options;
  const { dataDir } = config;
  const pinned = pinSnapshot(dataDir, 'batch run');
  try {
    const { snapshot } = pinned;
    const viewDir = newBuildingDir(dataDir, 'view');
    const built = await buildView({
      snapshot,
      rules: makeRules({ queryAllow: config.urlQueryAllow, bots: config.bots }),
      lgK: config.lgK,
      maxPersonIds: config.maxPersonIds,
      number: Math.max(0, ...listViews(dataDir).map((meta) => meta.number)) + 1,
      createdAt: startedAt,
      previous: currentMeta(dataDir),
      viewDir,
      tempDir: tempDir(dataDir),
      memoryLimit: config.batchMemory,
      threads: config.batchThreads,
      progress,
      ...(signal === undefined ? {} : { signal }),
    });
    progress.begin('publish');
    publish(dataDir, viewDir, built.meta);
    prune(dataDir, config.batchKeepViews);
    releaseLog(config, snapshot.cut);
    return built;
  } finally {
    pinned.release();
  }
}

/**
 * Lets the log drop what neither the last views, held ones and the master dataset need, nor the deduplication window of a
 * realtime view that would start at one of them.
 */
function releaseLog(config: BatchConfig, masterCut: Cut): void {
  const all = listViews(config.dataDir);
  const held = heldViews(config.dataDir);
  const views = all.filter((view, i) => i >= all.length - config.retainBatches || held.has(view.id));
  const cuts = [masterCut, ...views.map((meta) => meta.cut)];
  requestTrim(config.dataDir, lowestOf(cuts, config.dedupWindow));
}

/** META of the view that serves now; undefined before the first. */
function currentMeta(dataDir: string): ViewMeta | undefined {
  try {
    return readMeta(viewPath(dataDir, readCurrent(dataDir))).view;
  } catch (error) {
    if (error instanceof SwaError && error.code === 'view.missing') return undefined;
    throw error;
  }
}

function tempDir(dataDir: string): string {
  return join(roomOf(dataDir, 'batch'), 'temp');
}

/** What killed runs left behind. Only under the lock. */
function sweepAll(dataDir: string): void {
  rmSync(tempDir(dataDir), { recursive: true, force: true });
  sweep(dataDir);
}
