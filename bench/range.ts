/**
 * Row `range`: ranges of about a year on the busiest of the URLs of 20 million pageviews, in process, against merging all hours of the same ranges.
 * The same ranges are also measured on all pages in turn, on unvisited pages of the domain, and on domains that do not exist. Redis' time for merging
 * the hours is in row `peers`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HllUnion } from 'hyperloglog-ts';
import { configWith } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import type { BatchView, Subject } from '../facts/views/view.js';
import type { LogId } from '../log/log.js';
import { openEngine } from '../query/open.js';
import { ask } from '../query/inquiries.js';
import { widthOf } from '../lib/time/buckets.js';
import type { BenchOptions, BenchResult } from './row.js';
import { publishYear, urlsOf, yearFromHour, yearToHour } from './view-of-a-year.js';

const pages = 200;
const { show } = widthOf(60);
/** Number of questions asked before measuring. */
const warmUp = 200;
const clock = (): number => yearToHour * 3_600_000;

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const dataDir = mkdtempSync(join(tmpdir(), 'swa-bench-range-'));
  try {
    const config = configWith({ dataDir });
    openDataDir(config);
    const cut = { logId: 'bench' as LogId, next: {} }; // this bench has no log
    const busiestViews = quick ? 200_000 : 2_000_000;
    await publishYear(dataDir, { number: 1, pages, busiestViews, people: 500_000, lgK: config.lgK, cut });
    const query = openEngine(config, clock);
    try {
      return await measure(query.engine, quick ? 300 : 3_000);
    } finally {
      await query.close();
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function measure(engine: Parameters<typeof ask>[0], rounds: number): Promise<BenchResult> {
  const urls = urlsOf(pages);
  const url = urls[0] ?? '';
  const ranges = Array.from({ length: 50 }, (_, i) => ({
    from: yearFromHour + i * 7,
    to: yearToHour - i * 5,
  }));
  /** Times of questions in ms, ascending, after a warm-up. */
  const times = async (
    subjectOf: (i: number) => { url: string } | { domain: string },
  ): Promise<Float64Array> => {
    const found = new Float64Array(rounds);
    for (let i = 0; i < warmUp + rounds; i++) {
      const { from, to } = ranges[i % ranges.length] ?? { from: yearFromHour, to: yearToHour };
      const question = { ...subjectOf(i), from: show(from), to: show(to) };
      const startedAt = performance.now();
      await ask(engine, 'uniques', question);
      if (i >= warmUp) found[i - warmUp] = performance.now() - startedAt;
    }
    return found.toSorted();
  };
  const busiest = await times(() => ({ url }));
  const all = await times((i) => ({ url: urls[(i * 37) % pages] ?? url }));
  const unknownPages = await times((i) => ({ url: `${url}-nobody-${i}` }));
  const unknownDomains = await times((i) => ({ domain: `nobody-${i}.example` }));
  const naive = engine.pinned(async ({ batch }) => {
    const samples = ranges
      .slice(0, 10)
      .map((range) => mergeHours(batch, { kind: 'page', url }, range.from, range.to));
    return samples.toSorted((a, b) => a - b)[5] ?? Number.NaN;
  });
  const p50 = quantile(busiest, 0.5);
  const p99 = quantile(busiest, 0.99);
  const hoursMs = await naive;
  const ratio = hoursMs / p50;
  return {
    target: 'p99 < 1 ms, >= 50 times faster than merging the hours',
    met: p99 < 1 && ratio >= 50,
    ratio,
    figures: {
      'p50 ms': p50.toFixed(3),
      'p99 ms': p99.toFixed(3),
      'merging all hours, median ms': hoursMs.toFixed(2),
      'all pages in turn, p50 and p99 ms': shown(all),
      'pages without visits, p50 and p99 ms': shown(unknownPages),
      'domains without visits, p50 and p99 ms': shown(unknownDomains),
      queries: rounds,
    },
  };
}

function quantile(ascending: Float64Array, share: number): number {
  return ascending[Math.floor(ascending.length * share)] ?? Number.NaN;
}

function shown(ascending: Float64Array): string {
  return `${quantile(ascending, 0.5).toFixed(3)}, ${quantile(ascending, 0.99).toFixed(3)}`;
}

/** The work of a store without days and months. */
function mergeHours(batch: BatchView, subject: Subject, from: number, to: number): number {
  const union = new HllUnion({ lgK: batch.meta.lgK });
  const startedAt = performance.now();
  batch.forEachBucket(subject, 'base', from, to, ({ sketch }) => {
    if (sketch.kind === 'coupons') union.addCoupons(sketch.coupons);
    else union.addRegisters(sketch.registers);
  });
  union.estimate();
  return performance.now() - startedAt;
}
