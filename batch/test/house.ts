/** A data directory with a log and a master dataset, for tests: facts in, batch views out. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { coupon } from 'hyperloglog-ts';
import { configWith, type Config } from '../../lib/config/config.js';
import { openDataDir } from '../../lib/data-dir.js';
import type { Fact } from '../../lib/facts/fact.js';
import { encodeRecord } from '../../lib/facts/record.js';
import type { NewRecord } from '../../lib/log/log.js';
import { openLogWriter } from '../../lib/log/open-log.js';
import { UrlRules } from '../../lib/url/normalize.js';
import { spans, type Span } from '../../lib/time/buckets.js';
import type { BatchView, BucketCell, Subject } from '../../lib/views/view.js';
import { drainLogToMaster } from '../../master-data/sink.js';
import { applyCoupons } from '../../serving/union.js';
import type { Oracle, OracleBucket } from './oracle.js';

export const testClock = (): number => 1_800_000_000_000;

export function makeHouse(t: TestContext, change: Partial<Config> = {}): Config {
  const dataDir = mkdtempSync(join(tmpdir(), 'swa-batch-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const config = configWith({ dataDir, partitions: 1, batchThreads: 1, batchMemory: '512MB', ...change });
  openDataDir(config);
  return config;
}

/** Appends the facts, then records as a foreign producer may write them, and carries all into the master dataset. */
export async function store(
  config: Config,
  facts: readonly Fact[],
  foreign: readonly NewRecord[] = [],
): Promise<void> {
  const log = await openLogWriter(config, testClock);
  try {
    const urls = new UrlRules();
    for (let from = 0; from < facts.length; from += 10_000) {
      await log.append(facts.slice(from, from + 10_000).map((fact) => encodeRecord(fact, urls)));
    }
    await log.append(foreign);
    await drainLogToMaster({ config, clock: testClock }, { log });
  } finally {
    await log.close();
  }
}

const from = -100_000;
const to = 1_000_000;

/** Compares every bucket, visit, id and listing of a view with the oracle's. */
export function assertViewEquals(view: BatchView, oracle: Oracle): void {
  assert.deepEqual([...view.domains()].toSorted(), [...oracle.domains.keys()].toSorted());
  assert.equal(view.meta.counts.pages, oracle.pages.size);
  assert.equal(view.meta.counts.pageviews, oracle.pageviews);
  for (const [url, buckets] of oracle.pages) assertBuckets(view, { kind: 'page', url }, buckets);
  for (const [domain, buckets] of oracle.domains) {
    assertBuckets(view, { kind: 'domain', domain }, buckets);
    const hours = new Map<number, unknown>();
    view.forEachVisitHour(domain, from, to, ({ bucket, visits, bounces }) =>
      hours.set(bucket, { visits, bounces }),
    );
    assert.deepEqual(sorted(hours), sorted(oracle.visits.get(domain) ?? new Map()), `visits of ${domain}`);
    for (const { url, pageviews } of view.pages(domain)) {
      const cells = [...(oracle.pages.get(url) ?? [])].filter(([key]) => key.startsWith('month'));
      assert.equal(
        pageviews,
        cells.reduce((sum, [, cell]) => sum + cell.pageviews, 0),
        url,
      );
    }
  }
  for (const [id, person] of oracle.persons) assert.equal(view.personOf(id), person);
  const members = new Map<string, string[]>();
  for (const [id, person] of oracle.persons) members.set(person, [...(members.get(person) ?? []), id]);
  for (const [person, ids] of members) assert.deepEqual(view.idsOf(person).toSorted(), ids.toSorted());
}

function sorted<T>(map: ReadonlyMap<number, T>): [number, T][] {
  return [...map].toSorted(([a], [b]) => a - b);
}

function assertBuckets(view: BatchView, subject: Subject, buckets: ReadonlyMap<string, OracleBucket>): void {
  const left = new Set(buckets.keys());
  for (const span of spans) {
    let last = Number.NEGATIVE_INFINITY;
    view.forEachBucket(subject, span, from, to, (cell) => {
      const key = `${span} ${cell.bucket}`;
      assert.ok(cell.bucket > last, 'ascending');
      last = cell.bucket;
      assert.ok(left.delete(key), `${key} of ${JSON.stringify(subject)} is not in the oracle`);
      const wanted = buckets.get(key);
      assert.equal(cell.pageviews, wanted?.pageviews, `pageviews of ${key}`);
      assertPeople(span, cell, wanted?.people ?? new Set(), view.meta.lgK);
    });
  }
  assert.deepEqual([...left], [], `missing buckets of ${JSON.stringify(subject)}`);
}

function assertPeople(span: Span, cell: BucketCell, people: ReadonlySet<string>, lgK: number): void {
  const coupons = Uint32Array.from(new Set([...people].map(coupon))).toSorted();
  const { sketch } = cell;
  if (sketch.kind === 'coupons') {
    assert.deepEqual([...sketch.coupons], [...coupons], `people of ${span} ${cell.bucket}`);
    return;
  }
  assert.ok(coupons.length > 0.75 * 2 ** (lgK - 3), 'registers only for many people');
  const registers = new Uint8Array(2 ** lgK);
  applyCoupons(registers, coupons, 0, coupons.length);
  assert.ok(Buffer.compare(registers, sketch.registers) === 0, `registers of ${span} ${cell.bucket}`);
}
