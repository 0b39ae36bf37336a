/**
 * Row `batch-star`: the cost of adding a new file of the master dataset to the star: its facts as numbers, its texts to the dictionaries, and the
 * search for repeats. The baseline is `approx_count_distinct` over that file. The dictionaries already hold the texts of as many earlier facts. ROWS
 * sets another number of pageviews.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRules } from '../facts/rules.js';
import type { Snapshot } from '../master-data/snapshot.js';
import { makeStar } from '../master-data/star/make-star.js';
import { approximateCounts } from './approximate-counts.js';
import { duckDbLimits } from './full-view.js';
import { makePageviewFiles } from './pageview-files.js';
import type { BenchOptions, BenchResult } from './row.js';
import { median, measureWork, type WorkTime } from './work-time.js';

const partitions = 4;
const rounds = 5;

export async function run(options: BenchOptions): Promise<BenchResult> {
  const dir = mkdtempSync(join(tmpdir(), 'swa-bench-star-'));
  const rows = Number(process.env['ROWS'] ?? (options.quick ? 100_000 : 1_000_000));
  try {
    const pageviews = partitions * rows;
    const draw = { ids: pageviews / 10, edges: 1000, urls: 100_000, days: 90, drawn: 'popular' } as const;
    const all = await makePageviewFiles({ dir: join(dir, 'files'), pageviews, ...draw });
    const before = { ...all, files: all.files.slice(0, 1) };
    const after = { ...all, files: all.files.slice(0, 2) };
    const ours: WorkTime[] = [];
    const base: WorkTime[] = [];
    for (let round = 0; round <= (options.quick ? 1 : rounds); round++) {
      const starDir = join(dir, `star-${round}`);
      await make(starDir, dir, before);
      base.push(await measureWork(async () => approximateCounts(all.files.slice(1, 2), dir)));
      ours.push(await measureWork(async () => make(starDir, dir, after)));
      rmSync(starDir, { recursive: true });
    }
    const [usual, usualBase] = [median(ours.slice(1)), median(base.slice(1))];
    const ratio = usual.processorSeconds / usualBase.processorSeconds;
    return {
      target:
        '<= 2.5x the CPU of approx_count_distinct by (url, hour) over the same file, once per fact ever',
      met: ratio <= 2.5,
      ratio,
      figures: {
        pageviews: rows,
        cpuSeconds: usual.processorSeconds.toFixed(2),
        wallSeconds: usual.seconds.toFixed(2),
        baselineCpuSeconds: usualBase.processorSeconds.toFixed(2),
        baselineWallSeconds: usualBase.seconds.toFixed(2),
        wallRatio: (usual.seconds / usualBase.seconds).toFixed(2),
      },
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function make(starDir: string, dir: string, snapshot: Snapshot): Promise<void> {
  await makeStar({
    dir: starDir,
    snapshot,
    rules: makeRules({ urlQueryAllow: [], bots: 'exclude' }),
    tempDir: join(dir, 'temp'),
    ...duckDbLimits,
    hashesPerScan: 100_000_000,
    onRows: () => undefined,
    signal: undefined,
  });
}
