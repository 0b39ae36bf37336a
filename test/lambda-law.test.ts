/**
 * The lambda law: for every cut, batch(facts before it) merged with speed(facts after it, same mapping) equals the batch
 * computation over all facts with that mapping: counts equal, sketch registers bit for bit. And what the next batch run
 * would say of the same facts, with the mapping of this cut, lies as near as the answer promises.
 *
 * Random histories of pageviews (late ones, bots, repeats across cuts), equiv edges, retractions, batch runs at random
 * cuts, crashes and losses, in simulated time, against the oracle. `RUNS=100000` for a long night.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { SwaError } from '../lib/errors.js';
import type { Fact } from '../lib/facts/fact.js';
import { KeyedHash } from '../lib/hash/keyed-hash.js';
import { namesOf, offsetAt, zeroOffsets } from '../lib/log/cut.js';
import { offset, type NewRecord, type Offsets } from '../lib/log/log.js';
import type { BatchView, RealtimeView } from '../lib/views/view.js';
import { Generation } from '../speed/generation.js';
import { openRealtime, type Realtime } from '../speed/read-side.js';
import { CommitThread } from '../speed/store/commit-thread.js';
import { storeDir, writePointer } from '../speed/store/layout.js';
import { equiv, pageview, recordsOf, rules, time0 } from '../speed/test/facts.js';
import { MemoryLog } from '../speed/test/memory-log.js';
import { oracleView } from './oracle/batch-view.js';
import { assertTogetherEqual } from './oracle/compare.js';
import { generationTally } from './oracle/layers.js';
import { ledgerOf } from './oracle/ledger.js';
import { before, personsOf } from './oracle/oracle.js';

const histories = Number(process.env['RUNS'] ?? 1_000);
/** Small enough that a few people more than 24 turn a sketch to registers. */
const lgK = 8;
const dedupWindow = 100_000;
const commits = new CommitThread();
after(() => commits.close());

type FactSpec =
  | {
      readonly kind: 'view';
      readonly visitor: number;
      readonly page: number;
      readonly hour: number;
      readonly bot: boolean;
    }
  | {
      readonly kind: 'edge';
      readonly a: number;
      readonly b: number;
      readonly retract: boolean;
      readonly at: number;
    }
  | { readonly kind: 'repeat'; readonly of: number };

type Step =
  | { readonly kind: 'append'; readonly facts: readonly FactSpec[] }
  | { readonly kind: 'epochs'; readonly count: number; readonly tuples: number }
  | { readonly kind: 'batch'; readonly shares: readonly number[] }
  | { readonly kind: 'crash' }
  | { readonly kind: 'lose'; readonly partition: number }
  | { readonly kind: 'check' };

const visitorNumber = fc.nat(39);
const factSpec: fc.Arbitrary<FactSpec> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('view' as const),
      visitor: visitorNumber,
      page: fc.nat(4),
      hour: fc.oneof(fc.nat(2), fc.constant(-9_600)),
      bot: fc.nat(9).map((chance) => chance === 0),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('edge' as const),
      a: visitorNumber,
      b: visitorNumber,
      retract: fc.boolean(),
      at: fc.nat(5),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('repeat' as const), of: fc.nat(500) }) },
);

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      facts: fc.array(factSpec, { minLength: 1, maxLength: 30 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('epochs' as const),
      count: fc.integer({ min: 1, max: 4 }),
      tuples: fc.integer({ min: 1, max: 25 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('batch' as const),
      shares: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), partition: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('check' as const) }) },
);

test(`the lambda law holds in ${histories} random histories`, async (t) => {
  const memory = '/dev/shm'; // thousands of small directories with their fsyncs: in memory where there is such a place
  const base = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), 'swa-law-'));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  let number = 0;
  const law = fc.asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 14 }), async (steps) => {
    const history = await History.begin(join(base, String(number++)));
    try {
      for (const each of steps) await history.take(each);
      await history.finish();
    } finally {
      await history.end();
    }
  });
  await fc.assert(law, { numRuns: histories });
});

class History {
  readonly #dataDir: string;
  readonly #log = new MemoryLog(2);
  readonly #records: NewRecord[] = [];
  readonly #realtime: Realtime;
  #view: BatchView;
  #generation: Generation | undefined;
  #batches = 0;
  #epochTuples = 10;

  private constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#realtime = openRealtime(dataDir);
    this.#view = this.#batch(zeroOffsets(this.#log.partitions));
  }

  static async begin(dataDir: string): Promise<History> {
    const history = new History(dataDir);
    await history.#open();
    return history;
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'append':
        return this.#append(step.facts);
      case 'epochs':
        return this.#epochs(step.count, step.tuples);
      case 'batch':
        return this.#newGeneration(step.shares);
      case 'crash':
        return this.#reopen();
      case 'lose':
        return this.#lose(step.partition);
      case 'check':
        return this.#check();
    }
  }

  /** Catches up; now the view must be there. */
  async finish(): Promise<void> {
    await this.#epochs(Number.POSITIVE_INFINITY, this.#epochTuples);
    const snapshot = this.#realtime.snapshot();
    assert.deepEqual(snapshot?.cut.next, this.#log.end());
    snapshot?.release();
    this.#check();
  }

  async end(): Promise<void> {
    await this.#generation?.close();
    await this.#realtime.close();
    rmSync(this.#dataDir, { recursive: true, force: true });
  }

  async #append(specs: readonly FactSpec[]): Promise<void> {
    for (const spec of specs) {
      const repeated =
        spec.kind === 'repeat' ? this.#records[spec.of % Math.max(1, this.#records.length)] : undefined;
      const records = repeated === undefined ? recordsOf(factsOf(spec)) : [repeated];
      this.#records.push(...records);
      await this.#log.append(records);
    }
  }

  async #epochs(count: number, tuples: number): Promise<void> {
    if (tuples !== this.#epochTuples) {
      this.#epochTuples = tuples;
      await this.#reopen();
    }
    const limit = this.#positionsAfter(count * tuples);
    while (((await this.#generation?.runEpochs({ waitMs: 0, limit })) ?? 0) > 0);
  }

  /** So many records on, in each partition. */
  #positionsAfter(records: number): Offsets {
    const end = this.#log.end();
    const from = this.#generation?.positions() ?? zeroOffsets(this.#log.partitions);
    return Object.fromEntries(
      namesOf(end).map((name) => [
        name,
        offset(Math.min(offsetAt(from, name) + records, offsetAt(end, name))),
      ]),
    );
  }

  /** A batch run at a cut between the last one and the end of the log; the next generation takes over at once. */
  async #newGeneration(shares: readonly number[]): Promise<void> {
    const from = this.#view.meta.cut.next;
    const end = this.#log.end();
    const cut = namesOf(end).map((name, i) => {
      const least = offsetAt(from, name);
      return [name, offset(least + Math.floor((offsetAt(end, name) - least) * (shares[i] ?? 0)))];
    });
    await this.#generation?.destroy();
    this.#view = this.#batch(Object.fromEntries(cut) as Offsets);
    await this.#open();
  }

  #batch(next: Offsets): BatchView {
    return oracleView(
      ledgerOf(this.#log.records),
      { logId: this.#log.id, next },
      this.#batches++,
      rules,
      lgK,
    );
  }

  async #reopen(): Promise<void> {
    await this.#generation?.close();
    await this.#open();
  }

  async #lose(partition: number): Promise<void> {
    await this.#generation?.close();
    rmSync(storeDir(this.#dataDir, this.#view.meta.id, `pageviews/${partition}`), { recursive: true });
    await this.#open();
  }

  async #open(): Promise<void> {
    this.#generation = await Generation.open({
      dataDir: this.#dataDir,
      log: this.#log,
      rules,
      hash: new KeyedHash(),
      clock: () => time0,
      lgK,
      dedupWindow,
      epochTuples: this.#epochTuples,
      bootId: 'this boot',
      commits,
      partitions: this.#log.partitions,
      view: this.#view,
    });
    writePointer(this.#dataDir, {
      partitions: this.#log.partitions,
      serving: this.#view.meta.id,
      next: undefined,
    });
  }

  #check(): void {
    let snapshot: RealtimeView | undefined;
    try {
      snapshot = this.#realtime.snapshot();
    } catch (error) {
      if (error instanceof SwaError && error.retryable) return; // lost, and not yet as far as it was
      throw error;
    }
    assert.ok(snapshot !== undefined);
    try {
      assertLaw(this.#view, snapshot, this.#log);
    } finally {
      snapshot.release();
    }
  }
}

function assertLaw(batch: BatchView, realtime: RealtimeView, log: MemoryLog): void {
  const ledger = ledgerOf(log.records);
  const { next } = realtime.cut;
  const personOf = (visitor: string): string => batch.personOf(visitor);
  const generation = { from: batch.meta.cut.next, personOf, window: dedupWindow, rules };
  const all = generationTally(ledger, generation, next);
  assertTogetherEqual(batch, realtime, all);
  const asNextRun = generationTally(
    ledger,
    { ...generation, personOf: personsOf(before(ledger, next)) },
    next,
  );
  for (const [name, buckets] of all.subjects) {
    for (const [bucket, { people }] of buckets) {
      const change = (asNextRun.subjects.get(name)?.get(bucket)?.people.size ?? 0) - people.size;
      assert.ok(-change <= realtime.equivsAfterBatchCut, `${name} in ${bucket} falls by ${-change}`);
      assert.ok(change <= realtime.retractionsAfterBatchCut, `${name} in ${bucket} rises by ${change}`);
    }
  }
}

const crawler = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';

function factsOf(spec: FactSpec): Fact[] {
  if (spec.kind === 'view') {
    const site = spec.page % 2 === 0 ? 'http://example.com' : 'http://www.example.org';
    const change = { timestamp: time0 + spec.hour * 3_600_000, ...(spec.bot ? { userAgent: crawler } : {}) };
    return [pageview(`cookie:${spec.visitor}`, `${site}/${spec.page}`, change)];
  }
  if (spec.kind === 'edge' && spec.a !== spec.b) {
    const type = spec.retract ? ('retract' as const) : ('equiv' as const);
    return [equiv(`cookie:${spec.a}`, `cookie:${spec.b}`, { type, timestamp: time0 + spec.at })];
  }
  return [];
}
