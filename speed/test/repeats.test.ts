/**
 * Repeats in the speed layer (facts/repeat.ts) against the oracle: by eventId, visitor and page within the window, after any replay, reopening
 * or start at another cut. Also: texts with equal 64-bit hashes are told apart.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { Fact, Pageview } from '../../facts/fact.js';
import { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { namesOf, offsetAt, zeroOffsets } from '../../log/cut.js';
import { offset, type Offsets } from '../../log/log.js';
import type { NormalizedUrl } from '../../facts/url/normalize.js';
import type { BatchView } from '../../facts/views/view.js';
import { oracleView } from '../../test/oracle/batch-view.js';
import { assertRealtimeEquals } from '../../test/oracle/compare.js';
import { realtimeTally } from '../../test/oracle/layers.js';
import { ledgerOf } from '../../test/oracle/ledger.js';
import { before, countedViews } from '../../test/oracle/oracle.js';
import { rounds } from '../../test/rounds.js';
import { Generation } from '../generations/generation.js';
import { openRealtime } from '../store/read-side.js';
import { CommitThread } from '../store/commit-thread.js';
import { writePointer } from '../store/layout.js';
import { pageview, recordsOf, rules, time0 } from './facts.js';
import { MemoryLog } from './memory-log.js';
import { tempDir } from '../../test/temp-dir.js';

const numRuns = rounds(40, 100);
const lgK = 8;
const commits = new CommitThread();
const hash = new KeyedHash();
after(() => commits.close());

const browser = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';
const crawler = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';

interface SpeedOptions {
  /** Of pageviews. */
  readonly partitions: number;
  readonly window: number;
  readonly epochTuples: number;
  /** Throws to make the mapping of a visitor fail. */
  readonly onMapping: (visitor: string) => void;
  /** Throws to make the normalisation of a URL fail. */
  readonly onNormalizing: (url: string) => void;
}

/** A speed layer with one generation at a time, over a log in memory. */
class Speed {
  readonly log: MemoryLog;
  readonly #dataDir: string;
  readonly #options: SpeedOptions;
  #view: BatchView;
  #generation: Generation | undefined;

  constructor(t: TestContext | undefined, options: Partial<SpeedOptions> = {}) {
    this.#dataDir = tempDir('repeats');
    t?.after(() => this.close());
    this.#options = {
      partitions: 1,
      window: 1_000,
      epochTuples: 50,
      onMapping: () => undefined,
      onNormalizing: () => undefined,
      ...options,
    };
    this.log = new MemoryLog(this.#options.partitions);
    this.#view = this.#batchAt(zeroOffsets(this.log.partitions), 0);
  }

  /** Reopens the generation, as a new process does. */
  async open(): Promise<void> {
    await this.#generation?.close();
    const { window, epochTuples, onMapping, onNormalizing } = this.#options;
    const view = this.#view;
    const normalizeNew = (raw: string): NormalizedUrl => {
      onNormalizing(raw);
      return rules.url.normalizeNew(raw);
    };
    const url = Object.create(rules.url, { normalizeNew: { value: normalizeNew } });
    const personOf = (visitor: string): string => {
      onMapping(visitor);
      return view.personOf(visitor);
    };
    this.#generation = await Generation.open({
      dataDir: this.#dataDir,
      log: this.log,
      rules: { ...rules, url },
      hash,
      clock: () => time0,
      monotonic: () => 0,
      lgK,
      dedupWindow: window,
      epochTuples,
      bootId: 'this boot',
      commits,
      partitions: this.log.partitions,
      view: { ...view, personOf },
    });
  }

  /** Starts the generation of a batch run at this cut. */
  async begin(cut: Offsets): Promise<void> {
    await this.#generation?.destroy();
    this.#generation = undefined;
    this.#view = this.#batchAt(cut, this.#view.meta.number + 1);
    await this.open();
  }

  /** Processes the log, up to a position if given. */
  async work(limit: Partial<Offsets> = {}): Promise<void> {
    if (this.#generation === undefined) await this.open();
    while (((await this.#generation?.runEpochs({ waitMs: 0, limit })) ?? 0) > 0);
  }

  counted(): { pageviews: number; repeats: number; deadLetters: number } {
    const sum = { pageviews: 0, repeats: 0, deadLetters: 0 };
    for (const { pageviews, repeats, deadLetters } of this.#generation?.progress().values() ?? []) {
      sum.pageviews += pageviews;
      sum.repeats += repeats;
      sum.deadLetters += deadLetters;
    }
    return sum;
  }

  /** Compares all cells, and the number of repeats, with the oracle at the end of the log. */
  async compare(): Promise<void> {
    const { window } = this.#options;
    const { cut } = this.#view.meta;
    const ledger = ledgerOf(this.log.records);
    const generation = {
      from: cut.next,
      personOf: (visitor: string) => this.#view.personOf(visitor),
      window,
      rules,
    };
    writePointer(this.#dataDir, {
      partitions: this.log.partitions,
      serving: this.#view.meta.id,
      next: undefined,
    });
    const realtime = openRealtime(this.#dataDir);
    const snapshot = realtime.snapshot();
    assert.ok(snapshot !== undefined);
    assert.deepEqual(snapshot.cut.next, this.log.end());
    assertRealtimeEquals(snapshot, realtimeTally(ledger, generation, this.log.end()), lgK);
    snapshot.release();
    await realtime.close();
    const lookBack = { window: { from: cut.next, size: window } };
    const all = countedViews(ledger, rules, lookBack).uncounted.repeat;
    const covered = countedViews(before(ledger, cut.next), rules, lookBack).uncounted.repeat;
    assert.equal(this.counted().repeats, all - covered, 'repeats');
  }

  async close(): Promise<void> {
    await this.#generation?.close();
    this.#generation = undefined;
    rmSync(this.#dataDir, { recursive: true, force: true });
  }

  #batchAt(next: Offsets, number: number): BatchView {
    return oracleView(ledgerOf(this.log.records), { logId: this.log.id, next }, number, rules, lgK);
  }
}

/** What counts of these facts in a fresh speed layer, after comparing it with the oracle. */
async function countedOf(
  t: TestContext,
  facts: readonly Fact[],
): Promise<{ pageviews: number; repeats: number }> {
  const speed = new Speed(t);
  await speed.log.append(recordsOf(facts));
  await speed.work();
  await speed.compare();
  const { pageviews, repeats } = speed.counted();
  return { pageviews, repeats };
}

test('six pageviews with one eventId, of six people on six pages, all count; sent again, none does', async (t) => {
  const facts = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) =>
    pageview(`cookie:${name}`, `https://repeat.example/${name}`, { eventId: 'one for all' }),
  );
  assert.deepEqual(await countedOf(t, facts), { pageviews: 6, repeats: 0 });
  assert.deepEqual(await countedOf(t, [...facts, ...facts]), { pageviews: 6, repeats: 6 });
});

test('a repeat has eventId, visitor and page of one that counts: what does not count makes none', async (t) => {
  const first = pageview('cookie:a', 'http://example.com/x', { eventId: 'e' });
  const change = (changed: Partial<Pageview>): Pageview => ({ ...first, ...changed });
  const bot = change({ userAgent: crawler });
  const facts = [
    bot,
    change({ url: 'ftp://example.com/x' }),
    first,
    bot,
    change({ url: 'HTTP://EXAMPLE.com:80/x/#top', timestamp: time0 + 3_600_000, referrer: 'é' }), // the one repeat
    change({ url: 'http://example.com/y' }),
    change({ visitor: 'cookie:b' }),
    change({ eventId: 'f' }),
    change({ eventId: 'cookie:a', visitor: 'e' }),
  ];
  assert.deepEqual(await countedOf(t, facts), { pageviews: 5, repeats: 1 });
});

type Step =
  | { readonly kind: 'append'; readonly facts: readonly Pageview[] }
  | { readonly kind: 'work'; readonly share: number }
  | { readonly kind: 'open' }
  | { readonly kind: 'begin'; readonly share: number }
  | { readonly kind: 'fail'; readonly at: 'mapping' | 'normalizing'; readonly times: number };

const share = fc.integer({ min: 0, max: 20 }).map((twentieths) => twentieths / 20);
/** Few texts, so that there are many repeats, in several spellings; some records are not plain. */
const anyPageview = fc
  .record({
    eventId: fc.constantFrom('e', 'cookie:é'),
    visitor: fc.constantFrom('e', 'cookie:é'),
    url: fc.constantFrom('http://example.com/x', 'http://EXAMPLE.com/x/', 'http://example.com/y', 'no url'),
    userAgent: fc.constantFrom('', browser, browser, crawler),
    timestamp: fc.constantFrom(time0, time0 + 3_600_000),
  })
  .map((fields): Pageview => ({ type: 'pageview', receivedAt: time0, ...fields }));
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      facts: fc.array(anyPageview, { minLength: 1, maxLength: 25, size: 'max' }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('work' as const), share }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('open' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('begin' as const), share }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('fail' as const),
      at: fc.constantFrom('mapping' as const, 'normalizing' as const),
      times: fc.integer({ min: 1, max: 2 }),
    }),
  },
);

test('repeats are those of the window after any failure, reopening or start at another cut', async () => {
  const seen = { pageviews: 0, repeats: 0 };
  const law = fc.asyncProperty(
    fc.record({
      partitions: fc.integer({ min: 1, max: 2 }),
      window: fc.nat(9),
      epochTuples: fc.integer({ min: 1, max: 20 }),
    }),
    fc.integer({ min: 1, max: 9 }),
    fc.array(anyStep, { minLength: 2, maxLength: 12, size: 'max' }),
    async (options, batchRecords, steps) => {
      let failing = { at: '', times: 0 };
      const failAt = (at: string) => (): void => {
        if (failing.at === at && failing.times-- > 0) throw new Error('cannot be done now');
      };
      const [onMapping, onNormalizing] = [failAt('mapping'), failAt('normalizing')];
      const speed = new Speed(undefined, { ...options, onMapping, onNormalizing });
      speed.log.batchRecords = batchRecords;
      const at = (part: number): Offsets => {
        const end = speed.log.end();
        return Object.fromEntries(
          namesOf(end).map((name) => [name, offset(Math.floor(part * offsetAt(end, name)))]),
        );
      };
      const take = async (step: Step): Promise<void> => {
        if (step.kind !== 'work') failing.times = 0; // only epochs are to fail
        if (step.kind === 'append') await speed.log.append(recordsOf(step.facts));
        else if (step.kind === 'fail') failing = { ...step };
        else if (step.kind === 'work') await speed.work(at(step.share));
        else if (step.kind === 'open') await speed.open();
        else await speed.begin(at(step.share));
      };
      try {
        for (const step of steps) await take(step);
        await speed.work();
        await speed.compare();
        const { pageviews, repeats } = speed.counted();
        seen.pageviews += pageviews;
        seen.repeats += repeats;
      } finally {
        await speed.close();
      }
    },
  );
  await fc.assert(law, { numRuns });
  assert.ok(seen.pageviews > 0 && seen.repeats > 0, JSON.stringify(seen));
});

test('records after a failed slice are not processed before it: no repeat is missed', async (t) => {
  const facts = Array.from({ length: 3_000 }, (_, i) =>
    pageview(i === 900 ? 'poison' : `cookie:${i % 500}`, `http://example.com/${i === 900 ? 'poison' : ''}`, {
      eventId: `${i % 1_500}`,
    }),
  );
  for (const at of ['onMapping', 'onNormalizing'] as const) {
    let failures = 1;
    const fail = (text: string): void => {
      if (text.endsWith('poison') && failures-- > 0) throw new Error('cannot be done now');
    };
    const speed = new Speed(t, { [at]: fail, window: 2_000, epochTuples: 10_000 });
    speed.log.batchRecords = 3_000;
    await speed.log.append(recordsOf(facts));
    await speed.work();
    await speed.compare();
    assert.deepEqual(speed.counted(), { pageviews: 1_501, repeats: 1_499, deadLetters: 0 }, at);
  }
});

test('a record that was set aside makes later ones repeats, before and after a new process begins', async (t) => {
  let failures = 0;
  const onMapping = (visitor: string): void => {
    if (visitor === 'poison' && failures++ < 3) throw new Error('cannot be mapped');
  };
  const poison = pageview('poison', 'http://example.com/');
  const other = pageview('cookie:a', 'http://example.com/');
  for (const opensAgain of [false, true]) {
    failures = 0;
    const speed = new Speed(t, { onMapping });
    await speed.log.append(recordsOf([other, poison]));
    await speed.work();
    assert.deepEqual(speed.counted(), { pageviews: 1, repeats: 0, deadLetters: 1 });
    if (opensAgain) await speed.open();
    await speed.log.append(recordsOf([poison, other]));
    await speed.work();
    assert.deepEqual(speed.counted(), { pageviews: 1, repeats: 2, deadLetters: 1 });
  }
});

function failOnBroken(url: string): void {
  if (url.endsWith('/broken')) throw new Error('a rule is broken');
}

test('a record that the rules fail on is set aside, and does not stop later generations', async (t) => {
  const facts = [0, 1, 2].map((i) => pageview(`cookie:${i}`, 'http://example.com/'));
  const broken = pageview('cookie:x', 'http://example.com/broken');
  const speed = new Speed(t, { onNormalizing: failOnBroken });
  const [first, ...others] = facts;
  assert.ok(first !== undefined);
  await speed.log.append(recordsOf([first, broken, ...others, first]));
  await speed.work();
  assert.deepEqual(speed.counted(), { pageviews: 3, repeats: 1, deadLetters: 1 });
  await speed.begin(speed.log.end());
  await speed.log.append(recordsOf([...facts, pageview('cookie:y', 'http://example.com/')]));
  await speed.work();
  assert.deepEqual(speed.counted(), { pageviews: 1, repeats: 3, deadLetters: 0 });
});

/** Pairs with equal hashes by a multiply-and-rotate hash of two 32-bit halves, which was once used here. */
const collisions = {
  visitors: [
    ['cookie:aabbcAyYoWqMc', 'cookie:aabbc3BGzD9QZ'],
    ['user:abceBOg3ELy', 'user:abcVa8Hl871'],
  ],
  urls: [
    ['https://a.example/p/enkXTaov', 'https://a.example/p/guLGk4A9'],
    ['https://a.example/p/7CkgtFsb', 'https://a.example/p/u0hvAmYK'],
  ],
  eventIds: [['eventId-m6qJcrf7', 'eventId-VwWoLTJJ']],
  /** The first is a bot. */
  agents: [['Mozilla/5.0 (X11; x86_64) Mybot/v1LT', 'Mozilla/5.0 (X11; x86_64) Mya37kKXse']],
} as const;

test('texts with equal 64-bit hashes are two visitors, two pages, two events, two agents', async (t) => {
  const urlOf = 'https://a.example/';
  for (const pair of collisions.visitors)
    assert.deepEqual(
      await countedOf(
        t,
        pair.map((visitor) => pageview(visitor, urlOf, { eventId: 'e' })),
      ),
      { pageviews: 2, repeats: 0 },
      pair[0],
    );
  for (const pair of collisions.urls) {
    const facts = pair.map((url) => pageview('cookie:a', url, { eventId: 'e' }));
    assert.deepEqual(await countedOf(t, facts), { pageviews: 2, repeats: 0 }, pair[0]);
  }
  for (const pair of collisions.eventIds) {
    const facts = pair.map((eventId) => pageview('cookie:a', urlOf, { eventId }));
    assert.deepEqual(await countedOf(t, facts), { pageviews: 2, repeats: 0 }, pair[0]);
  }
  for (const [bot, human] of collisions.agents) {
    assert.ok(rules.bots.excludes(bot) && !rules.bots.excludes(human));
    const facts = [bot, human].map((userAgent) => pageview('cookie:a', urlOf, { userAgent, eventId: 'e' }));
    assert.deepEqual(await countedOf(t, facts), { pageviews: 1, repeats: 0 }, bot);
  }
});
