/**
 * Row `batch`: the complete recomputation (hashes of the files checked, persons, buckets, visits, index, verification)
 * against DuckDB's own `approx_count_distinct` by (url, hour) over the same Parquet, without identity, storing nothing.
 * Pages and visitors are drawn by their popularity; drawn evenly they cost us the same and the baseline twice as much, so that
 * ratio is shown beside it. ROWS sets another number of pageviews; DuckDB's memory limit is 2 GB, as the batch layer's default.
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
import { makePageviewFiles, type Draw } from './pageview-files.js';
import type { BenchOptions, BenchResult } from './row.js';
import { least, took, type Took } from './took.js';

const rounds = 2;

export async function run(options: BenchOptions): Promise<BenchResult> {
  const dir = mkdtempSync(join(tmpdir(), 'swa-bench-batch-'));
  const wanted = Number(process.env['ROWS'] ?? (options.quick ? 1_000_000 : 20_000_000));
  try {
    const times = options.quick ? 1 : rounds;
    const small = await measure(join(dir, 'small'), 'popular', wanted / 10, 1);
    const popular = await measure(join(dir, 'popular'), 'popular', wanted, times);
    const evenly = await measure(join(dir, 'evenly'), 'evenly', wanted, times);
    const ratio = ratioOf(popular);
    return {
      target: '<= 1.5x, then <= 1.0x the wall time of approx_count_distinct by (url, hour)',
      met: ratio <= 1.5,
      ratio,
      figures: {
        pageviews: wanted,
        wallSeconds: popular.ours.seconds.toFixed(2),
        cpuSeconds: popular.ours.processorSeconds.toFixed(2),
        baselineWallSeconds: popular.base.seconds.toFixed(2),
        baselineCpuSeconds: popular.base.processorSeconds.toFixed(2),
        cpuRatio: (popular.ours.processorSeconds / popular.base.processorSeconds).toFixed(2),
        peakMemoryMegabytes: Math.round(popular.peakBytes / 2 ** 20),
        stepsMs: popular.steps,
        bytes: popular.bytes,
        drawnEvenly: `${ratioOf(evenly).toFixed(2)}x: ${evenly.ours.seconds.toFixed(2)} s against ${evenly.base.seconds.toFixed(2)} s`,
        scalingExponent: Math.log10(popular.ours.processorSeconds / small.ours.processorSeconds).toFixed(2),
      },
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function ratioOf({ ours, base }: { readonly ours: Took; readonly base: Took }): number {
  return ours.seconds / base.seconds;
}

/** The least of several rounds, ours and the baseline in turn. */
async function measure(dir: string, drawn: Draw, pageviews: number, times: number) {
  const snapshot = await makePageviewFiles({
    dir,
    pageviews,
    ids: pageviews / 10,
    edges: Math.round(pageviews * 0.035),
    urls: 100_000,
    days: 90,
    drawn,
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
