/**
 * Dimensions in the speed layer: every pageview that counts also counts in one cell of each kept dimension of its domain, also after replays and
 * reopening. Expected cells are plain Maps.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { HllUnion, coupon } from 'hyperloglog-ts';
import { domainOf } from '../../facts/url/domain.js';
import { DimensionRules } from '../../facts/dimensions/dimension-rules.js';
import { tagsOf } from '../../facts/dimensions/tags.js';
import { maxValueBytes } from '../../facts/dimensions/value.js';
import type { Pageview } from '../../facts/fact.js';
import { makeRules, type Rules } from '../../facts/rules.js';
import type { BatchView, LocalRealtimeView, ValueSubject, ViewId } from '../../facts/views/view.js';
import { Findings } from '../../lib/errors/finding.js';
import { widthOf } from '../../lib/time/buckets.js';
import { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { zeroOffsets } from '../../log/cut.js';
import { oracleView } from '../../test/oracle/batch-view.js';
import { Generation } from '../generations/generation.js';
import { CommitThread } from '../store/commit-thread.js';
import { auditStores } from '../store/audit.js';
import { cellKey, parseCellKey } from '../store/cell-key.js';
import { CellMerger } from '../store/cell-merger.js';
import { CellSubject } from '../store/cell-subject.js';
import { storeDir, writePointer } from '../store/layout.js';
import { openRealtime } from '../store/read-side.js';
import { openDatabase } from '../store/store-files.js';
import { readBootId } from '../store/store-meta.js';
import { hour0, pageview, recordsOf, rules, time0 } from './facts.js';
import { MemoryLog } from './memory-log.js';
import { tempDir } from '../../test/temp-dir.js';

const lgK = 8;
const hash = new KeyedHash();
const commits = new CommitThread();
after(() => commits.close());

const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';
const chrome =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36';

/** A generation over a log in memory, which may be opened again with other rules. */
class Speed {
  readonly log = new MemoryLog(2);
  readonly #dataDir = tempDir('dimensions');
  #generation: Generation | undefined;

  constructor(t?: TestContext) {
    t?.after(() => this.close());
  }

  /** Processes the whole log. @param personOf may throw */
  async work(withRules: Rules = rules, personOf: (visitor: string) => string = String): Promise<ViewId> {
    await this.#generation?.close();
    const cut = { logId: this.log.id, next: zeroOffsets(this.log.partitions) };
    const view: BatchView = { ...oracleView([], cut, 1, withRules, lgK), personOf };
    writePointer(this.#dataDir, {
      partitions: this.log.partitions,
      serving: view.meta.id,
      next: undefined,
    });
    this.#generation = await Generation.open({
      dataDir: this.#dataDir,
      log: this.log,
      rules: withRules,
      hash,
      clock: () => time0,
      monotonic: () => 0,
      lgK,
      dedupWindow: 1_000_000,
      epochTuples: 40,
      bootId: readBootId(),
      commits,
      partitions: this.log.partitions,
      view,
    });
    while ((await this.#generation.runEpochs({ waitMs: 0, limit: {} })) > 0);
    return view.meta.id;
  }

  async read(look: (view: LocalRealtimeView) => void): Promise<void> {
    const realtime = openRealtime(this.#dataDir);
    const view = realtime.snapshot();
    assert.ok(view !== undefined);
    look(view);
    view.release();
    await realtime.close();
  }

  /** Number of cells of values. */
  async valueKeys(): Promise<number> {
    let keys = 0;
    for (const partition of this.log.partitions) {
      const db = openDatabase(storeDir(this.#dataDir, this.#generation?.id ?? assert.fail(), partition));
      for (const key of db.getKeys({ start: Buffer.of(1) })) if (parseCellKey(key)?.kind === 'value') keys++;
      await db.close();
    }
    return keys;
  }

  /** Findings of the audit of the stores. */
  async findings(): Promise<readonly string[]> {
    await this.#generation?.close();
    this.#generation = undefined; // its files are complete when it is closed
    const report = new Findings();
    auditStores(this.#dataDir, report);
    return report.findings.map(({ finding }) => finding);
  }

  /** Adds a cell with one pageview directly to the store. */
  async addCell(generation: ViewId, subject: CellSubject): Promise<void> {
    const partition = this.log.partitions.find((name) => this.log.end()[name] === 1) ?? assert.fail();
    const db = openDatabase(storeDir(this.#dataDir, generation, partition));
    await db.put(cellKey(subject, hour0), new CellMerger(lgK).merge(undefined, Uint32Array.of(5), ''));
    await db.close();
  }

  pageviews(): number {
    return [...(this.#generation?.progress().values() ?? [])].reduce((sum, each) => sum + each.pageviews, 0);
  }

  async close(): Promise<void> {
    await this.#generation?.close();
    rmSync(this.#dataDir, { recursive: true, force: true });
  }
}

interface ExpectedCell {
  pageviews: number;
  readonly people: Set<string>;
}

/** By dimension and domain, then by value, then by hour. */
type Expected = Map<string, Map<string, Map<number, ExpectedCell>>>;

function inMap<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

/** The rules applied to each pageview; there must be no repeats. */
function expectedOf(facts: readonly Pageview[], by: Rules = rules): Expected {
  const expected: Expected = new Map();
  for (const { url, referrer = '', userAgent = '', country = '', timestamp, visitor } of facts) {
    const normalized = by.url.normalize(url);
    if (!normalized.ok || by.bots.excludes(userAgent)) continue;
    const page = normalized.url;
    const domain = domainOf(page);
    const texts = { page, tags: tagsOf(url), referrer, userAgent, country };
    by.dimensions.valuesOf(texts, domain).forEach((value, i) => {
      if (value === '') return;
      const name = JSON.stringify([by.dimensions.kept[i]?.name, domain]);
      const values = inMap(expected, name, () => new Map());
      const cell = inMap(
        inMap(values, value, () => new Map()),
        widthOf(60).at(timestamp),
        () => ({
          pageviews: 0,
          people: new Set(),
        }),
      );
      cell.pageviews++;
      cell.people.add(visitor);
    });
  }
  return expected;
}

/** Compares listings, counts and sketches. */
function assertHolds(view: LocalRealtimeView, expected: Expected): void {
  for (const [name, values] of expected) {
    const [dimension, domain]: [string, string] = JSON.parse(name);
    const sums = [...values].map(([value, hours]): [string, number] => [
      value,
      [...hours.values()].reduce((sum, { pageviews }) => sum + pageviews, 0),
    ]);
    assert.deepEqual(listed(view, dimension, domain), new Map(sums), name);
    for (const [value, hours] of values)
      assertCells(view, { kind: 'value', dimension, domain, value }, hours);
  }
}

function assertCells(
  view: LocalRealtimeView,
  subject: ValueSubject,
  hours: ReadonlyMap<number, ExpectedCell>,
): void {
  const found = new Map<number, { pageviews: number; union: HllUnion }>();
  view.forEachBucket(subject, 0, 2 ** 31, (cell) => {
    const of = inMap(found, cell.bucket, () => ({ pageviews: 0, union: new HllUnion({ lgK }) }));
    of.pageviews += cell.pageviews;
    cell.addTo(of.union);
  });
  assert.deepEqual(new Set(found.keys()), new Set(hours.keys()), `hours of ${subject.value}`);
  for (const [hour, { pageviews, people }] of hours) {
    const cell = found.get(hour);
    assert.equal(cell?.pageviews, pageviews, `pageviews of ${subject.value}`);
    const union = new HllUnion({ lgK }).addCoupons(Uint32Array.from([...people], coupon));
    assert.deepEqual(
      cell?.union.toSketch().toBytes(),
      union.toSketch().toBytes(),
      `people of ${subject.value}`,
    );
  }
}

/** Pageviews by value, summed over partitions. */
function listed(
  view: LocalRealtimeView,
  dimension: string,
  domain: string,
  from = 0,
  to = 2 ** 31,
): Map<string, number> {
  const values = new Map<string, number>();
  for (const { value, pageviews } of [...view.values(dimension, domain, from, to)].flat())
    values.set(value, (values.get(value) ?? 0) + pageviews);
  return values;
}

test('a pageview counts for its source and its browser, in its own domain', async (t) => {
  const speed = new Speed(t);
  const site = 'https://www.shop.example/x';
  const facts = [
    pageview('a', `${site}?utm_source=Letter&utm_campaign=may`, { referrer: 'https://search.example/q' }),
    pageview('b', site, { referrer: 'https://www.search.example/find?q=x', userAgent: firefox }),
    pageview('c', site, { referrer: 'https://blog.shop.example/', userAgent: chrome }), // its own domain
    pageview('d', site, { referrer: 'not a URL' }),
    pageview('e', site),
    pageview('f', `${site}?utm_source=r%C3%A9seau`, { userAgent: firefox, country: 'DE' }),
    pageview('g', `${site}?utm_source=r\u00e9seau`, { timestamp: time0 + 3_600_000 }),
    pageview('h', `${site}?utm_source=${'\u6f22'.repeat(100)}`),
    pageview('i', 'https://other.example/', { referrer: site, userAgent: firefox }),
    pageview('i', 'https://other.example/y', { referrer: site, userAgent: firefox }),
    pageview('j', 'http://not a host/', { referrer: site }), // has no page
  ];
  await speed.log.append(recordsOf(facts));
  await speed.work();
  await speed.read((view) => {
    const cut = '\u6f22'.repeat(Math.floor(maxValueBytes / 3));
    assert.deepEqual(
      listed(view, 'source', 'shop.example'),
      new Map([
        ['letter', 1],
        ['search.example', 1],
        ['direct', 3],
        ['r\u00e9seau', 2],
        [cut, 1],
      ]),
    );
    assert.deepEqual(
      listed(view, 'browser', 'shop.example'),
      new Map([
        ['unknown', 5],
        ['firefox', 2],
        ['chrome', 1],
      ]),
    );
    assert.deepEqual(listed(view, 'source', 'other.example'), new Map([['shop.example', 2]]));
    assert.deepEqual(listed(view, 'browser', 'other.example'), new Map([['firefox', 2]]));
    assert.deepEqual(
      listed(view, 'source', 'shop.example', hour0 + 1, hour0 + 2),
      new Map([['r\u00e9seau', 1]]),
    );
    assert.deepEqual(listed(view, 'source', 'op.example'), new Map());
    assert.deepEqual(listed(view, 'sourc', 'shop.example'), new Map());
    assertHolds(view, expectedOf(facts));
    for (const value of ['none such', 'Letter', 'x'.repeat(5_000), 'x\u0000'])
      assertCells(view, { kind: 'value', dimension: 'source', domain: 'shop.example', value }, new Map());
  });
});

const texts = {
  url: fc
    .tuple(
      fc.constantFrom(
        'https://a.example/',
        'https://www.a.example/x',
        'http://b.example/',
        'http://b.example.org/',
      ),
      fc.constantFrom(
        '',
        '?utm_source=a.example',
        '?utm_source=News%20',
        '?x=1&utm_source=%f0%9f%8c%8d',
        '?utm_source=',
      ),
    )
    .map((parts) => parts.join('')),
  referrer: fc.constantFrom(
    '',
    'https://a.example/z',
    'http://b.example/',
    'https://s.example/?q',
    'https://bücher.example/',
    'x"',
  ),
  userAgent: fc.constantFrom('', firefox, chrome, 'curl', 'é'),
};
const fact = fc.record({
  ...texts,
  visitor: fc.nat(60).map((n) => `cookie:${n}`),
  hour: fc.nat(2),
  isPlain: fc.boolean(),
});

test('all cells equal the rules applied to each pageview, after failed epochs and after a restart', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fact, { maxLength: 300 }), fc.nat(300), async (all, half) => {
      const speed = new Speed();
      try {
        const facts = all.map(({ visitor, url, hour, referrer, userAgent, isPlain }) =>
          pageview(visitor, url, {
            timestamp: time0 + hour * 3_600_000,
            ...(userAgent === '' ? {} : { userAgent }),
            ...(referrer === '' ? {} : { referrer }),
            ...(isPlain ? {} : { importId: 'é' }), // needs the decoder
          }),
        );
        let failures = 0;
        const personOf = (visitor: string): string => {
          if (visitor === 'cookie:7' && failures++ < 2) throw new Error('cannot be mapped now');
          return visitor;
        };
        await speed.log.append(recordsOf(facts.slice(0, half)));
        await speed.work(rules, personOf);
        await speed.log.append(recordsOf(facts.slice(half)));
        await speed.work(rules);
        await speed.read((view) => assertHolds(view, expectedOf(facts)));
      } finally {
        await speed.close();
      }
    }),
    { numRuns: Number(process.env['RUNS'] ?? 20) },
  );
});

test('people of a value are counted in registers once they are many', async (t) => {
  const speed = new Speed(t);
  const facts = Array.from({ length: 900 }, (_, i) =>
    pageview(`cookie:${i % 500}`, `https://a.example/${i % 3}`, {
      userAgent: i % 4 === 0 ? firefox : chrome,
    }),
  );
  await speed.log.append(recordsOf(facts));
  await speed.work();
  await speed.read((view) => assertHolds(view, expectedOf(facts)));
});

test('a rule is applied once to a text that comes again and again', async (t) => {
  const asked: string[] = [];
  const rule = (text: string): string => {
    asked.push(text);
    return text;
  };
  const table = [
    {
      name: 'agent',
      label: '',
      title: '',
      version: '1',
      choices: [
        { text: 'tags', result: 'agent', rule },
        { text: 'userAgent', result: 'agent', rule },
      ],
    },
    {
      name: 'land',
      label: '',
      title: '',
      version: '1',
      choices: [{ text: 'country', result: 'land', rule }],
    },
  ] as const;
  const counting = { ...rules, dimensions: new DimensionRules(['all'], table) };
  const speed = new Speed(t);
  const facts = Array.from({ length: 300 }, (_, i) =>
    pageview(`cookie:${i}`, `https://a.example/?utm_source=s&x=${i}`, {
      userAgent: firefox,
      ...(i % 2 === 0 ? { country: 'DE' } : {}),
    }),
  );
  await speed.log.append(recordsOf(facts));
  await speed.work(counting);
  assert.deepEqual(asked.toSorted(), ['DE', firefox, 'utm_source=s'].toSorted());
  await speed.read((view) => {
    assertHolds(view, expectedOf(facts, counting));
    assert.deepEqual(listed(view, 'land', 'a.example'), new Map([['de', 150]]));
  });
});

test('a store whose values hold more pageviews than were counted is found', async (t) => {
  const speed = new Speed(t);
  await speed.log.append(recordsOf([pageview('a', 'https://a.example/')]));
  const generation = await speed.work();
  assert.deepEqual(await speed.findings(), []);
  await speed.addCell(generation, CellSubject.value('source', 'a.example', 'more'));
  const [found, ...others] = await speed.findings();
  assert.match(found ?? '', /it has counted 1 pageviews, but its values of source hold 2/);
  assert.deepEqual(others, []);
});

test('repeats and bots count for no value', async (t) => {
  const speed = new Speed(t);
  const first = pageview('a', 'https://a.example/', { userAgent: firefox });
  const crawler = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';
  await speed.log.append(
    recordsOf([first, first, pageview('b', 'https://a.example/', { userAgent: crawler })]),
  );
  await speed.work();
  await speed.read((view) => {
    assert.deepEqual(listed(view, 'browser', 'a.example'), new Map([['firefox', 1]]));
    assertHolds(view, expectedOf([first]));
  });
});

test('without dimensions no value is stored; a store of other dimensions is made again', async (t) => {
  const speed = new Speed(t);
  const none = makeRules({ urlQueryAllow: [], bots: 'exclude', dimensions: [] });
  const one = makeRules({ urlQueryAllow: [], bots: 'exclude', dimensions: ['browser'] });
  const two = makeRules({ urlQueryAllow: [], bots: 'exclude', dimensions: ['source', 'browser'] });
  const facts = [
    pageview('a', 'https://a.example/', { userAgent: firefox }),
    pageview('b', 'https://a.example/'),
  ];
  await speed.log.append(recordsOf(facts));
  for (const [by, keys] of [
    [none, 0],
    [two, 3],
    [one, 2],
    [none, 0],
  ] as const) {
    await speed.work(by);
    assert.equal(speed.pageviews(), 2);
    assert.equal(await speed.valueKeys(), keys);
    await speed.read((view) => {
      assertHolds(view, expectedOf(facts, by));
      for (const dimension of ['source', 'browser'])
        if (!by.dimensions.kept.some(({ name }) => name === dimension))
          assert.deepEqual([...view.values(dimension, 'a.example', 0, 2 ** 31)], []);
    });
  }
});

test('a dimension whose values explode: every value is counted, long listings pause', async (t) => {
  const speed = new Speed(t);
  const facts = Array.from({ length: 4_000 }, (_, i) =>
    pageview(`cookie:${i}`, 'https://a.example/', {
      referrer: `https://spam-${i}.example/`,
      userAgent: `${firefox} Layout/${i % 50}`,
    }),
  );
  await speed.log.append(recordsOf(facts));
  await speed.work();
  await speed.read((view) => {
    assert.equal(listed(view, 'source', 'a.example').size, 4_000);
    assert.ok([...view.values('source', 'a.example', 0, 2 ** 31)].every((block) => block.length <= 1_000));
    assertHolds(view, expectedOf(facts));
  });
});
