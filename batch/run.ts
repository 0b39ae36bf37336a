/**
 * One batch run in this process: lock, snapshot, recomputation, verification, publication. After any failure before CURRENT is replaced the old
 * view keeps serving, and the next run removes the leftovers.
 */
import { join } from 'node:path';
import type { Clock } from '../lib/time/clock.js';
import type { Config } from '../lib/config/config.js';
import { openDataDir, roomOf } from '../lib/files/data-dir.js';
import { makeRules } from '../facts/rules.js';
import { removeScratch } from '../lib/files/removal.js';
import { OwnerLock } from '../lib/files/owner-lock.js';
import type { Cut } from '../log/log.js';
import { lowestOf, requestTrim, withWindow } from '../log/retention.js';
import type { ViewMeta } from '../facts/views/view.js';
import { pinSnapshot } from '../master-data/pins.js';
import { currentIfAny } from '../serving/current.js';
import { heldViews } from '../serving/held.js';
import { listViews, newBuildingDir, nextViewNumber, prune, publish, sweep } from '../serving/store.js';
import {
  batchLockPath,
  newRunId,
  saveRun,
  settleKilledRuns,
  type RunRecord,
  type Trigger,
} from '../serving/batch-runs.js';
import { toRunError } from './run-error.js';
import { buildView, type BuildOptions, type BuiltView } from './pipeline.js';
import { ProgressMeter, type OnProgress } from './progress.js';
import { buildByEngine } from './tables/build.js';
import type { Engine } from './tables/contract.js';

const dayMs = 86_400_000;

export type BatchConfig = Pick<
  Config,
  | 'dataDir'
  | 'lgK'
  | 'bucketMinutes'
  | 'urlQueryAllow'
  | 'bots'
  | 'batchKeepViews'
  | 'retainBatches'
  | 'dedupWindow'
  | 'batchMemory'
  | 'batchThreads'
  | 'maxPersonIds'
  | 'retentionDays'
>;

export interface RunOptions {
  readonly config: BatchConfig;
  readonly clock: Clock;
  readonly trigger: Trigger;
  readonly onProgress?: OnProgress;
  /** Computes the views; default: this machine's own threads. */
  readonly engine?: Engine | undefined;
  /** Ends the run at the next chunk of rows, without publishing. */
  readonly signal?: AbortSignal;
}

/**
 * Rebuilds all views from the current master dataset and publishes them. Throws `batch.running` if another run holds the lock, `master.missing`,
 * `master.corrupt`, `view.refused`, `batch.failed`.
 */
export async function runBatch(options: RunOptions): Promise<ViewMeta> {
  const { config, clock } = options;
  openDataDir(config);
  const lock = OwnerLock.acquire(batchLockPath(config.dataDir), 'batch run', 'batch.running');
  const startedAt = clock();
  const record: RunRecord = {
    id: newRunId(config.dataDir, startedAt, process.pid),
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
    settleKilledRuns(config.dataDir);
    saveRun(config.dataDir, record);
    const before = previousMeta(config.dataDir);
    const { meta, statistics, cut } = await buildAndPublish(options, before, startedAt, progress);
    const published = {
      outcome: 'published',
      viewId: meta.view.id,
      statistics: { ...statistics },
    } as const;
    end(published);
    const trouble = tidyUp(config, before, cut);
    if (trouble !== undefined) end({ ...published, error: trouble });
    return meta.view;
  } catch (error) {
    const named = toRunError(error);
    try {
      end({ outcome: 'failed', error: { code: named.code, message: named.message } });
    } catch {
      // The original error matters more than a history that cannot be written.
    }
    throw named;
  } finally {
    sweepAll(config.dataDir);
    lock.release();
  }
}

async function buildAndPublish(
  options: RunOptions,
  previous: ViewMeta | undefined,
  startedAt: number,
  progress: ProgressMeter,
): Promise<BuiltView & { readonly cut: Cut }> {
  const { config, signal } = options;
  const { dataDir } = config;
  const pinned = pinSnapshot(dataDir, 'batch run');
  try {
    const { snapshot } = pinned;
    const viewDir = newBuildingDir(dataDir, 'view');
    const build: BuildOptions = {
      snapshot,
      rules: makeRules(config),
      lgK: config.lgK,
      bucketMinutes: config.bucketMinutes,
      maxPersonIds: config.maxPersonIds,
      keptFrom: keptFromOf(config, startedAt, previous),
      number: nextViewNumber(dataDir),
      createdAt: startedAt,
      previous,
      viewDir,
      tempDir: tempDir(dataDir),
      memoryLimit: config.batchMemory,
      threads: config.batchThreads,
      progress,
      ...(signal === undefined ? {} : { signal }),
    };
    const { engine } = options;
    const built = await (engine === undefined
      ? buildView({ ...build, starDir: roomOf(dataDir, 'star') })
      : buildByEngine({ ...build, engine }));
    signal?.throwIfAborted();
    progress.begin('publish');
    publish(dataDir, viewDir, built.meta);
    return { ...built, cut: snapshot.cut };
  } finally {
    pinned.release();
  }
}

/**
 * Start of the first UTC day that is kept; never earlier than in the previous view, because what that one left out may be erased by now.
 */
function keptFromOf(
  { retentionDays }: BatchConfig,
  now: number,
  previous: ViewMeta | undefined,
): number | undefined {
  const before = previous?.keptFrom;
  if (retentionDays === 0) return before;
  const from = Math.floor((now - retentionDays * dayMs) / dayMs) * dayMs;
  return Math.max(from, before ?? 0, 0);
}

/** Cleans up after publication. A failure is returned and the next run tries again: the new view already serves. */
function tidyUp(
  config: BatchConfig,
  before: ViewMeta | undefined,
  masterCut: Cut,
): RunRecord['error'] | undefined {
  try {
    prune(config.dataDir, config.batchKeepViews);
    releaseLog(config, before, masterCut);
    return undefined;
  } catch (error) {
    const { code, message } = toRunError(error);
    return { code, message: `the view is published, but cleaning up failed: ${message}` };
  }
}

/**
 * Lets the log drop records that are not needed by the latest views, held views or the master dataset, nor for the deduplication window of a
 * realtime view that would start at one of them.
 */
function releaseLog(config: BatchConfig, before: ViewMeta | undefined, masterCut: Cut): void {
  const all = listViews(config.dataDir);
  const held = heldViews(config.dataDir);
  const views = all.filter((view, i) => i >= all.length - config.retainBatches || held.has(view.id));
  const cuts = [masterCut, ...views.map((meta) => meta.cut)];
  const lastRun = { from: before?.cut.next ?? {}, to: masterCut.next };
  requestTrim(config.dataDir, withWindow(lowestOf(cuts), lastRun, config.dedupWindow));
}

/**
 * META of the current view or, if it cannot be read, of the newest readable one, so that answers do not go back. Undefined before the first.
 */
function previousMeta(dataDir: string): ViewMeta | undefined {
  const views = listViews(dataDir);
  const current = currentIfAny(dataDir);
  return views.find(({ id }) => id === current) ?? views.at(-1);
}

function tempDir(dataDir: string): string {
  return join(roomOf(dataDir, 'batch'), 'temp');
}

/** Removes leftovers of killed runs. Only under the lock. */
function sweepAll(dataDir: string): void {
  removeScratch(tempDir(dataDir));
  sweep(dataDir);
}
