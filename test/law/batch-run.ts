/** A batch run over the real master dataset, as it was at any earlier cut. */
import { join } from 'node:path';
import { buildView, type BuildStatistics } from '../../batch/pipeline.js';
import { ProgressMeter } from '../../batch/progress.js';
import type { Config } from '../../lib/config/config.js';
import type { Rules } from '../../facts/rules.js';
import type { Log, Offsets } from '../../log/log.js';
import type { ViewId, ViewMeta } from '../../facts/views/view.js';
import { drainLogToMaster } from '../../master-data/role.js';
import { snapshotAt, takeSnapshot } from '../../master-data/snapshot.js';
import { newBuildingDir, nextViewNumber, publish } from '../../serving/store.js';

export interface BatchRun {
  readonly id: ViewId;
  readonly statistics: BuildStatistics;
}

/** Carries the log into the master dataset, builds a view at `next` and makes it CURRENT. */
export async function runBatchAt(
  config: Config,
  log: Log,
  rules: Rules,
  next: Offsets,
  previous: ViewMeta,
): Promise<BatchRun> {
  const { dataDir, lgK, bucketMinutes, maxPersonIds } = config;
  await drainLogToMaster({ config, clock: () => 0 }, { log });
  const viewDir = newBuildingDir(dataDir, 'law');
  const { meta, statistics } = await buildView({
    snapshot: snapshotAt(takeSnapshot(dataDir), { logId: log.id, next }),
    rules,
    lgK,
    bucketMinutes,
    maxPersonIds,
    number: nextViewNumber(dataDir),
    createdAt: 0,
    previous,
    viewDir,
    tempDir: join(dataDir, 'batch', 'temp'),
    memoryLimit: '256MB',
    threads: 1,
    progress: new ProgressMeter(
      () => 0,
      () => undefined,
    ),
  });
  publish(dataDir, viewDir, meta);
  return { id: meta.view.id, statistics };
}
