/**
 * Live: the whole system answers questions over HTTP while batch runs of the real batch layer are published, facts keep
 * arriving, and some views are rolled back. Every answer must equal the oracle at the cut and with the mapping it names,
 * and no cut may lie behind an earlier one's.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Fact } from '../facts/fact.js';
import { reaches } from '../log/cut.js';
import type { NewRecord, Offsets } from '../log/log.js';
import { hourMs } from '../lib/time/buckets.js';
import type { Subject } from '../facts/views/view.js';
import { readCurrent } from '../serving/current.js';
import { rollBack } from '../serving/store.js';
import { equiv, hour0, pageview, recordsOf, rules } from '../speed/test/facts.js';
import { MemoryLog } from '../speed/test/memory-log.js';
import { below, seededRandom } from '../topology/random.js';
import { OracleAnswers } from './oracle/answers.js';
import { nameOf } from './oracle/compare.js';
import { ledgerOf } from './oracle/ledger.js';
import { eventually } from './eventually.js';
import { rounds } from './rounds.js';
import { startTestSystem, type Answer, type TestSystem } from './running-system.js';

const publications = rounds(8, 20);
const answersBetween = 200;
const rollBackEvery = 7;
const askers = 8;
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

const lateHour = hour0 - 9_600;
const pages = Array.from({ length: 6 }, (_, i) => `http://example.com/${i}`);
const subjects: readonly Subject[] = [
  ...pages.map((url): Subject => ({ kind: 'page', url })),
  { kind: 'domain', domain: 'example.com' },
];

test(`${publications} batch runs are published under at least ${answersBetween} answers each: all equal the oracle (seed ${seed})`, async (t) => {
  const live = await Live.start(t);
  for (let round = 1; round <= publications; round++) {
    const asked = live.answers;
    await live.append(traffic(round));
    await live.runBatch();
    if (round % rollBackEvery === 0) await live.rollBack();
    await eventually('enough answers', () => live.answers >= asked + answersBetween || undefined);
  }
  const generations = await live.stop();
  assert.ok(generations >= publications, `answers of ${generations} generations`);
});

class Live {
  answers = 0;
  readonly #t: TestContext;
  readonly #swa: TestSystem;
  /** All records of the log, and where they are in it. */
  readonly #ledger: MemoryLog;
  readonly #oracle: OracleAnswers;
  readonly #ending = new AbortController();
  readonly #work: Promise<unknown>;
  readonly #generations = new Set<string>();
  readonly #began = performance.now();
  #appending: Promise<void> = Promise.resolve();

  static async start(t: TestContext): Promise<Live> {
    const swa = await startTestSystem(t, { partitions: 3, sinkIntervalMs: 50, httpRatePerMinute: 0 });
    const live = new Live(t, swa);
    t.after(() => live.#end());
    return live;
  }

  private constructor(t: TestContext, swa: TestSystem) {
    this.#t = t;
    this.#swa = swa;
    this.#ledger = new MemoryLog(swa.config.partitions);
    this.#oracle = new OracleAnswers(() => ledgerOf(this.#ledger.records), {
      rules,
      window: swa.config.dedupWindow,
    });
    const random = seededRandom(seed);
    const asking = Array.from({ length: askers }, () => this.#ask((bound) => below(random, bound)));
    this.#work = Promise.all([...asking, this.#feed()]);
    this.#work.catch(() => this.#ending.abort()); // whoever stops it is told
  }

  /** Both logs get the facts in the same order. */
  append(facts: readonly Fact[]): Promise<void> {
    const records = recordsOf(facts);
    this.#appending = this.#appendAfter(this.#appending, records);
    return this.#appending;
  }

  async #appendAfter(earlier: Promise<void>, records: readonly NewRecord[]): Promise<void> {
    await earlier;
    await this.#ledger.append(records); // first: an answer may hold a record before its append returns
    await this.#swa.system.log.append(records);
  }

  /** A run over all facts appended until now; resolves when answers are made with its view. */
  async runBatch(): Promise<void> {
    await this.#appending;
    const end = this.#ledger.end();
    const asked = await fetch(`${this.#swa.system.origin}/v1/batches`, { method: 'POST' });
    assert.equal(asked.status, 202, await asked.text());
    await this.#untilServing('a batch view of all facts', ({ batch }) => reaches(batch.cut, end));
  }

  /** To the view before. */
  async rollBack(): Promise<void> {
    const { dataDir } = this.#swa.config;
    const left = readCurrent(dataDir);
    const { id } = await rollBack(dataDir);
    assert.notEqual(id, left);
    await this.#untilServing('the view before', ({ generation }) => generation === id);
  }

  /** How many generations answered. Rejects with the first wrong answer. */
  async stop(): Promise<number> {
    const seconds = (performance.now() - this.#began) / 1_000;
    this.#t.diagnostic(`${this.answers} answers checked, ${Math.round(this.answers / seconds)} a second`);
    await this.#end();
    return this.#generations.size;
  }

  async #end(): Promise<void> {
    this.#ending.abort();
    await this.#work;
  }

  async #untilServing(what: string, isThere: (freshness: Answer['freshness']) => boolean): Promise<void> {
    await eventually(what, async () => {
      if (this.#ending.signal.aborted) await this.#work; // rejects with what was wrong
      const { freshness } = await this.#swa.ask(
        pathOf('uniques', { kind: 'page', url: pages[0] ?? '' }, 0, 1),
      );
      return isThere(freshness) || undefined;
    });
  }

  async #feed(): Promise<void> {
    for (let i = 0; !this.#ending.signal.aborted; i++) {
      await this.append(traffic(1_000 + i).slice(0, 12));
      await delay(50);
    }
  }

  async #ask(random: (bound: number) => number): Promise<void> {
    let reached: Partial<Offsets> = {};
    while (!this.#ending.signal.aborted) {
      const subject = subjects[random(subjects.length)];
      assert.ok(subject !== undefined);
      const from = random(5) === 0 ? lateHour - random(3) : hour0 - random(30);
      const to = from + 1 + random(60);
      const what = random(2) === 0 ? 'uniques' : 'pageviews';
      const answer = await this.#swa.ask(pathOf(what, subject, from, to));
      const { generation, batch, realtime } = answer.freshness;
      const cut = realtime?.cut ?? batch.cut;
      assert.ok(reaches(cut, reached), `${JSON.stringify(cut)} after ${JSON.stringify(reached)}`);
      reached = cut;
      const expected = this.#oracle.count(batch.cut, cut, subject, from, to);
      const told = `${what} of ${nameOf(subject)} [${from}, ${to}) at ${JSON.stringify(answer.freshness)}`;
      if (what === 'uniques') assert.equal(answer.data.visitors, expected.visitors, told);
      else assert.equal(answer.data.pageviews, expected.pageviews, told);
      this.#generations.add(generation);
      this.answers++;
    }
  }
}

function pathOf(what: 'uniques' | 'pageviews', subject: Subject, from: number, to: number): string {
  const query = new URLSearchParams({
    ...(subject.kind === 'page' ? { url: subject.url } : { domain: subject.domain }),
    from: new Date(from * hourMs).toISOString(),
    to: new Date(to * hourMs).toISOString(),
  });
  return `/v1/${what}?${query.toString()}`;
}

/** Views of few pages by few people, some late, some told again, and an edge that is taken back now and then. */
function traffic(round: number): Fact[] {
  const views = Array.from({ length: 40 }, (_, i) => {
    const hour = i % 10 === 0 ? lateHour : hour0 - (i % 24);
    return pageview(`user:p${(i * 7 + round) % 60}`, pages[(i + round) % pages.length] ?? '', {
      timestamp: hour * hourMs,
    });
  });
  const ends = [`user:p${round % 60}`, `user:p${(round * 3 + 1) % 60}`] as const;
  const edges = ends[0] === ends[1] ? [] : [equiv(...ends, { timestamp: hour0 * hourMs + round })];
  const taken = round % 3 === 0 ? edges.map((edge) => equiv(edge.a, edge.b, { type: 'retract' as const, timestamp: edge.timestamp + 1 })) : []; // prettier-ignore
  return [...edges, ...views, ...taken, ...views.slice(0, 5)];
}
