import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { coupon } from 'hyperloglog-ts';
import { compareUtf8 } from '../../facts/fact.js';
import { dimensions } from '../../facts/subjects.js';
import { SketchCell } from '../../facts/views/sketch-cell.js';
import type { BatchView, ValueCount } from '../../facts/views/view.js';
import { breakdown } from '../answers/breakdown.js';
import { pagedTop, topOf } from '../answers/top.js';
import type { Engine } from '../engine/engine.js';
import { valuesOf } from '../engine/listing.js';
import { Pace } from '../engine/pace.js';
import { ask, type AskInput } from '../inquiries.js';
import { FakeBatchView, FakeRealtimeView, type View, show } from './fakes.js';
import { engineOver, serve } from './server.js';
import { stallLimitMs, watchStalls } from './stalls.js';

const hour0 = 480_000;
const domain = 'example.org';
const by = dimensions[0]?.name ?? '';

interface Row {
  readonly value: string;
  readonly visitors: number;
  readonly pageviews: number;
  readonly lower: number;
  readonly upper: number;
  readonly exact: boolean;
}

interface Data {
  readonly by: string;
  readonly values: readonly Row[];
  readonly more: boolean;
  readonly others: { readonly atLeast: number; readonly atMost: number };
  readonly emptyReason?: string;
}

async function dataOf(engine: Engine, hours: readonly [number, number], input: AskInput = {}): Promise<Data> {
  const [from, to] = hours.map((hour) => show(hour0 + hour));
  const { body } = await ask(engine, 'breakdown', { domain, by, from: from ?? '', to: to ?? '', ...input });
  return body.data as unknown as Data;
}

function viewOf(visitor: string, value: string | undefined, hour = 0): View {
  return {
    visitor,
    url: `https://${domain}/`,
    hour: hour0 + hour,
    ...(value === undefined ? {} : { values: { [by]: value } }),
  };
}

const names = ['direct', 'a.example', 'b.example', 'ü', '\u{1F600}', '\uFF5E', 'c', 'd', 'e', 'f', undefined];
const viewArbitrary: fc.Arbitrary<View> = fc
  .tuple(
    fc.integer({ min: 0, max: 9 }),
    fc.oneof(fc.constantFrom(...names.slice(0, 3)), fc.constantFrom(...names)),
    fc.integer({ min: 0, max: 40 }),
    fc.boolean(),
  )
  .map(([visitor, value, hour, isOfOther]) => {
    const view = viewOf(`v${visitor}`, value, hour);
    return isOfOther ? { ...view, url: 'https://other.example/' } : view;
  });

test('values are those of a full count by people, whatever range and layer they were seen in', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(viewArbitrary, { maxLength: 80, size: 'max' }),
      fc.array(viewArbitrary, { maxLength: 40, size: 'max' }),
      fc.integer({ min: 0, max: 39 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 8 }),
      async (old, fresh, from, hours, limit) => {
        const mapping = new Map([['v7', 'v3']]);
        const batch = new FakeBatchView(old, { mapping });
        const engine = engineOver({ batch, realtime: new FakeRealtimeView(batch, fresh) });
        const answered = await dataOf(engine, [from, from + hours], { limit: String(limit) });
        const { values, more } = answered;
        const found = new Map<string, View[]>();
        for (const view of [...old, ...fresh]) {
          const value = view.values?.[by];
          const isAsked = view.hour >= hour0 + from && view.hour < hour0 + from + hours;
          if (value === undefined || !isAsked || !view.url.includes(domain)) continue;
          found.set(value, [...(found.get(value) ?? []), view]);
        }
        const all = [...found].map(([value, views]) => {
          const visitors = new Set(views.map(({ visitor }) => mapping.get(visitor) ?? visitor)).size;
          return { value, visitors, pageviews: views.length, lower: visitors, upper: visitors, exact: true };
        });
        const ranked = all.toSorted(
          (a, b) => b.visitors - a.visitors || b.pageviews - a.pageviews || compareUtf8(a.value, b.value),
        );
        assert.deepEqual(values, ranked.slice(0, limit));
        assert.equal(more, all.length > limit);
        const others = Math.max(0, all.length - limit);
        assert.ok(answered.others.atLeast <= others && others <= answered.others.atMost);
        engine.generations.close();
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 200) },
  );
});

test('people whom an edge joins are one in each value', async () => {
  const batch = new FakeBatchView([
    viewOf('a', 'x'),
    viewOf('b', 'x'),
    viewOf('c', 'y'),
    viewOf('d', 'y'),
    viewOf('e', 'y'),
  ]);
  const edge = { type: 'equiv', a: 'a', b: 'b', timestamp: 0, eventId: '1', offset: 0 } as never;
  const engine = engineOver({ batch, realtime: new FakeRealtimeView(batch, [], { edges: [edge] }) });
  const { values } = await dataOf(engine, [0, 1]);
  assert.deepEqual(
    values.map(({ value, lower, visitors, upper, exact }) => [value, lower, visitors, upper, exact]),
    [
      ['y', 3, 3, 3, true],
      ['x', 1, 1, 1, true],
    ],
  );
});

test('sketches are read only of values whose pageviews could let them in', async (t) => {
  const views = Array.from({ length: 200 }, (_, i) =>
    Array.from({ length: 200 - i }, (_of, n) => viewOf(`v${n}`, `s${i}`, n % 3)),
  ).flat();
  const batch = new FakeBatchView(views);
  const engine = engineOver({ batch, realtime: undefined });
  const merges = t.mock.method(SketchCell.prototype, 'addTo');
  const { values, more, others } = await dataOf(engine, [0, 3], { limit: '3' });
  assert.deepEqual(
    values.map(({ value, visitors }) => [value, visitors]),
    [0, 1, 2].map((i) => [`s${i}`, 200 - i]),
  );
  assert.deepEqual([more, others.atMost], [true, 197]);
  assert.ok(
    merges.mock.callCount() <= (3 + 1) * 3, // and of the first that is not listed
    `${merges.mock.callCount()} sketches`,
  );
  engine.generations.close();
});

/** Views of a value in an hour, each by another visitor. */
const seen = (value: string, times: number, hour: number): View[] =>
  Array.from({ length: times }, (_, n) => viewOf(`v${n}`, value, hour));

test('sketches are not read of values that were seen often outside the range alone', async (t) => {
  const oftenBefore = Array.from({ length: 20 }, (_, i) => `before${String(i).padStart(2, '0')}`);
  const views = [
    ...oftenBefore.flatMap((value) => [...seen(value, 50, 0), ...seen(value, 1, 5)]),
    ...seen('now', 9, 5),
  ];
  const batch = new FakeBatchView(views);
  const engine = engineOver({ batch, realtime: undefined });
  const looks = t.mock.method(batch, 'forEachBucket');
  const { values } = await dataOf(engine, [5, 6], { limit: '1' });
  assert.deepEqual(
    values.map(({ value, visitors }) => [value, visitors]),
    [['now', 9]],
  );
  // The domain and all values by pageviews; by people two, which are the best until `now` comes, and `now`.
  assert.ok(looks.mock.callCount() <= 1 + 21 + 3, `${looks.mock.callCount()} looks`);
  engine.generations.close();
});

test('a dimension that is not kept or not known is refused, naming those that are', async (t) => {
  const kept = dimensions.slice(1);
  const batch = new FakeBatchView([viewOf('a', 'x')]);
  const server = await serve(t, { batch, realtime: undefined, dimensions: kept });
  const problemOf = async (name: string): Promise<{ detail: string; parameter: string }> => {
    const response = await server.get(
      `/v1/breakdown?domain=${domain}&by=${name}&from=${show(hour0)}&to=${show(hour0 + 1)}`,
    );
    assert.equal(response.status, 400);
    return (await response.json()) as { detail: string; parameter: string };
  };
  const known = kept.map(({ name }) => name).join(', ');
  const [notKept, unknown] = [await problemOf(by), await problemOf('nonsense')];
  assert.equal(notKept.detail, `'by': "${by}" is not kept here (SWA_DIMENSIONS); there are ${known}`);
  assert.equal(unknown.detail, `'by': "nonsense" is not a dimension; there are ${known}`);
  assert.equal(unknown.parameter, 'by');
  const none = engineOver({ batch, realtime: undefined, dimensions: [] });
  await assert.rejects(dataOf(none, [0, 1]), { message: /is not kept here .* none are kept/ });
});

test('an empty answer says why', async () => {
  const batch = new FakeBatchView([viewOf('a', 'x', 5), viewOf('a', undefined, 7)]);
  const engine = engineOver({ batch, realtime: undefined });
  const emptyOf = async (hours: [number, number], input?: AskInput): Promise<object> => {
    const { values, more, others: _others, emptyReason, ...rest } = await dataOf(engine, hours, input);
    assert.deepEqual([values, more], [[], false]);
    return 'available' in rest ? { emptyReason, available: rest.available } : { emptyReason };
  };
  const available = { from: show(hour0 + 5), to: show(hour0 + 8) };
  assert.deepEqual(await emptyOf([0, 5]), { emptyReason: 'no-pageviews-in-range', available });
  assert.deepEqual(await emptyOf([7, 8]), { emptyReason: 'no-values-in-range' });
  assert.deepEqual(await emptyOf([0, 9], { domain: 'none.example' }), { emptyReason: 'unknown-domain' });
  const old = engineOver({ batch: new FakeBatchView([viewOf('a', undefined)]), realtime: undefined });
  const { emptyReason } = await dataOf(old, [0, 1]);
  assert.equal(emptyReason, 'dimension-not-counted-yet');
});

test('a breakdown comes as CSV as well', async (t) => {
  const batch = new FakeBatchView([viewOf('a', '=x'), viewOf('b', '=x'), viewOf('b', 'y, z')]);
  const server = await serve(t, { batch, realtime: undefined });
  const path = `/v1/breakdown?domain=${domain}&by=${by}&from=${show(hour0)}&to=${show(hour0 + 1)}`;
  const csv = await (await server.get(path, { accept: 'text/csv' })).text();
  assert.deepEqual(csv.split('\r\n'), [
    'value,visitors,pageviews,lower,upper,exact',
    "'=x,2,2,2,2,true",
    '"y, z",1,1,1,1,true',
    '',
  ]);
});

const many = 300_000;
const coupons = Uint32Array.of(coupon('v'));

/** In UTF-8 byte order. */
const nameOf = (i: number): string => String(i).padStart(6, '0');

/** Each value has two pageviews over all, and in the first hour as many as `pageviewsOf` says, all of one person. */
class LargeView extends FakeBatchView {
  readonly #pageviewsOf: (i: number) => number;
  readonly #total: number;

  constructor(pageviewsOf: (i: number) => number) {
    super([viewOf('v', 'x')]);
    this.#pageviewsOf = pageviewsOf;
    this.#total = Array.from({ length: many }, (_, i) => pageviewsOf(i)).reduce((sum, each) => sum + each);
  }

  override *values(): Generator<ValueCount> {
    for (let i = 0; i < many; i++) yield { value: nameOf(i), pageviews: 2 };
  }

  override forEachBucket(...[subject, span, from, , visit]: Parameters<BatchView['forEachBucket']>): void {
    const pageviews = subject.kind === 'value' ? this.#pageviewsOf(Number(subject.value)) : this.#total;
    if (span === 'base' && from === hour0 && pageviews > 0)
      visit(new SketchCell(hour0, pageviews, { kind: 'coupons', coupons }));
  }
}

for (const [what, pageviewsOf, expected, hasMore] of [
  ['all alike', () => 1, [0, 1, 2], true],
  [
    'few of them in the range',
    (i: number) => (i < many - 3 ? 0 : 2),
    [-3, -2, -1].map((i) => many + i),
    false,
  ],
] as const) {
  test(`300,000 values, ${what}: answered, and the event loop turns`, async (t) => {
    const engine = engineOver({ batch: new LargeView(pageviewsOf), realtime: undefined });
    await dataOf(engine, [1, 2]); // what the first question makes once
    const before = process.cpuUsage();
    const watch = watchStalls();
    const { values, more } = await dataOf(engine, [0, 1], { limit: '3' });
    const stalledMs = watch.end();
    const { user, system } = process.cpuUsage(before);
    const shown = `${Math.round((user + system) / 1_000)} ms of CPU time, ${Math.round(stalledMs)} at once`;
    t.diagnostic(shown);
    assert.deepEqual(
      values.map(({ value }) => value),
      expected.map(nameOf),
    );
    assert.equal(more, hasMore);
    assert.ok(stalledMs < stallLimitMs, shown);
    engine.generations.close();
  });
}

test('a realtime listing that finds nothing is left at the deadline', async () => {
  const batch = new FakeBatchView([viewOf('v', 'x')]);
  const realtime = new FakeRealtimeView(batch, []);
  realtime.values = function* () {
    for (let i = 0; i < 1e8; i++) yield [];
  };
  const engine = engineOver({ batch, realtime });
  const question = {
    domain,
    by,
    paging: pagedTop.pagingOf([], { limit: 1 }),
    range: { from: hour0, to: hour0 + 1 },
    zone: 'UTC',
  };
  const pace = new Pace(performance.now());
  await assert.rejects(
    engine.pinned((generation) => breakdown(engine, generation, question, pace)),
    { problem: 'deadline-exceeded' },
  );
  engine.generations.close();
});

/** Of which so much is used whenever it is looked at. */
class UsedPace extends Pace {
  readonly #used: number;

  constructor(used: number) {
    super(Infinity);
    this.#used = used;
  }

  override get used(): number {
    return this.#used;
  }
}

async function topIn(views: readonly View[], limit: number, change: { used?: number; maxFresh?: number }) {
  const batch = new FakeBatchView([viewOf('a', 'old')]);
  const engine = engineOver({ batch, realtime: new FakeRealtimeView(batch, views) });
  const { used = 0, ...rest } = change;
  const question = {
    listing: valuesOf(by, domain),
    range: { from: hour0, to: hour0 + 1 },
    limit,
    by: 'visitors',
    withOthers: true,
    ...rest,
  } as const;
  const top = await engine.pinned((generation) => topOf(engine, generation, question, new UsedPace(used)));
  engine.generations.close();
  return { ...top, rows: top.rows.map(({ name, visitors }) => [name, visitors]) };
}

test('a value with few pageviews is found among thousands with as many', async () => {
  const views = Array.from({ length: 4_500 }, (_, i) => viewOf('v', `s${i}`));
  const top = await topIn([...views, viewOf('v', 'z'), viewOf('w', 'z'), ...views], 2, {});
  assert.deepEqual(top.rows, [
    ['z', 2],
    ['s0', 1],
  ]);
  assert.deepEqual([top.isRanked, top.others], [true, { atLeast: 4_500, atMost: 4_500 }]);
});

test('where time or memory is short an answer says that not all were ranked; its numbers are right', async () => {
  const views = Array.from({ length: 3_000 }, (_, i) => viewOf(`v${i}`, `s${i % 1_000}`));
  for (const change of [{ used: 0.75 }, { used: 0.9 }, { maxFresh: 5 }]) {
    const { rows, isRanked, others } = await topIn(views, 3, change);
    assert.equal(isRanked, false, JSON.stringify(change));
    assert.ok(rows.every(([name, visitors]) => visitors === (name === 'old' ? 1 : 3)));
    assert.ok(others.atMost >= 1_001 - rows.length, JSON.stringify([change, others]));
  }
  assert.equal((await topIn(views, 3, {})).isRanked, true);
});
