/** Builds a batch view without publishing it. */
import { join } from 'node:path';
import type { Config } from '../../lib/config/config.js';
import { makeRules } from '../../facts/rules.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { newBuildingDir } from '../../serving/store.js';
import { buildView, type BuiltView, type Tuning } from '../pipeline.js';
import { ProgressMeter } from '../progress.js';

export async function build(
  config: Config,
  options: { threads: number; tuning?: Partial<Tuning>; keep?: (dir: string) => void; keptFrom?: number },
): Promise<BuiltView> {
  const viewDir = newBuildingDir(config.dataDir, 'test');
  const built = await buildView({
    snapshot: takeSnapshot(config.dataDir),
    rules: makeRules({ urlQueryAllow: [], bots: 'exclude' }),
    lgK: config.lgK,
    bucketMinutes: config.bucketMinutes,
    maxPersonIds: config.maxPersonIds,
    keptFrom: options.keptFrom,
    number: 1,
    createdAt: 0,
    previous: undefined,
    viewDir,
    tempDir: join(config.dataDir, 'batch', 'temp'),
    memoryLimit: '512MB',
    threads: options.threads,
    progress: new ProgressMeter(
      () => 0,
      () => undefined,
    ),
    tuning: options.tuning ?? {},
  });
  options.keep?.(viewDir);
  return built;
}
