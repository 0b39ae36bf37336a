/**
 * Row `batch-large`: a full recomputation of 100 million pageviews, five times as many as row `batch`, within the default memory of a run. One round,
 * after one to warm up. ROWS sets another number of pageviews.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measure, shown } from './batch.js';
import type { BenchOptions, BenchResult } from './row.js';

/** DuckDB's limit, plus the maximum for the arrays of all threads. */
const peakLimitBytes = (2 + 1.5) * 2 ** 30;

export async function run(options: BenchOptions): Promise<BenchResult> {
  const dir = mkdtempSync(join(tmpdir(), 'swa-bench-batch-large-'));
  const pageviews = Number(process.env['ROWS'] ?? (options.quick ? 5_000_000 : 100_000_000));
  try {
    const measured = await measure(dir, 'popular', pageviews, 1);
    const { ours, base, made, peakBytes, steps, bytes } = measured;
    return {
      target: 'at most 2 GB of DuckDB and 1.5 GB of arrays',
      met: peakBytes <= peakLimitBytes,
      ratio: ours.processorSeconds / base.processorSeconds,
      figures: {
        pageviews,
        popular: shown(measured),
        peakMemoryMegabytes: Math.round(peakBytes / 2 ** 20),
        starMade: `${made.processorSeconds.toFixed(2)} CPU-seconds and ${made.seconds.toFixed(2)} s more in the first run`,
        stepsMs: steps,
        bytes,
      },
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
