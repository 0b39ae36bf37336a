/**
 * Row `batch`: the complete recomputation from an existing star (persons, buckets, visits, index, verification) against DuckDB's own
 * `approx_count_distinct` by (url, hour) over the same Parquet files, which does not join identities and stores nothing. Pages and visitors are drawn
 * by popularity, over a thousand sites and over one; drawing them evenly would double the baseline's cost. A run over a tenth of the facts shows the
 * fixed cost. ROWS sets another number of pageviews. DuckDB's memory limit is 2 GB, the batch layer's default. The row counts pages and domains only;
 * the popular draw with all dimensions is reported beside it.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dimensions } from '../facts/subjects.js';
import { ProgressMeter } from '../batch/progress.js';
import { approximateCounts } from './approximate-counts.js';
import { buildFullView } from './full-view.js';
import { makePageviewFiles, type Draw } from './pageview-files.js';
import type { BenchOptions, BenchResult } from './row.js';
import { median, measureWork, type WorkTime } from './work-time.js';

const rounds = 5;

export async function run(options: BenchOptions): Promise<BenchResult> {
  const dir = mkdtempSync(join(tmpdir(), 'swa-bench-batch-'));
  const wanted = Number(process.env['ROWS'] ?? (options.quick ? 1_000_000 : 20_000_000));
  try {
    const times = options.quick ? 1 : rounds;
    const measured = {
      popular: await measure(join(dir, 'popular'), 'popular', wanted, times),
      oneSite: await measure(join(dir, 'one-site'), 'one-site', wanted, times),
      evenly: await measure(join(dir, 'evenly'), 'evenly', wanted, times),
      tenth: await measure(join(dir, 'tenth'), 'popular', wanted / 10, times),
      withAllDimensions: await measure(join(dir, 'all'), 'popular', wanted, times, ['all']),
    };
    const { popular, oneSite, evenly, tenth, withAllDimensions } = measured;
    const large = [popular, oneSite, evenly];
    const peakBytes = Math.max(...large.map((each) => each.peakBytes));
    const cpu = Math.max(...large.map(cpuRatio));
    return {
      target:
        '<= 1.0x the CPU and <= 1.1x the wall time of approx_count_distinct by (url, hour) in every draw, <= 3x CPU for a tenth, <= 1.3 GB',
      met:
        cpu <= 1 &&
        large.every((each) => wallRatio(each) <= 1.1) &&
        cpuRatio(tenth) <= 3 &&
        peakBytes <= 1.3 * 2 ** 30,
      ratio: cpu,
      figures: {
        pageviews: wanted,
        ...Object.fromEntries(Object.entries(measured).map(([draw, each]) => [draw, shown(each)])),
        eachDimension: `${((cpuRatio(withAllDimensions) - cpuRatio(popular)) / dimensions.length).toFixed(3)}x CPU for each of ${dimensions.length}`,
        peakMemoryMegabytes: Math.round(peakBytes / 2 ** 20),
        starMade: `${popular.made.processorSeconds.toFixed(2)} CPU-seconds and ${popular.made.seconds.toFixed(2)} s more in the first run`,
        stepsMs: popular.steps,
        bytes: popular.bytes,
      },
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Medians of a recomputation and of its baseline. */
export interface Measured {
  readonly ours: WorkTime;
  readonly base: WorkTime;
  /** What the first run took in addition to the others, which found an existing star. */
  readonly made: WorkTime;
  readonly peakBytes: number;
  readonly steps: string;
  readonly bytes: number;
}

const cpuRatio = ({ ours, base }: Measured): number => ours.processorSeconds / base.processorSeconds;
const wallRatio = ({ ours, base }: Measured): number => ours.seconds / base.seconds;

const inSeconds = ({ processorSeconds, seconds }: WorkTime): string =>
  `${processorSeconds.toFixed(2)} CPU-seconds in ${seconds.toFixed(2)} s`;

export function shown(each: Measured): string {
  const { ours, base } = each;
  return `${cpuRatio(each).toFixed(2)}x CPU, ${wallRatio(each).toFixed(2)}x wall: ${inSeconds(ours)} against ${inSeconds(base)}`;
}

/** Medians of several rounds that alternate ours and the baseline, after one round that warms up both. */
export async function measure(
  dir: string,
  drawn: Draw,
  pageviews: number,
  times: number,
  kept: readonly string[] = [],
): Promise<Measured> {
  const snapshot = await makePageviewFiles({
    dir,
    pageviews,
    ids: pageviews / 10,
    edges: Math.round(pageviews * 0.035),
    urls: 100_000,
    days: 90,
    drawn,
  });
  const base: WorkTime[] = [];
  const ours: WorkTime[] = [];
  let peakBytes = 0;
  let steps = '';
  let bytes = 0;
  for (let round = 0; round <= times; round++) {
    base.push(await measureWork(async () => approximateCounts(snapshot.files, dir)));
    resetPeak();
    const progress = new ProgressMeter(
      () => performance.now(),
      () => undefined,
    );
    const viewDir = join(dir, `view-${round}`);
    ours.push(
      await measureWork(async () => {
        const { meta } = await buildFullView(snapshot, dir, viewDir, { dimensions: kept, progress });
        bytes = meta.files.reduce((sum, file) => sum + file.sizeBytes, 0);
      }),
    );
    if (round > 0) peakBytes = Math.max(peakBytes, peak());
    steps = Object.entries(progress.finish())
      .map(([step, ms]) => `${step} ${Math.round(ms)}`)
      .join(', ');
    rmSync(viewDir, { recursive: true, force: true });
  }
  rmSync(dir, { recursive: true, force: true });
  const [first, ...others] = ours;
  const usual = median(others);
  const made = {
    seconds: (first?.seconds ?? 0) - usual.seconds,
    processorSeconds: (first?.processorSeconds ?? 0) - usual.processorSeconds,
  };
  return { ours: usual, base: median(base.slice(1)), made, peakBytes, steps, bytes };
}

/** Resets the peak resident size that Linux keeps for the process. */
function resetPeak(): void {
  writeFileSync('/proc/self/clear_refs', '5');
}

function peak(): number {
  const [, kilobytes = '0'] = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}
