/** The complete recomputation of a benchmark's snapshot, with the limits that the rows of the batch layer share. */
import { join } from 'node:path';
import { makeRules } from '../facts/rules.js';
import { buildView, type BuiltView } from '../batch/pipeline.js';
import { ProgressMeter } from '../batch/progress.js';
import type { Snapshot } from '../master-data/snapshot.js';

/** Limits of DuckDB, both in the batch layer and as the baseline. */
export const duckDbLimits = { memoryLimit: '2GB', threads: 2 } as const;

export interface FullViewOptions {
  /** Default: none, only pages and domains. */
  readonly dimensions?: readonly string[];
  readonly progress?: ProgressMeter;
}

/** Builds and verifies a view in `viewDir`; temporary files and the star go below `dir`. */
export async function buildFullView(
  snapshot: Snapshot,
  dir: string,
  viewDir: string,
  { dimensions = [], progress }: FullViewOptions = {},
): Promise<BuiltView> {
  return buildView({
    snapshot,
    rules: makeRules({ urlQueryAllow: [], bots: 'exclude', dimensions }),
    lgK: 14,
    bucketMinutes: 60,
    maxPersonIds: 0,
    number: 1,
    createdAt: 0,
    previous: undefined,
    viewDir,
    tempDir: join(dir, 'temp'),
    starDir: join(dir, 'star'),
    ...duckDbLimits,
    progress:
      progress ??
      new ProgressMeter(
        () => performance.now(),
        () => undefined,
      ),
  });
}
