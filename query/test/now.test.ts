import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Pageview } from '../../facts/fact.js';
import { SwaError } from '../../lib/errors/errors.js';
import { offset, type Log } from '../../log/log.js';
import { pageview, recordsOf, rules } from '../../speed/test/facts.js';
import { MemoryLog } from '../../speed/test/memory-log.js';
import type { Bodies } from '../bodies.js';
import { LogTail } from '../now/log-tail.js';
import { FakeBatchView, FakeRealtimeView, type FakeOptions, type FakeRealtimeOptions } from './fakes.js';
import { serve, type TestServer } from './server.js';

const start = Date.UTC(2026, 0, 3, 12);
const minuteMs = 60_000;
const home = 'https://www.example.org/';
const about = 'https://www.example.org/about';

interface Given {
  readonly batch?: FakeOptions;
  readonly realtime?: FakeRealtimeOptions;
  readonly maxViews?: number;
  readonly log?: MemoryLog;
  /** In place of opening the log. */
  readonly open?: () => Promise<Log>;
}

/** A query layer over a log in memory, with a clock that is set. */
class Fixture {
  nowMs = start;
  readonly log: MemoryLog;
  readonly #server: Promise<TestServer>;

  constructor(t: TestContext, given: Given = {}) {
    this.log = given.log ?? new MemoryLog(2);
    const recent = new LogTail({
      open: given.open ?? (async () => this.log),
      rules,
      clock: () => this.nowMs,
      ...(given.maxViews === undefined ? {} : { maxViews: given.maxViews }),
    });
    t.after(() => recent.close());
    const batch = new FakeBatchView([], given.batch);
    const realtime = new FakeRealtimeView(batch, [], given.realtime);
    this.#server = serve(t, { batch, realtime, recent, clock: () => this.nowMs });
  }

  /** A pageview whose own time and arrival are now, but for what is given. */
  async view(visitor: string, url: string, change: Partial<Pageview> = {}): Promise<void> {
    const times = { timestamp: this.nowMs, receivedAt: this.nowMs };
    await this.log.append(recordsOf([pageview(visitor, url, { ...times, ...change })]));
  }

  async get(query = 'domain=example.org', headers?: Record<string, string>): Promise<Response> {
    return (await this.#server).get(`/v1/now?${query}`, headers);
  }

  async ask(query?: string): Promise<Bodies['now']> {
    const response = await this.get(query);
    const body = (await response.json()) as Bodies['now']; // the test server checks answers against the schema
    assert.equal(response.status, 200, JSON.stringify(body));
    return body;
  }

  /** Asks until an answer holds so many pageviews of the log. */
  async askAfter(count: number, query?: string): Promise<Bodies['now']> {
    const deadline = performance.now() + 20_000;
    for (;;) {
      const answer = await this.ask(query);
      if (pageviewsBefore(answer) >= count) return answer;
      assert.ok(performance.now() < deadline, `not ${count} pageviews within 20 s`);
    }
  }
}

function pageviewsBefore({ freshness }: Bodies['now']): number {
  const cut = freshness.realtime?.cut ?? {};
  return (cut['pageviews/0'] ?? 0) + (cut['pageviews/1'] ?? 0);
}

test('people now are those with a pageview in the last five minutes, each once; six minutes later there is no one', async (t) => {
  const fixture = new Fixture(t);
  await fixture.view('u1', home);
  await fixture.view('u1', about);
  await fixture.view('u2', about);
  await fixture.view('u3', 'https://elsewhere.example/');
  const { data, accuracy } = await fixture.askAfter(4);
  assert.deepEqual(data, {
    domain: 'example.org',
    from: '2026-01-03T11:55:00.000Z',
    to: '2026-01-03T12:00:00.000Z',
    visitors: 2,
    pages: [
      { url: about, visitors: 2 },
      { url: home, visitors: 1 },
    ],
    more: false,
  });
  assert.deepEqual(accuracy, {
    method: 'count',
    exact: true,
    coveredFrom: data.from,
    rewritten: 0,
    waitingExclusions: 0,
  });
  fixture.nowMs += 4 * minuteMs;
  await fixture.view('u2', home);
  assert.equal((await fixture.askAfter(5)).data.visitors, 2);
  fixture.nowMs += 2 * minuteMs;
  assert.deepEqual((await fixture.ask()).data.pages, [{ url: home, visitors: 1 }]);
  assert.equal((await fixture.ask('domain=example.org&minutes=7')).data.visitors, 2);
  fixture.nowMs += 4 * minuteMs;
  const later = await fixture.ask();
  assert.deepEqual([later.data.visitors, later.data.pages], [0, []]);
});

test('what is only imported now, or only arrived before, is not now; nor are bots and URLs that are refused', async (t) => {
  const fixture = new Fixture(t);
  await fixture.view('old-log', home, { timestamp: start - 6 * minuteMs });
  await fixture.view('late-reader', home, { receivedAt: start - 6 * minuteMs });
  await fixture.view('from-the-future', home, {
    timestamp: start + 600 * minuteMs,
    receivedAt: start + 600 * minuteMs,
  });
  await fixture.view('bot', home, { userAgent: 'Googlebot/2.1 (+http://www.google.com/bot.html)' });
  await fixture.view('refused', 'https://www.example.org:99999/');
  fixture.log.put('pageviews/0', Buffer.from('not a fact'));
  await fixture.view('u1', home, { timestamp: start - 4 * minuteMs });
  assert.equal((await fixture.askAfter(7)).data.visitors, 1);
});

test('exclusions of the generation leave pageviews out, those that wait do not and are counted', async (t) => {
  const fixture = new Fixture(t, {
    batch: {
      exclusions: [
        { by: 'visitor', value: 'colleague' },
        { by: 'urlPrefix', value: `${home}admin/` },
        { by: 'importId', value: 'import-1' },
        { by: 'userAgent', value: 'uptime check' },
        { by: 'visitor', value: 'u1', to: start - minuteMs },
      ],
    },
    realtime: { exclusions: 1 },
  });
  await fixture.view('colleague', home);
  await fixture.view('u2', `${home}admin/x`);
  await fixture.view('u3', home, { importId: 'import-1' });
  await fixture.view('u4', home, { userAgent: 'uptime check' });
  await fixture.view('u1', about, { timestamp: start - 2 * minuteMs });
  await fixture.view('u1', home);
  const { data, accuracy } = await fixture.askAfter(6);
  assert.deepEqual(data.pages, [{ url: home, visitors: 1 }]);
  assert.equal(accuracy.waitingExclusions, 1);
});

test('ids that edges join are one person, before the batch cut and after it', async (t) => {
  const fixture = new Fixture(t, {
    batch: { mapping: new Map([['b', 'a']]) },
    realtime: {
      edges: [
        { type: 'equiv', a: 'b', b: 'c', timestamp: start, eventId: 'e1', offset: offset(0) },
        { type: 'equiv', a: 'x', b: 'y', timestamp: start, eventId: 'e2', offset: offset(1) },
      ],
    },
  });
  for (const visitor of ['a', 'b', 'c', 'd']) await fixture.view(visitor, home);
  const { data, accuracy } = await fixture.askAfter(4);
  assert.deepEqual(data.pages, [{ url: home, visitors: 2 }]);
  assert.equal(data.visitors, 2);
  assert.deepEqual([accuracy.rewritten, accuracy.exact], [1, true]);
});

test('a retraction that waits makes the number inexact', async (t) => {
  const fixture = new Fixture(t, {
    batch: { mapping: new Map([['b', 'a']]) },
    realtime: {
      edges: [{ type: 'retract', a: 'b', b: 'a', timestamp: start, eventId: 'e1', offset: offset(0) }],
    },
  });
  await fixture.view('a', home);
  assert.equal((await fixture.askAfter(1)).accuracy.exact, false);
});

test('a restart changes nothing, however many pageviews came in the last minutes', async (t) => {
  const log = new MemoryLog(2);
  log.batchRecords = 1_000;
  const before = new Fixture(t, { log });
  const recent = { timestamp: start - minuteMs, receivedAt: start - minuteMs };
  await before.view('first', home, recent);
  for (let i = 0; i < 12_000; i++) await before.view(`u${i}`, `${home}${i % 50}`, recent);
  for (let i = 0; i < 3; i++) {
    const fixture = i === 0 ? before : new Fixture(t, { log });
    const { data, accuracy } = await fixture.askAfter(12_001, 'domain=example.org&limit=3');
    assert.equal(data.visitors, 12_001);
    assert.equal(data.more, true);
    assert.deepEqual(
      data.pages.map(({ visitors }) => visitors),
      [240, 240, 240],
    );
    assert.equal(accuracy.exact, true);
  }
});

test('after a long history only the end of the log is read', async (t) => {
  const log = new MemoryLog(1);
  log.batchRecords = 1_000;
  const fixture = new Fixture(t, { log });
  const old = { timestamp: start - 600 * minuteMs, receivedAt: start - 600 * minuteMs };
  await log.append(recordsOf(Array.from({ length: 6_000 }, () => pageview('u0', home, old))));
  await log.trim({ 'pageviews/0': offset(500), 'equivs/0': offset(0) });
  await fixture.view('u1', home);
  const { data, accuracy } = await fixture.askAfter(6_001);
  assert.deepEqual([data.visitors, accuracy.exact], [1, true]);
});

test('memory is bounded, and an answer says from when on it is whole', async (t) => {
  const fixture = new Fixture(t, { maxViews: 10 });
  for (let i = 0; i < 25; i++) {
    fixture.nowMs += 1_000;
    await fixture.view(`u${i}`, home);
  }
  const { data, accuracy } = await fixture.askAfter(25);
  assert.equal(data.visitors, 10);
  assert.equal(accuracy.exact, false);
  assert.equal(accuracy.coveredFrom, new Date(start + 15_001).toISOString());
  assert.equal(data.to, new Date(start + 25_000).toISOString());
});

test('while the log cannot be read the answer is 503, and the next question tries again', async (t) => {
  let opened = 0;
  const log = new MemoryLog(2);
  const fixture = new Fixture(t, {
    log,
    open: async () => {
      if (++opened === 1) throw new SwaError('log.unavailable', 'no broker answers');
      return log;
    },
  });
  await fixture.view('u1', home);
  const refused = await fixture.get();
  assert.equal(refused.status, 503);
  assert.equal(((await refused.json()) as { type: string }).type, 'urn:swa:problem:not-ready');
  assert.equal((await fixture.askAfter(1)).data.visitors, 1);
});

test('an answer about now is not kept, is a table of pages in CSV, and refuses what makes no sense', async (t) => {
  const fixture = new Fixture(t);
  await fixture.view('u1', home);
  await fixture.askAfter(1);
  const csv = await fixture.get('domain=example.org', { Accept: 'text/csv' });
  assert.equal(await csv.text(), `url,visitors\r\n${home},1\r\n`);
  assert.deepEqual([csv.headers.get('etag'), csv.headers.get('cache-control')], [null, 'no-store']);
  for (const [query, parameter] of [
    ['domain=www.example.org', 'domain'],
    ['domain=example.org&minutes=0', 'minutes'],
    ['domain=example.org&minutes=31', 'minutes'],
    ['domain=example.org&limit=101', 'limit'],
    ['', 'domain'],
  ]) {
    const response = await fixture.get(query);
    assert.equal(response.status, 400, query);
    assert.equal(((await response.json()) as { parameter: string }).parameter, parameter);
  }
});
