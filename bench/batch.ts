/**
 * Row `batch`: the complete recomputation (hashes of the files checked, persons, buckets, visits, index, verification)
 * against DuckDB's own `approx_count_distinct` by (url, hour) over the same Parquet, without identity, storing nothing.
 * ROWS sets another number of pageviews; DuckDB's memory limit is 2 GB, as the batch layer's default.
 */
import { DuckDBInstance } from '@duckdb/node-api';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Built } from '../batch/pipeline.js';
import { ProgressMeter } from '../batch/progress.js';
import { sqlText } from '../master-data/duckdb.js';
import type { Snapshot } from '../master-data/snapshot.js';
import { buildFullView, duckDbLimits } from './full-view.js';
import { makePageviewFiles } from './pageview-files.js';
import type { BenchOptions, BenchResult } from './row.js';
import { least, took, type Took } from './took.js';

const rounds = 2;

export async function run(options: BenchOptions): Promise<BenchResult> {
  const dir = mkdtempSync(join(tmpdir(), 'swa-bench-batch-'));
  const wanted = Number(process.env['ROWS'] ?? (options.quick ? 1_000_000 : 20_000_000));
  try {
    const small = await measure(join(dir, 'small'), wanted / 10, 1);
    const large = await measure(join(dir, 'large'), wanted, options.quick ? 1 : rounds);
    const ratio = large.ours.seconds / large.base.seconds;
    return {
      target: '<= 1.5x, then <= 1.0x the wall time of approx_count_distinct by (url, hour)',
      met: ratio <= 1.5,
      ratio,
      figures: {
        pageviews: wanted,
        wallSeconds: large.ours.seconds.toFixed(2),
        cpuSeconds: large.ours.processorSeconds.toFixed(2),
        baselineWallSeconds: large.base.seconds.toFixed(2),
        baselineCpuSeconds: large.base.processorSeconds.toFixed(2),
        cpuRatio: (large.ours.processorSeconds / large.base.processorSeconds).toFixed(2),
        peakMemoryMegabytes: Math.round(large.peakBytes / 2 ** 20),
        stepsMs: large.steps,
        bytes: large.bytes,
        scalingExponent: Math.log10(large.ours.processorSeconds / small.ours.processorSeconds).toFixed(2),
      },
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The least of several rounds, ours and the baseline in turn. */
async function measure(dir: string, pageviews: number, times: number) {
  const snapshot = await makePageviewFiles({
    dir,
    pageviews,
    ids: pageviews / 10,
    edges: Math.round(pageviews * 0.035),
    urls: 100_000,
    days: 90,
  });
  const base: Took[] = [];
  const ours: Took[] = [];
  let peakBytes = 0;
  let steps = '';
  let bytes = 0;
  for (let round = 0; round < times; round++) {
    base.push(await took(async () => baseline(snapshot, dir)));
    resetPeak();
    let built: Built | undefined;
    const progress = new ProgressMeter(
      () => performance.now(),
      () => undefined,
    );
    const viewDir = join(dir, `view-${round}`);
    ours.push(
      await took(async () => {
        built = await buildFullView(snapshot, dir, viewDir, progress);
      }),
    );
    peakBytes = Math.max(peakBytes, peak());
    steps = Object.entries(progress.finish())
      .map(([step, ms]) => `${step} ${Math.round(ms)}`)
      .join(', ');
    bytes = built?.meta.files.reduce((sum, file) => sum + file.sizeBytes, 0) ?? 0;
    rmSync(viewDir, { recursive: true, force: true });
  }
  rmSync(dir, { recursive: true, force: true });
  return { base: least(base), ours: least(ours), peakBytes, steps, bytes };
}

async function baseline(snapshot: Snapshot, dir: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(duckDbLimits.threads),
    memory_limit: duckDbLimits.memoryLimit,
    temp_directory: join(dir, 'spill'),
    preserve_insertion_order: 'false',
  });
  const connection = await instance.connect();
  const paths = snapshot.files.filter((file) => file.topic === 'pageviews').map((file) => sqlText(file.path));
  await connection.run(
    `select count(*), sum(people) from (
       select url, timestamp // 3600000 as hour, approx_count_distinct(visitor) as people
       from read_parquet([${paths.join(', ')}]) group by all)`,
  );
  connection.closeSync();
  instance.closeSync();
}

/** Linux keeps the greatest resident size of a process and lets it be reset. */
function resetPeak(): void {
  writeFileSync('/proc/self/clear_refs', '5');
}

function peak(): number {
  const [, kilobytes = '0'] = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}
