/** Any request to an endpoint of another tracker gets an answer, never a status of 500 or above, and every fact it makes has a visitor. Prints its seed on failure. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPlaceholderId } from '../../../facts/placeholders.js';
import { noon, serveSites, shop } from '../../sites/test/serving.js';

const page = 'https://www.shop.example/a';
const anonymous = '0c2f1a55-4a4f-4a51-9a0e-6f6c6f0a1b2c';
const sites = (['cookieless', 'first-party'] as const).map((visitors, i) => ({
  ...shop,
  name: visitors,
  key: `fuzz-key-${i}`,
  visitors,
  requireProof: false,
  fromServers: true,
  eventsPerMinute: 1_000_000,
  trackers: { plausible: [visitors], umami: [visitors], goatcounter: true, segment: [visitors] },
}));

/** Valid requests of clients, whose values are then changed. */
const samples = sites.flatMap(({ name }): readonly (readonly [string, object])[] => [
  ['/api/event', { n: 'pageview', v: 36, u: `${page}#/x`, d: name, r: null, h: 1, p: { a: 1 } }],
  [
    '/api/send',
    {
      type: 'event',
      payload: {
        website: name,
        hostname: 'shop.example',
        url: '/a',
        referrer: '',
        id: '42',
        ip: '192.0.2.1',
        timestamp: noon / 1_000,
      },
    },
  ],
  [
    '/api/batch',
    [
      { type: 'event', payload: { website: name, hostname: 'shop.example', url: '/a', ip: '192.0.2.1' } },
      { type: 'identify', payload: { website: name, id: '42' } },
    ],
  ],
  [
    '/api/v0/count',
    {
      no_sessions: false,
      hits: [
        {
          path: '/a',
          ref: page,
          query: 'a=1',
          event: false,
          bot: 0,
          ip: '192.0.2.1',
          session: anonymous,
          created_at: new Date(noon).toISOString(),
        },
      ],
    },
  ],
  ['/api/send', { type: 'identify', payload: { website: name, id: '42', data: { proof: 'x' } } }],
  [
    '/v1/page',
    { writeKey: name, anonymousId: anonymous, userId: '42', messageId: 'm', properties: { url: page } },
  ],
  [
    '/v1/batch',
    {
      writeKey: name,
      sentAt: new Date(noon).toISOString(),
      batch: [
        {
          type: 'page',
          anonymousId: anonymous,
          properties: { url: page },
          timestamp: new Date(noon).toISOString(),
          context: { ip: '192.0.2.1', userAgent: 'x' },
        },
        { type: 'identify', anonymousId: anonymous, userId: '42', traits: {} },
        { type: 'track', event: 'Order', userId: '42' },
      ],
    },
  ],
]);

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1e308,
    noon,
    '',
    'null',
    'undefined',
    '[object Object]',
    '{{id}}',
    '00000000-0000-0000-0000-000000000000',
    'page',
    'pageview',
    'identify',
    'https://evil.example/',
    'app://x/',
    '//evil.example',
    'http://[',
    '\u0000',
    '\ud800',
    'x'.repeat(3_000),
    '1969-01-01T00:00:00Z',
    '2099-01-01T00:00:00Z',
    '192.0.2.999',
    [],
    {},
    [[]],
    ['cookieless'],
  ),
  fc.string({ maxLength: 40 }),
  fc.jsonValue({ maxDepth: 2 }),
);
const change = fc.record({ at: fc.nat(), value: odd, removes: fc.boolean() });
const origins = fc.constantFrom<string | undefined>(
  'https://shop.example',
  undefined,
  'null',
  'x',
  'https://evil.example',
);

/** Replaces or removes one value anywhere in a request. */
function changed(
  sample: object,
  { at, value, removes }: { at: number; value: unknown; removes: boolean },
): unknown {
  const copy: unknown = structuredClone(sample);
  const places: [Record<string, unknown>, string][] = [];
  const walk = (inner: unknown): void => {
    if (typeof inner !== 'object' || inner === null) return;
    for (const name of Object.keys(inner)) {
      places.push([inner as Record<string, unknown>, name]);
      walk((inner as Record<string, unknown>)[name]);
    }
  };
  walk(copy);
  const [holder, name] = places[at % places.length] ?? [];
  if (holder === undefined || name === undefined) return value;
  if (removes) delete holder[name];
  else holder[name] = value;
  return copy;
}

type Served = Awaited<ReturnType<typeof serveSites>>;

/** Sends a request over a plain socket, so that target and headers are sent unchanged. */
function send(
  origin: string,
  method: string,
  target: string,
  headers: object,
  body?: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(`${origin}/`, { method, path: target, headers: { ...headers }, timeout: 5_000 });
    asked.on('timeout', () => asked.destroy(new Error(`no answer to ${target}`)));
    asked.on('error', reject);
    asked.on('response', (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    asked.end(body);
  });
}

function checkFacts(swa: Served): void {
  for (const fact of swa.facts()) {
    const ids = fact.type === 'pageview' ? [fact.visitor] : fact.type === 'equiv' ? [fact.a, fact.b] : [];
    assert.ok(ids.length > 0, fact.type);
    for (const id of ids) assert.ok(/^(?:day|browser|user):./.test(id) && !isPlaceholderId(id), id);
    if (fact.type === 'pageview') assert.match(new URL(fact.url).hostname, /(?:^|\.)shop\.example$/);
    assert.ok(fact.timestamp <= noon + 300_000 && fact.timestamp >= noon - 7 * 86_400_000);
  }
}

test('changed bodies are taken, or refused by name', async (t) => {
  const swa = await serveSites(t, sites);
  const agent = {
    'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0',
    'Content-Type': 'text/plain',
  };
  await fc.assert(
    fc.asyncProperty(
      fc.nat(samples.length - 1),
      fc.array(change, { maxLength: 3 }),
      origins,
      async (which, changes, from) => {
        const [path = '', sample = {}] = samples[which] ?? [];
        let body: unknown = sample;
        for (const one of changes) body = changed(typeof body === 'object' && body !== null ? body : {}, one);
        const headers = from === undefined ? agent : { ...agent, Origin: from };
        const token = path === '/api/v0/count' ? { Authorization: 'Bearer fuzz-key-0' } : {};
        const status = await send(swa.origin, 'POST', path, { ...headers, ...token }, JSON.stringify(body));
        assert.ok(status >= 200 && status < 500 && status !== 404, String(status));
        if (changes.length === 0 && from === 'https://shop.example') assert.ok(status < 300, String(status));
        checkFacts(swa);
      },
    ),
    { numRuns: 500 },
  );
});

const deep = (depth: number): string =>
  `{"writeKey":"cookieless","batch":[${'['.repeat(depth)}${']'.repeat(depth)}]}`;

test('bodies that are no JSON, too deep, too large or in no charset are refused', async (t) => {
  const swa = await serveSites(t, sites);
  const json = { 'Content-Type': 'application/json', Origin: 'https://shop.example' };
  const nested = `{"writeKey":"cookieless","batch":[${'{"type":"page","x":'.repeat(20_000)}1${'}'.repeat(20_000)}]}`;
  const bodies: (readonly [string, number | undefined])[] = [
    ['', 400],
    ['[]', 400],
    ['7', 400],
    ['{', 400],
    [deep(200_000), 400],
    [nested, 400],
    [`{"x":"${'x'.repeat(600_000)}"}`, 413],
    ['{"__proto__":{"n":"pageview"},"constructor":1}', 401],
  ];
  for (const path of ['/v1/batch', '/api/event', '/api/send', '/api/batch', '/api/v0/count', '/v1/page'])
    for (const [body, expected] of bodies) {
      const status = await send(swa.origin, 'POST', path, json, body);
      assert.ok(status < 500, `${path}: ${status} for ${body.slice(0, 40)}`);
      if (path === '/v1/batch') assert.equal(status, expected, body.slice(0, 40));
    }
  const utf16 = { ...json, 'Content-Type': 'text/plain; charset=utf-16' };
  assert.equal(await send(swa.origin, 'POST', '/api/event', utf16, '{}'), 415);
  assert.equal(
    await send(swa.origin, 'POST', '/api/event', { ...json, 'Content-Type': 'image/png' }, '{}'),
    415,
  );
  assert.deepEqual(swa.facts(), []);
});

test('queries of any kind are answered with a pixel or refused', async (t) => {
  const swa = await serveSites(t, sites);
  const name = fc.constantFrom('p', 'r', 'e', 'b', 'q', 't', 's', 'rnd', 'ns', 'x', '');
  const value = fc.oneof(
    fc.constantFrom(
      '%2Fa',
      '/a',
      'true',
      '150',
      '1e400',
      '%',
      '%zz',
      '%00',
      '%ff',
      '//evil.example',
      '@evil.example',
      '..%2f..',
      '%23',
      'https:%2F%2Fevil.example%2F',
    ),
    fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => encodeURIComponent(text.toWellFormed())),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(name, value), { maxLength: 6 }),
      fc.constantFrom('GET', 'POST', 'HEAD'),
      fc.constantFrom<object>(
        { Referer: 'https://shop.example/' },
        { Origin: 'https://shop.example' },
        {},
        { Referer: 'x' },
      ),
      async (pairs, method, headers) => {
        const query = pairs.map(([key, text]) => `${key}=${text}`).join('&');
        const status = await send(swa.origin, method, `/count?${query}`, headers);
        assert.ok([200, 400, 403].includes(status), `${status} for ${query}`);
        checkFacts(swa);
      },
    ),
    { numRuns: 300 },
  );
});
