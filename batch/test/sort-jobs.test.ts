import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { FactStore, newFactBatch, shardCount } from '../facts/fact-store.js';
import { orderHours } from '../sorts/hour-order.js';
import { jobKinds, type JobKind, type SortJob, type SortTables } from '../sorts/sort-job.js';
import type { SortedListener } from '../sorts/lane.js';
import { runSortJobs } from '../sorts/sort-jobs.js';

const rowsOfPage = (page: number): number => (page % 10 === 0 ? 30_000 : 100 + page);

/** A page, and a domain, in each of 40 shards; more facts than are sorted without threads. */
function work(): { tables: SortTables; jobs: SortJob[] } {
  const pages = Math.min(40, shardCount);
  const shardOfPage = Uint8Array.from({ length: pages }, (_, page) => page);
  const store = new FactStore('not written', Number.POSITIVE_INFINITY);
  const rows = Float64Array.from({ length: pages }, (_, page) => rowsOfPage(page));
  for (let page = 0; page < pages; page++) {
    const batch = newFactBatch(rowsOfPage(page));
    batch.pages.fill(page);
    batch.persons.forEach((_, i) => (batch.persons[i] = i % 1000));
    batch.coupons.forEach((_, i) => (batch.coupons[i] = (1 << 26) | (i % 1000)));
    store.addAll(batch, rowsOfPage(page), shardOfPage);
  }
  const rank = Uint32Array.from(shardOfPage);
  const jobs = store
    .finish()
    .slice(0, pages)
    .flatMap((facts, page) => jobKinds.map((kind) => ({ kind, facts, from: page, to: page + 1 })));
  const tables = { pageRank: rank, domainRank: rank, pageRows: rows, domainRows: rows };
  return {
    tables: { ...tables, hours: orderHours([400_000]), persons: 1000, lgK: 12, rowsPerRange: 10_000 },
    jobs,
  };
}

const silent: SortedListener = {
  onRows: () => undefined,
  onBlocks: () => undefined,
  onResult: () => undefined,
};

test('whatever thread ends first, blocks and results come in order, and blocks are what results say', async () => {
  const { tables, jobs } = work();
  const heard: Record<JobKind, number[]> = { pages: [], domains: [], visits: [] };
  const bytes: Record<JobKind, number> = { pages: 0, domains: 0, visits: 0 };
  let rows = 0;
  const listener: SortedListener = {
    onRows: (more) => (rows += more),
    onBlocks: (kind, blocks) => (bytes[kind] += blocks.length),
    onResult: (kind, result) => {
      heard[kind].push(...result.ranks);
      bytes[kind] -= result.lengths.reduce((sum, length) => sum + length, 0);
      assert.equal(bytes[kind], 0, 'all blocks of a job before its result, and none of the next');
      for (const [i, pageviews] of result.pageviews.entries())
        assert.equal(pageviews, rowsOfPage(result.ranks[i] ?? 0));
    },
  };
  await runSortJobs(tables, jobs, listener, { threads: 4 });
  const ranks = Array.from({ length: jobs.length / jobKinds.length }, (_, rank) => rank);
  for (const kind of jobKinds) assert.deepEqual(heard[kind], ranks, kind);
  assert.equal(
    rows,
    jobs.reduce((sum, job) => sum + job.facts.rows, 0),
  );
});

test('an error of the listener or of a thread, and an abort, end the sorting', async () => {
  const { tables, jobs } = work();
  const full = new Error('disk full');
  const onBlocks = (): never => {
    throw full;
  };
  await assert.rejects(runSortJobs(tables, jobs, { ...silent, onBlocks }, { threads: 2 }), full);
  const broken = jobs.map((job) => ({ ...job, facts: { ...job.facts, rows: job.facts.rows - 1 } }));
  await assert.rejects(runSortJobs(tables, broken, silent, { threads: 2 }), /a range of \d+ facts has \d+/);
  const stop = new AbortController();
  const onRows = (): void => stop.abort(new Error('stopped'));
  const stopped = runSortJobs(tables, jobs, { ...silent, onRows }, { threads: 2, signal: stop.signal });
  await assert.rejects(stopped, /stopped/);
  const signal = AbortSignal.abort(new Error('stopped before'));
  await assert.rejects(runSortJobs(tables, jobs, silent, { threads: 2, signal }), /stopped before/);
});

test('a thread that sorts loads no native code, so it can be terminated at any moment', () => {
  const { href } = new URL('../sorts/sort-job.js', import.meta.url);
  const script = `await import('${href}'); console.log(...process.report.getReport().sharedObjects);`;
  const loaded = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.match(loaded, /libc/);
  assert.doesNotMatch(loaded, /\.node\b/);
});
