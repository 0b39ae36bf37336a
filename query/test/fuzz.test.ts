/** Whatever is sent, the answer is one of ours, and it comes without holding up anybody else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dimensions } from '../../facts/subjects.js';
import { FakeBatchView, FakeRealtimeView } from './fakes.js';
import { serve } from './server.js';
import { rounds } from '../../test/rounds.js';
import { stallLimitMs, watchStalls } from './stalls.js';

const paths = [
  '/v1/uniques',
  '/v1/pageviews',
  '/v1/bounce-rate',
  '/v1/visits',
  '/v1/pages',
  '/v1/breakdown',
  '/v1/domains',
  '/v1/sketch',
  '/v1/persons/',
  '/v1/batches',
  '/v1/status',
  '/readyz',
  '/',
];
const names = [
  'url',
  'domain',
  'from',
  'to',
  'tz',
  'interval',
  'explain',
  'limit',
  'by',
  'contains',
  '__proto__',
  'x',
];
const values = [
  'https://example.org/',
  'example.org',
  ...dimensions.map(({ name }) => name),
  'EXAMPLE.ORG.',
  '2025-01-01',
  '2025-01-02',
  '2026-01-02T03:00:00+02:00',
  '0001-01-01',
  '9999-12-31',
  '1970-01-01',
  '0',
  '1735689600000',
  '1e400',
  'NaN',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Antarctica/Troll',
  'constructor',
  'hour',
  'day',
  'week',
  'month',
  '1',
  '1000',
  '-1',
  '\u0000',
  '\ud800',
  '%',
  '%zz',
  'a'.repeat(3_000),
  'http://[::1]/',
  'http://xn--/',
  `https://example.org/${'%2e/'.repeat(400)}`,
];
const value = fc.oneof(fc.constantFrom(...values), fc.string({ unit: 'binary', maxLength: 40 }));
const pair = fc.tuple(fc.constantFrom(...names), value);
const likely = fc.record({
  url: fc.constant('https://example.org/'),
  from: fc.constantFrom('2025-01-01', '1970-01-01', '1735689600000'),
  to: fc.constantFrom('2025-06-01', '2026-01-01', '9999-01-01'),
});

const likelyBreakdown = fc.record({
  domain: fc.constant('example.org'),
  by: fc.constantFrom(...dimensions.map(({ name }) => name)),
  from: fc.constantFrom('2025-01-01', '1970-01-01'),
  to: fc.constantFrom('2025-06-01', '9999-01-01'),
});

const fiftyUrls = Array.from({ length: 50 }, (_, i) => `url=https://example.org/${i}`).join('&');

test('no parameter and no body is answered with 5xx, or holds up the event loop', async (t) => {
  const batch = new FakeBatchView(
    Array.from({ length: 60 }, (_, i) => ({
      visitor: `v${i}`,
      url: `https://example.org/${i % 7}`,
      hour: 482_000 + i * 40,
      values: Object.fromEntries(dimensions.map(({ name }) => [name, `${name} ${i % 5}`])),
    })),
  );
  const layers = {
    batch,
    realtime: new FakeRealtimeView(batch, [{ visitor: 'n', url: 'https://example.org/1', hour: 485_000 }]),
  };
  const server = await serve(t, layers);
  // What is made once, by the first question of its kind, is no stall: every kind is asked before.
  for (const path of paths) {
    for (const method of ['GET', 'POST', 'PUT'])
      await (await server.send(`${path}?url=https://example.org/&from=x`, { method })).text();
    await (await server.get(`${path}?url=https://example.org/&from=2025-01-01&to=2025-06-01`)).text();
  }
  const watch = watchStalls();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...paths),
      fc.oneof(
        fc.array(pair, { maxLength: 6 }),
        fc
          .tuple(fc.oneof(likely, likelyBreakdown), fc.array(pair, { maxLength: 3 }))
          .map(([base, more]) => [...Object.entries(base), ...more]),
      ),
      fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT'),
      fc.option(fc.oneof(fc.json(), fc.string({ maxLength: 200 }))),
      fc.constantFrom(
        'application/json',
        'text/csv',
        'application/vnd.apache.arrow.stream',
        'a/b;q=x',
        '*/*',
      ),
      async (path, query, method, body, accept) => {
        const search = query.map(([name, text]) => `${name}=${encodeLoosely(text)}`).join('&');
        const tail = path === '/v1/persons/' ? encodeLoosely(query[0]?.[1] ?? '') : '';
        const response = await server.send(`${path}${tail}?${search}`, {
          method,
          headers: { accept, 'content-type': 'application/json' },
          signal: AbortSignal.timeout(10_000),
          ...(body === null || method === 'GET' || method === 'HEAD' ? {} : { body }),
        });
        const text = await response.text();
        assert.ok(response.status < 500, `${response.status} ${path}?${search} ${text.slice(0, 300)}`);
        if (response.status >= 400 && method !== 'HEAD') {
          assert.equal(response.headers.get('content-type'), 'application/problem+json');
          assert.ok(!/node_modules|\.js:|\/dist\//.test(text), text);
        }
      },
    ),
    { numRuns: rounds(250, 600) },
  );
  assert.ok(watch.end() < stallLimitMs, `the event loop was held up for ${watch.end()} ms of CPU time`);
});

test('fifty pages by the hour for six weeks leave the event loop turning', async (t) => {
  const batch = new FakeBatchView([{ visitor: 'v', url: 'https://example.org/', hour: 482_000 }]);
  const server = await serve(
    t,
    { batch, realtime: new FakeRealtimeView(batch, []) },
    { httpDeadlineMs: 60_000 },
  );
  const watch = watchStalls();
  const response = await server.get(`/v1/uniques?${fiftyUrls}&from=2025-01-01&to=2025-02-12&interval=hour`);
  assert.equal(response.status, 200);
  await response.text();
  assert.ok(watch.end() < stallLimitMs, `the event loop was held up for ${watch.end()} ms of CPU time`);
});

test('an answer that takes too long is given up at its deadline', async (t) => {
  const batch = new FakeBatchView([{ visitor: 'v', url: 'https://example.org/', hour: 482_000 }]);
  const server = await serve(t, { batch, realtime: undefined }, { httpDeadlineMs: 20 });
  const response = await server.get(`/v1/uniques?${fiftyUrls}&from=2025-01-01&to=2025-02-12&interval=hour`);
  assert.equal(response.status, 503);
  assert.equal(((await response.json()) as { type: string }).type, 'urn:swa:problem:deadline-exceeded');
});

/** Percent-encodes what a URL cannot carry, and now and then leaves a broken escape. */
function encodeLoosely(text: string): string {
  return text === '%' || text === '%zz' ? text : encodeURIComponent(text.toWellFormed());
}
