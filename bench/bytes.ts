/**
 * Row `bytes`: bytes of a batch view per distinct (page, hour, person). It counts the buckets of pages and domains in all spans, visits, listings and
 * the index of subjects. The mapping of ids and the members of persons grow with people, not with views; they are reported separately, and so is the
 * sum.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { estimateFromHistogram } from 'hyperloglog-ts';
import { fileNames } from '../serving/layout.js';
import { openViewAt, type ViewReader } from '../serving/view-reader.js';
import { buildFullView } from './full-view.js';
import { makePageviewFiles } from './pageview-files.js';
import type { BenchOptions, BenchResult } from './row.js';

export async function run(options: BenchOptions): Promise<BenchResult> {
  const dir = mkdtempSync(join(tmpdir(), 'swa-bench-bytes-'));
  const pageviews = options.quick ? 1_000_000 : 20_000_000;
  try {
    const snapshot = await makePageviewFiles({
      dir: join(dir, 'master'),
      pageviews,
      ids: pageviews / 10,
      edges: Math.round(pageviews * 0.035),
      urls: 100_000,
      days: 90,
      drawn: 'popular',
    });
    const viewDir = join(dir, 'view');
    const { meta } = await buildFullView(snapshot, dir, viewDir);
    const view = openViewAt(viewDir);
    const distinct = distinctPageHourPersons(view);
    const total = meta.files.reduce((sum, file) => sum + file.sizeBytes, 0);
    const identity = meta.files.find((file) => file.name === fileNames.identity)?.sizeBytes ?? 0;
    view.close();
    const ratio = (total - identity) / distinct;
    return {
      target: '<= 12 bytes for each distinct (page, hour, person)',
      met: ratio <= 12,
      ratio,
      figures: {
        pageviews,
        distinct: Math.round(distinct),
        withIdentity: (total / distinct).toFixed(2),
        mappedIds: meta.view.counts.mappedIds,
        ...Object.fromEntries(meta.files.map((file) => [file.name, file.sizeBytes])),
      },
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function distinctPageHourPersons(view: ViewReader): number {
  let distinct = 0;
  for (const domain of view.domains()) {
    for (const { url } of view.pages(domain)) {
      view.forEachBucket({ kind: 'page', url }, 'base', 0, 10_000_000, ({ sketch }) => {
        distinct += sketch.kind === 'coupons' ? sketch.coupons.length : estimateOf(sketch.registers);
      });
    }
  }
  return distinct;
}

function estimateOf(registers: Uint8Array): number {
  const histogram = new Uint32Array(64);
  for (const value of registers) histogram[value] = (histogram[value] ?? 0) + 1;
  return estimateFromHistogram(histogram, Math.log2(registers.length));
}
