/**
 * What edges that wait for the next batch run do to answers: people whom they join are one at once, wherever sketches hold coupons. Where
 * they hold registers, and for retractions, answers have bounds, which are their own: of the people they are about.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coupon } from 'hyperloglog-ts';
import { offset } from '../../log/log.js';
import type { EdgeBlock, WaitingEdge } from '../../facts/views/view.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import { countOf, type Count } from '../answers/answer.js';
import { Pace } from '../engine/pace.js';
import { Tally } from '../engine/tally.js';
import { ResolvedEdges } from '../identity/waiting-edges.js';
import { ask } from '../inquiries.js';
import {
  FakeBatchView,
  FakeRealtimeView,
  type FakeOptions,
  type FakeRealtimeOptions,
  type View,
  hourly,
  show,
} from './fakes.js';
import { engineOver, serve } from './server.js';
import { eventually } from '../../test/eventually.js';

const hour0 = 490_000;
const page = 'https://www.example.org/a';
const other = 'https://www.example.org/b';

/** Everybody views a page twice, in one hour: the retractions of the tests find pageviews enough. */
function viewsOf(visitors: readonly string[], url = page, hour = hour0): View[] {
  return visitors.flatMap((visitor) => [
    { visitor, url, hour },
    { visitor, url, hour },
  ]);
}

type Pair = readonly [a: string, b: string];

function edgesOf(type: WaitingEdge['type'], pairs: readonly Pair[], from = 0): WaitingEdge[] {
  return pairs.map(([a, b], i) => ({
    type,
    a,
    b,
    timestamp: 1_000 + i,
    eventId: `${type}-${from + i}`,
    offset: offset(from + i),
  }));
}

interface Setting {
  readonly views: readonly View[];
  readonly live?: readonly View[];
  readonly batch?: FakeOptions;
  readonly equivs?: readonly Pair[];
  readonly retractions?: readonly Pair[];
  readonly realtime?: FakeRealtimeOptions;
}

function engineOf({
  views,
  live = [],
  batch = {},
  equivs = [],
  retractions = [],
  realtime,
}: Setting): Engine {
  const edges = [...edgesOf('equiv', equivs), ...edgesOf('retract', retractions, equivs.length)];
  const view = new FakeBatchView(views, batch);
  return engineOver({ batch: view, realtime: new FakeRealtimeView(view, live, { edges, ...realtime }) });
}

interface Counted {
  readonly visitors: number;
  readonly lower: number;
  readonly upper: number;
  readonly exact: boolean;
}

interface Answered extends Counted {
  readonly rewritten: number;
  readonly maxOvercount: number;
  readonly maxUndercount: number;
}

/** What is answered once all edges have been read. */
async function uniques(engine: Engine, url = page): Promise<Answered> {
  await uniquesNow(engine, url);
  await eventually('the edges are read', () => !engine.edges.isBuilding);
  engine.generations.forget();
  return uniquesNow(engine, url);
}

async function uniquesNow(engine: Engine, url = page, from = hour0, to = hour0 + 24): Promise<Answered> {
  const { body } = await ask(engine, 'uniques', { url, from: show(from), to: show(to) });
  const { visitors } = body.data as { visitors: number };
  const { lower, upper, exact, rewritten, maxOvercount, maxUndercount } = body['accuracy'] as Answered;
  return { visitors, lower, upper, exact, rewritten, maxOvercount, maxUndercount };
}

/** So many people, of whom so many are counted as another one. */
function exactly(visitors: number, rewritten = 0): Answered {
  const sure = { lower: visitors, upper: visitors, exact: true, maxOvercount: 0, maxUndercount: 0 };
  return { visitors, rewritten, ...sure };
}

/** People who may be fewer, or more. */
function between(lower: number, visitors: number, upper: number, rewritten = 0): Answered {
  const [maxOvercount, maxUndercount] = [visitors - lower, upper - visitors];
  return { visitors, lower, upper, exact: false, rewritten, maxOvercount, maxUndercount };
}

const twoDevices: Pair[] = [
  ['cookie:1', 'user:1'],
  ['user:1', 'cookie:2'],
];

test('two devices and the login that joins them, which views nothing: one person', async () => {
  for (const seen of ['views', 'live'] as const) {
    const setting = { views: [], [seen]: viewsOf(['cookie:1', 'cookie:2']), equivs: twoDevices };
    assert.deepEqual(await uniques(engineOf(setting)), exactly(1, 1), seen);
  }
});

test('a chain over five ids: those who view are one', async () => {
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const equivs = ids.slice(1).map((id, i): Pair => [ids[i] ?? '', id]);
  assert.deepEqual(await uniques(engineOf({ views: viewsOf(ids), equivs })), exactly(1, 4));
  assert.deepEqual(await uniques(engineOf({ views: viewsOf(['a', 'c', 'e']), equivs })), exactly(1, 2));
  const strangers = viewsOf(['x', 'y', 'a', 'e']);
  assert.deepEqual(await uniques(engineOf({ views: strangers, equivs })), exactly(3, 1));
  assert.deepEqual(await uniques(engineOf({ views: viewsOf(['a']), equivs })), exactly(1));
  assert.deepEqual(await uniques(engineOf({ views: viewsOf(['e']), equivs })), exactly(1, 1));
});

test('a page that no edge can touch is counted exactly, however many edges wait', async () => {
  const equivs = Array.from({ length: 9_000 }, (_, i): Pair => [`cookie:${i}`, `user:${i % 3_000}`]);
  const views = [...viewsOf(['x', 'y', 'z']), ...viewsOf(['cookie:1', 'cookie:3001', 'x'], other)];
  const engine = engineOf({ views, equivs });
  assert.deepEqual(await uniques(engine), exactly(3));
  assert.deepEqual(await uniques(engine, other), exactly(2, 1));
});

test('an edge within one person of the mapping changes nothing, and persons of the mapping are joined as such', async () => {
  const mapping = new Map([
    ['cookie:1', 'cookie:1'],
    ['cookie:2', 'cookie:1'],
    ['cookie:3', 'cookie:3'],
    ['user:3', 'cookie:3'],
  ]);
  const views = viewsOf(['cookie:1', 'cookie:2', 'user:3']);
  const within = engineOf({ views, batch: { mapping }, equivs: [['cookie:1', 'cookie:2']] });
  assert.deepEqual(await uniques(within), exactly(2));
  const across = engineOf({ views, batch: { mapping }, equivs: [['cookie:2', 'user:3']] });
  assert.deepEqual(await uniques(across), exactly(1, 1));
});

test('a retraction counts where its person may be in the sketch, once for a pair, up to the ids of the person', async () => {
  const ids = ['a', 'b', 'c'];
  const mapping = new Map(ids.map((id) => [id, 'a']));
  const setting = { views: [...viewsOf(['b', 'x']), ...viewsOf(['x'], other)], batch: { mapping } };
  const withRetractions = (...retractions: Pair[]): Engine => engineOf({ ...setting, retractions });
  assert.deepEqual(await uniques(withRetractions(['a', 'b'])), between(2, 2, 3));
  assert.deepEqual(await uniques(withRetractions(['a', 'b'], ['b', 'a'])), between(2, 2, 3));
  const all: Pair[] = [
    ['a', 'b'],
    ['b', 'c'],
    ['a', 'c'],
  ];
  assert.deepEqual(await uniques(withRetractions(...all)), between(2, 2, 4));
  assert.deepEqual(await uniques(withRetractions(...all), other), exactly(1));
  assert.deepEqual(await uniques(withRetractions(['a', 'x'], ['x', 'y'])), exactly(2), 'no edge joined them');
  const taken: Pair = ['x', 'b'];
  const both = engineOf({ ...setting, equivs: [taken], retractions: [taken, ['c', 'b']] });
  assert.deepEqual(await uniques(both), between(1, 1, 3, 1), 'either may be the one that wins');
});

test('each entry of a series and each page of a list is rewritten by itself', async () => {
  const views = [
    ...viewsOf(['cookie:1', 'x'], page, hour0),
    ...viewsOf(['cookie:2', 'x'], page, hour0 + 1),
    ...viewsOf(['cookie:1', 'cookie:2'], other, hour0 + 2),
    ...viewsOf(['x', 'y', 'z'], 'https://www.example.org/c'),
  ];
  const engine = engineOf({ views, equivs: twoDevices });
  const range = { from: show(hour0), to: show(hour0 + 3) };
  const series = await ask(engine, 'uniques', { url: page, ...range, interval: 'hour' });
  const { series: entries } = series.body.data as { series: Counted[] };
  const figures = entries.map(({ visitors, lower, upper, exact }) => [visitors, lower, upper, exact]);
  assert.deepEqual(figures, [
    [2, 2, 2, true],
    [2, 2, 2, true],
    [0, 0, 0, true],
  ]);
  const { lower, upper, exact, maxOvercount } = series.body['accuracy'] as Answered;
  assert.deepEqual([lower, upper, exact, maxOvercount], [2, 2, true, 0]);
  const pages = await ask(engine, 'pages', { domain: 'example.org', ...range });
  const { pages: rows } = pages.body.data as { pages: (Counted & { url: string })[] };
  assert.deepEqual(
    rows.map((row) => [row.url.slice(-1), row.visitors, row.lower, row.upper, row.exact]),
    [
      ['a', 2, 2, 2, true],
      ['c', 3, 3, 3, true],
      ['b', 1, 1, 1, true],
    ],
  );
  const { rewritten, maxOvercount: ofPages, maxUndercount } = pages.body['accuracy'] as Answered;
  assert.deepEqual([rewritten, ofPages, maxUndercount], [1, 0, 0], 'of the page that has most');
});

test('a person is known for sure unless a retraction that waits touches it', async () => {
  const mapping = new Map([
    ['a', 'a'],
    ['b', 'a'],
    ['c', 'c'],
    ['d', 'c'],
  ]);
  const engine = engineOf({ views: [], batch: { mapping }, equivs: twoDevices, retractions: [['a', 'b']] });
  const accuracyOf = async (visitorId: string): Promise<unknown> =>
    (await ask(engine, 'persons', { visitorId })).body['accuracy'];
  const waiting = { equivsAfterBatchCut: 2, retractionsAfterBatchCut: 1 };
  for (const id of ['c', 'd', 'nobody', 'cookie:2', 'user:1'])
    assert.deepEqual(await accuracyOf(id), { method: 'union-find', exact: true, ...waiting }, id);
  for (const id of ['a', 'b'])
    assert.deepEqual(await accuracyOf(id), { method: 'union-find', exact: false, ...waiting }, id);
});

test('edges that are not kept count everywhere', async () => {
  const views = [...viewsOf(['cookie:1', 'cookie:2', 'x', 'y']), ...viewsOf(['x'], other)];
  const engine = engineOf({ views, equivs: twoDevices, realtime: { equivs: 1, retractions: 2 } });
  assert.deepEqual(await uniques(engine), between(2, 3, 5, 1));
  assert.deepEqual(await uniques(engine, other), { ...between(1, 1, 2), maxUndercount: 1 });
});

test('under a cap a joined person may come apart, and ids that stand alone may be joined again', async () => {
  const ids = ['a', 'b', 'c', 'd'];
  const mapping = new Map(ids.map((id) => [id, 'a']));
  const batch = { mapping, maxPersonIds: 4 };
  const views = [...viewsOf(['b', 'x', 'y']), ...viewsOf(['y', 'z'], other)];
  const joined = engineOf({ views, batch, equivs: [['d', 'x']] });
  assert.deepEqual(await uniques(joined), between(2, 3, 6));
  assert.deepEqual(await uniques(joined, other), exactly(2));
  const capped = engineOf({ views, batch, equivs: [['x', 'y']] });
  assert.deepEqual(await uniques(capped), between(2, 2, 3, 1), 'they may be of a person over the cap');
  const rejoined = engineOf({ views, batch, retractions: [['p', 'q']] });
  assert.deepEqual(await uniques(rejoined), { ...between(1, 3, 3), maxOvercount: 2 });
  const within = engineOf({ views, batch, retractions: [['a', 'b']] });
  assert.deepEqual(await uniques(within), between(3, 3, 4));
});

/** cookie:from and the next one, and so on. */
function pairsOf(from: number, count: number): Pair[] {
  return Array.from({ length: count }, (_, i) => [`cookie:${from + 2 * i}`, `cookie:${from + 2 * i + 1}`]);
}

test('a large sketch has bounds of its own as well', async () => {
  const people = Array.from({ length: 3_000 }, (_, i) => `cookie:${i}`);
  const slackFor = async (equivs: readonly Pair[]): Promise<number> =>
    (await uniques(engineOf({ views: viewsOf(people), batch: { lgK: 12 }, equivs }))).maxOvercount;
  assert.equal(await slackFor(pairsOf(0, 50)), 50, 'all of them view');
  // 40 % of the registers are 0, and others hold a value of 2 or more in every second case.
  const strangers = await slackFor(pairsOf(10_000, 1_000));
  const expected = 1_000 * shareHeld(people) ** 2;
  assert.ok(Math.abs(strangers - expected) < 4 * Math.sqrt(expected), `${strangers}, expected ${expected}`);
  const indexed = await slackFor(pairsOf(10_000, 4_000));
  assert.ok(
    Math.abs(indexed - 4 * expected) < 8 * Math.sqrt(expected),
    `${indexed}, expected ${4 * expected}`,
  );
});

/** The part of all coupons that the registers of these people may hold at lgK 12. */
function shareHeld(people: readonly string[]): number {
  const registers = new Uint8Array(2 ** 12);
  for (const id of people) {
    const [slot, value] = [coupon(id) & (registers.length - 1), coupon(id) >>> 26];
    registers[slot] = Math.max(registers[slot] ?? 0, value);
  }
  return registers.reduce((sum, register) => sum + 1 - 2 ** -register, 0) / registers.length;
}

test('an answer keeps to the edges before its own cut, however many have been read since', async () => {
  const batch = new FakeBatchView(viewsOf(['cookie:1', 'cookie:2', 'cookie:3']));
  const equivs = edgesOf('equiv', [...twoDevices, ['cookie:3', 'user:1']]);
  const views = [0, 2, 3].map((edges) => new FakeRealtimeView(batch, [], { edges: equivs.slice(0, edges) }));
  const layers = { batch, realtime: views[0] };
  const engine = engineOver(layers);
  const pinned: PinnedGeneration[] = [];
  for (const realtime of views) {
    layers.realtime = realtime;
    engine.generations.forget();
    pinned.push(await engine.generations.pin());
  }
  const people = async (i: number): Promise<number> => {
    const generation = pinned[i];
    assert.ok(generation !== undefined);
    const pace = new Pace(performance.now() + 10_000);
    const identity = await engine.edges.of(generation, pace);
    return engine.tallied(async (tally) => {
      const range = { from: hour0, to: hour0 + 1 };
      await tally.add(generation, { kind: 'page', url: page }, range, 'uniques', pace);
      return countOf(tally, identity).visitors;
    }, identity);
  };
  assert.deepEqual([await people(1), await people(2)], [2, 1]);
  assert.equal(await people(0), 3, 'asked for the first time after later ones were');
  assert.deepEqual([await people(1), await people(2)], [2, 1]);
  engine.generations.forget();
  assert.equal((await uniques(engine)).lower, 1);
});

test('edges that have not been read yet count for everybody, and are read in the background', async () => {
  const equivs = Array.from({ length: 60_000 }, (_, i): Pair => [`cookie:${i}`, `user:${i}`]);
  const batch = new FakeBatchView(viewsOf(['x', 'y', 'cookie:7', 'user:7']));
  const realtime = new FakeRealtimeView(batch, [], { edges: edgesOf('equiv', equivs) });
  const engine = engineOver({ batch, realtime });
  const first = await uniquesNow(engine); // of as many as there was time for
  assert.ok(first.lower <= 3 && first.upper >= 3);
  assert.deepEqual(await uniques(engine), exactly(3, 1));
  const generation = await engine.generations.pin();
  const resolved = new ResolvedEdges();
  const counts: Count[] = [];
  for (let isRead = false; !isRead;) {
    isRead = await resolved.readOn(generation, performance.now() + 2);
    const tally = new Tally(batch.meta.lgK, hourly);
    const identity = resolved.identityOf(generation);
    tally.begin(identity);
    const range = { from: hour0, to: hour0 + 1 };
    await tally.add(generation, { kind: 'page', url: page }, range, 'uniques', new Pace(Infinity));
    counts.push(countOf(tally, identity));
  }
  assert.ok(counts.length > 1);
  assert.deepEqual(counts.at(-1)?.lower, 3);
  for (const { lower, visitors, upper, exact } of counts.slice(0, -1)) {
    assert.ok(lower < 3 && visitors >= 3 && upper === visitors, `${lower} ${visitors} ${upper}`);
    assert.ok(!exact);
  }
  engine.generations.unpin(generation);
});

test('an answer at an older cut counts just the edges before it, whatever others have read meanwhile', async () => {
  const ids = Array.from({ length: 8 }, (_, i) => `cookie:${i}`);
  const pairs = ids.slice(1).map((id): Pair => [`cookie:0`, id]);
  const views = viewsOf(ids);
  const generations = await Promise.all(
    pairs.map((_, i) => engineOf({ views, equivs: pairs.slice(0, i + 1) }).generations.pin()),
  );
  const resolved = new ResolvedEdges();
  const newest = generations.at(-1);
  assert.ok(newest !== undefined && (await resolved.readOn(newest, Infinity)), 'the newest is read first');
  for (const [i, generation] of generations.entries()) {
    const identity = resolved.identityOf(generation);
    const tally = new Tally(generation.batch.meta.lgK, hourly);
    tally.begin(identity);
    const range = { from: hour0, to: hour0 + 1 };
    await tally.add(generation, { kind: 'page', url: page }, range, 'uniques', new Pace(Infinity));
    const { visitors, lower, upper } = countOf(tally, identity);
    const people = ids.length - i - 1;
    assert.deepEqual([visitors, lower, upper], [people, people, people], `${i + 1} edges`);
  }
});

/** Takes ten milliseconds for each three edges. */
class SlowRealtimeView extends FakeRealtimeView {
  override *edges(from?: Parameters<FakeRealtimeView['edges']>[0]): Generator<EdgeBlock> {
    for (const block of super.edges(from)) {
      const until = performance.now() + 10;
      while (performance.now() < until);
      yield block;
    }
  }
}

test('an answer does not wait long for edges to be read, and has no ETag until they have been', async (t) => {
  const equivs = Array.from({ length: 150 }, (_, i): Pair => [`cookie:${i}`, `user:${i}`]);
  const batch = new FakeBatchView(viewsOf(['x', 'cookie:7', 'user:7']));
  const edges = edgesOf('equiv', equivs);
  const server = await serve(t, { batch, realtime: new SlowRealtimeView(batch, [], { edges }) });
  const path = `/v1/uniques?url=${encodeURIComponent(page)}&from=${show(hour0)}&to=${show(hour0 + 1)}`;
  const first = await server.get(path);
  assert.equal(first.headers.get('etag'), null);
  const deadline = performance.now() + 60_000;
  for (let etag: string | null = null; etag === null;) {
    assert.ok(performance.now() < deadline, 'no ETag for a minute');
    const response = await server.get(path);
    etag = response.headers.get('etag');
    const { accuracy } = (await response.json()) as { accuracy: Answered };
    assert.ok(accuracy.lower <= 2 && accuracy.upper >= 2);
    if (etag === null) continue;
    assert.deepEqual([accuracy.lower, accuracy.upper, accuracy.maxOvercount], [2, 2, 0]);
    assert.equal((await server.get(path, { 'if-none-match': etag })).status, 304);
  }
});
