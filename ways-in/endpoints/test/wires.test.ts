/** Wire formats of other trackers, as their clients and others send them: which events become facts, are counted by name, or are refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openApi } from '../../../lib/http/openapi.js';
import { proofOf } from '../../sites/visitors.js';
import { news, noon, shop } from '../../sites/test/serving.js';
import {
  hourMs,
  apiKeys,
  sites,
  agent,
  shopPage,
  newsPage,
  anonymous,
  proof,
  serverWith,
  serve,
  pageview,
} from './wires.js';

test('Plausible: pageviews in both spellings become facts, everything else is counted by name', async (t) => {
  const { plausible, facts, counts } = await serve(t);
  const short = await plausible({
    n: 'pageview',
    v: 36,
    u: `${shopPage}/a?utm_source=x`,
    d: 'Shop',
    r: null,
  });
  assert.deepEqual([short.status, short.text], [202, 'ok']);
  await plausible(
    {
      name: 'pageview',
      url: `${shopPage}/b`,
      domain: 'elsewhere, Shop',
      referrer: 'https://search.example/',
      props: {},
    },
    { type: 'application/json' },
  );
  await plausible({ n: 'pageview', u: `${shopPage}/app/?x=1#/orders/7`, d: 'Shop', h: 1 });
  const [a, b, c, ...more] = facts().map(pageview);
  assert.deepEqual(more, []);
  assert.equal(a?.url, `${shopPage}/a?utm_source=x`);
  assert.equal(a?.userAgent, agent);
  assert.match(a?.visitor ?? '', /^day:/);
  assert.deepEqual(
    [b?.url, b?.referrer, b?.visitor],
    [`${shopPage}/b`, 'https://search.example/', a?.visitor],
  );
  assert.equal(c?.url, `${shopPage}/app/orders/7`);
  for (const n of ['engagement', 'Signup', 'Signup', 'x\u0007y', 'n'.repeat(100)])
    assert.equal((await plausible({ n, u: `${shopPage}/a`, d: 'Shop', e: 3, sd: 9 })).status, 202);
  assert.deepEqual(facts(), []);
  assert.deepEqual(counts('shop'), {
    accepted: 3,
    rejected: 0,
    refused: 0,
    unproven: 0,
    ignored: {
      'plausible engagement': 1,
      'plausible Signup': 2,
      'plausible x y': 1,
      [`plausible ${'n'.repeat(54)}`]: 1,
    },
  });
});

test('names that pages make up are told apart up to a limit', async (t) => {
  const { plausible, counts } = await serve(t);
  for (let i = 0; i < 100; i++)
    assert.equal((await plausible({ n: `event ${i}`, u: `${shopPage}/a`, d: 'Shop' })).status, 202);
  const ignored = Object.entries(counts('shop')?.['ignored'] ?? {});
  assert.equal(ignored.length, 65);
  assert.deepEqual(ignored.at(-1), ['other', 36]);
});

test('no tracker’s client writes for pages of others, nor is taken from their pages', async (t) => {
  const { plausible, umami, call, batch, facts, counts } = await serve(t);
  const foreign = ['https://evil.example', newsPage, 'null', undefined];
  for (const origin of foreign) {
    const at = { origin };
    const statuses = [
      await plausible({ n: 'pageview', u: `${shopPage}/a`, d: 'Shop' }, at),
      await umami('event', { hostname: 'www.shop.example', url: '/a' }, at),
      await batch([{ type: 'page', properties: { url: `${shopPage}/a` } }], { writeKey: 'shop-write' }, at),
    ].map(({ status }) => status);
    assert.deepEqual(statuses, [403, 403, 403], origin);
  }
  for (const origin of ['https://evil.example', 'null', undefined])
    assert.equal((await call('/count?p=/a', undefined, { origin, method: 'GET' })).status, 403, origin);
  const url = 'https://evil.example/a';
  const rejected = [
    await plausible({ n: 'pageview', u: url, d: 'Shop' }),
    await plausible({ n: 'pageview', u: 'app://shop.example/a', d: 'Shop' }),
    await umami('event', { hostname: 'evil.example', url: '/a' }),
    await umami('event', { hostname: 'shop.example@evil.example', url: '/a' }),
    await umami('event', { url }),
  ];
  for (const { status, text } of rejected) assert.equal(status, 400, text);
  const unknown = [
    await plausible({ n: 'pageview', u: url, d: 'shop.example' }),
    await umami('event', { website: 'x', url }),
    await batch([], { writeKey: undefined }),
  ];
  assert.deepEqual(
    unknown.map(({ status }) => status),
    [401, 401, 401],
  );
  assert.deepEqual(facts(), []);
  assert.equal(counts('shop')?.['refused'], 12);
  assert.equal(counts('shop')?.['rejected'], 5);
});

test('preflights of a site’s pages are answered for each client, those of others are not', async (t) => {
  const { origin } = await serve(t);
  const preflight = (path: string, page: string): Promise<Response> =>
    fetch(origin + path, {
      method: 'OPTIONS',
      headers: {
        Origin: page,
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'content-type',
      },
    });
  for (const path of ['/api/event', '/api/send', '/v1/batch', '/v1/track']) {
    const own = await preflight(path, shopPage);
    assert.equal(own.status, 204, path);
    assert.equal(own.headers.get('access-control-allow-origin'), shopPage);
    assert.match(own.headers.get('access-control-allow-headers') ?? '', /Content-Type/);
    assert.match(own.headers.get('access-control-allow-methods') ?? '', /POST/);
    const foreign = await preflight(path, 'https://evil.example');
    assert.equal(foreign.headers.get('access-control-allow-origin'), null, path);
  }
});

test('Umami: pageviews of whole urls and of paths, everything else by name', async (t) => {
  const { umami, facts, counts } = await serve(t);
  const first = await umami('event', {
    hostname: 'www.shop.example',
    url: '/a?x=1',
    referrer: '/before',
    language: 'en',
    screen: '1x1',
    title: 'A',
  });
  assert.deepEqual([first.status, first.text], [200, '{}']);
  await umami('event', {
    url: `${shopPage}/b`,
    referrer: 'https://search.example/',
    timestamp: (noon - hourMs) / 1_000,
  });
  const [a, b] = facts().map(pageview);
  assert.deepEqual([a?.url, a?.referrer], [`${shopPage}/a?x=1`, `${shopPage}/before`]);
  assert.deepEqual(
    [b?.url, b?.referrer, b?.timestamp],
    [`${shopPage}/b`, 'https://search.example/', noon - hourMs],
  );
  assert.equal(a?.visitor, b?.visitor);
  for (const timestamp of [noon, (noon + hourMs) / 1_000, (noon - 8 * 24 * hourMs) / 1_000, 'soon', 1e300])
    assert.equal((await umami('event', { url: `${shopPage}/b`, timestamp })).status, 400, String(timestamp));
  await umami('event', { name: 'buy', url: '/a', data: {} });
  await umami('performance', { lcp: 1 });
  await umami('identify', { data: { plan: 'x' } });
  assert.equal((await umami('odd', {})).status, 400);
  assert.deepEqual(facts(), []);
  assert.deepEqual(counts('shop')?.['ignored'], {
    'umami buy': 1,
    'umami performance': 1,
    'umami identify without id': 1,
  });
});

test('Umami: identify joins the day’s visitor with the user on a first-party site, one user a day', async (t) => {
  const { umami, facts, time } = await serve(t);
  const site = { website: 'news-website' };
  const at = { origin: newsPage };
  const login = (id: string, by = proofOf(news.secret, id)) =>
    umami('identify', { ...site, id, data: { proof: by } }, at);
  await umami('event', { ...site, url: `${newsPage}/a` }, at);
  assert.equal((await login('42')).status, 200);
  assert.equal((await login('43', proof)).status, 400, 'the proof of another user');
  assert.equal((await login('43')).status, 200);
  const [view, edge, ...more] = facts();
  assert.deepEqual(more, [], 'a colleague behind the same address is not joined');
  assert.ok(edge?.type === 'equiv');
  assert.deepEqual([edge.a, edge.b], [pageview(view).visitor, 'user:42']);
  time.now += 24 * hourMs;
  await login('43');
  const [next] = facts();
  assert.ok(next?.type === 'equiv' && next.b === 'user:43');
  await umami(
    'identify',
    { ...site, id: '43', data: { proof: proofOf(news.secret, '43') }, timestamp: noon / 1_000 },
    at,
  );
  assert.deepEqual(facts(), [], 'the visitor of another day is not joined');
});

test('on a cookieless site no client makes an edge: the user is the visitor of what carries it', async (t) => {
  const { umami, batch, facts } = await serve(t);
  const shopProof = proofOf(shop.secret, '42');
  assert.equal((await umami('identify', { id: '42', data: { proof: shopProof } })).status, 200);
  await umami('event', { id: '42', url: `${shopPage}/a` });
  await umami('event', { id: '42', url: `${shopPage}/a`, data: { proof: shopProof } });
  const ids = {
    anonymousId: anonymous,
    userId: '42',
    properties: { url: `${shopPage}/a`, proof: shopProof },
  };
  const at = { origin: shopPage };
  const answer = await batch(
    [
      { type: 'identify', ...ids },
      { type: 'page', ...ids },
    ],
    { writeKey: 'shop-write' },
    at,
  );
  assert.equal(answer.text, '{"success":true}');
  assert.deepEqual(
    facts().map((fact) => pageview(fact).visitor.replace(/^day:.*/, 'day')),
    ['day', 'user:42', 'user:42'],
  );
});

test('GoatCounter: pixel and beacon count the page they stand on', async (t) => {
  const { call, facts, counts } = await serve(t);
  const get = (query: string, referer = `${shopPage}/`) =>
    call(`/count?${query}`, undefined, { origin: undefined, method: 'GET', headers: { Referer: referer } });
  const pixel = await get(
    'p=%2Fa%3Fx%3D1&r=https%3A%2F%2Fsearch.example%2F&t=A&s=1920%2C1080%2C1&q=%3Fx%3D1&rnd=abc',
  );
  assert.deepEqual([pixel.status, pixel.headers.get('content-type')], [200, 'image/gif']);
  assert.equal(pixel.headers.get('cross-origin-resource-policy'), 'cross-origin');
  assert.equal(pixel.headers.get('access-control-allow-origin'), '*');
  assert.equal(pixel.headers.get('cache-control'), 'no-store');
  assert.equal((await call('/count?p=b&q=utm_source%3Dx', undefined, {})).status, 200);
  const [a, b, ...more] = facts().map(pageview);
  assert.deepEqual(more, []);
  assert.deepEqual([a?.url, a?.referrer], [`${shopPage}/a?x=1`, 'https://search.example/']);
  assert.equal(b?.url, `${shopPage}/b?utm_source=x`);
  assert.equal(a?.visitor, b?.visitor);
  await get('p=click-me&e=true');
  await get('p=%2Fa&b=151');
  assert.equal((await get('p=%2Fa&e=false&b=0')).status, 200);
  assert.equal((await get('p=%2F%2Fevil.example%2Fa')).status, 200);
  assert.equal((await get(`p=%2F${'a'.repeat(2_100)}`)).status, 400);
  assert.equal((await call('/count?p=/head', undefined, { method: 'HEAD' })).status, 200);
  assert.deepEqual(
    facts().map((fact) => new URL(pageview(fact).url).host),
    ['www.shop.example', 'www.shop.example'],
  );
  assert.deepEqual(counts('shop')?.['ignored'], { 'goatcounter click-me': 1, 'goatcounter bot': 1 });
});

const segmentPage = (more: object) => ({
  type: 'page',
  messageId: 'm1',
  anonymousId: anonymous,
  timestamp: '2031-01-01T10:00:00.000Z',
  properties: { url: `${newsPage}/a`, referrer: 'https://search.example/' },
  context: { ip: '192.0.2.7', userAgent: agent, library: { name: '@segment/analytics-node' } },
  ...more,
});

test('Segment: a batch of a server is facts, edges and names, once, at the time it happened', async (t) => {
  const { batch, facts, counts } = await serve(t);
  const known = { userId: '42', traits: { proof } };
  const events = [
    segmentPage({}),
    segmentPage({ ...known, messageId: 'm2' }),
    { type: 'track', event: 'Order', anonymousId: anonymous, ...known },
    { type: 'identify', anonymousId: anonymous, ...known },
    { type: 'identify', ...known },
    { type: 'alias', previousId: 'x', userId: '42' },
    segmentPage({ anonymousId: undefined, messageId: 'm3' }),
    segmentPage({ anonymousId: undefined, ...known, messageId: 'm4', context: {} }),
  ];
  const answer = await batch(events, { sentAt: '2031-01-01T12:00:00.000Z' });
  assert.deepEqual([answer.status, answer.text], [200, '{"success":true}']);
  const [first, second, edge, explicit, byAddress, byUser, ...more] = facts();
  assert.deepEqual(more, []);
  const view = pageview(first);
  assert.deepEqual(
    [view.visitor, view.eventId, view.timestamp, view.userAgent, view.url, view.referrer],
    [`browser:${anonymous}`, 'm1', noon - 2 * hourMs, agent, `${newsPage}/a`, 'https://search.example/'],
  );
  assert.equal(pageview(second).visitor, `browser:${anonymous}`);
  assert.ok(edge?.type === 'equiv' && edge.a === `browser:${anonymous}` && edge.b === 'user:42');
  assert.ok(
    explicit?.type === 'equiv' && explicit.eventId === edge.eventId,
    'a repeat, which counts nothing',
  );
  assert.match(pageview(byAddress).visitor, /^day:/);
  assert.deepEqual([pageview(byUser).visitor, pageview(byUser).userAgent], ['user:42', undefined]);
  assert.deepEqual(counts('news')?.['ignored'], {
    'segment Order': 1,
    'segment identify without both ids': 1,
    'segment alias': 1,
  });
  await batch([segmentPage({ ...known })], { sentAt: '2031-01-01T12:00:00.000Z' });
  assert.deepEqual(
    facts().map(({ type }) => type),
    ['pageview'],
    'an edge that is implied again is not stored again',
  );
});

test('Segment: nothing is taken from a server that names nobody, and the batch says so', async (t) => {
  const { batch, facts } = await serve(t);
  const url = `${newsPage}/a`;
  const cases: (readonly [object | number, RegExp])[] = [
    [{ properties: { url } }, /^visitor is missing: a server must name the visitor/],
    [{ properties: { url }, context: { userAgent: agent } }, /^visitor is missing/],
    [{ properties: { url }, context: { ip: 'here' } }, /^address is not an IP address: "here"/],
    [{ properties: { url }, userId: '42' }, /^visitor is missing/],
    [
      { properties: { url }, userId: '42', traits: { proof: proofOf(shop.secret, '42') } },
      /^visitor is missing/,
    ],
    [{ properties: { url }, userId: 'null', traits: { proof: proofOf(news.secret, 'null') } }, /placeholder/],
    [{ properties: { url }, anonymousId: 'short' }, /^visitor must be 16 to 64/],
    [{ properties: { url }, anonymousId: '00000000-0000-0000-0000-000000000000' }, /placeholder/],
    [{ properties: { url: 'https://evil.example/' }, anonymousId: anonymous }, /^url is not a page of site/],
    [{ anonymousId: anonymous }, /^url is missing/],
    [{ properties: { url }, anonymousId: anonymous, timestamp: 'soon' }, /^timestamp must be/],
    [
      { properties: { url }, anonymousId: anonymous, timestamp: '2026-03-01T00:00:00Z' },
      /more than 7 days ago/,
    ],
    [{ properties: { url }, anonymousId: anonymous, timestamp: '2031-03-01T00:00:00Z' }, /after its arrival/],
    [
      { properties: { url, more: 'x'.repeat(33_000) }, anonymousId: anonymous },
      /^event is larger than 32768 bytes/,
    ],
    [7, /^event must be a JSON object/],
    [{ type: 'odd' }, /^type must be one of page, track/],
  ];
  const events = cases.map(([event]) => (typeof event === 'object' ? { type: 'page', ...event } : event));
  const answer = await batch(events);
  const { rejected } = JSON.parse(answer.text) as { rejected: { index: number; reason: string }[] };
  assert.equal(answer.status, 200);
  assert.deepEqual(
    rejected.map(({ index }) => index),
    cases.map((_one, i) => i),
  );
  for (const [i, [, reason]] of cases.entries()) assert.match(rejected[i]?.reason ?? '', reason);
  assert.deepEqual(facts(), []);
  assert.equal((await batch(Array.from({ length: 2_501 }, () => ({})))).status, 413);
  assert.equal((await batch([{ more: 'x'.repeat(520_000) }])).status, 413);
});

test('Segment: single events, and write keys in Authorization', async (t) => {
  const { call, facts, counts } = await serve(t);
  const view = { anonymousId: anonymous, properties: { url: `${newsPage}/a` } };
  const basic = `Basic ${Buffer.from('news-write:').toString('base64')}`;
  assert.equal((await call('/v1/page', view, serverWith(basic))).status, 200);
  assert.equal((await call('/v1/page', view, serverWith('Bearer news-write'))).status, 200);
  assert.equal((await call('/v1/page', view, serverWith('Bearer owner-key'))).status, 401);
  assert.equal((await call('/v1/track', { ...view, event: 'Order' }, serverWith(basic))).status, 200);
  assert.equal(
    (
      await call(
        '/v1/identify',
        { anonymousId: anonymous, userId: '42', traits: { proof } },
        serverWith(basic),
      )
    ).status,
    200,
  );
  assert.deepEqual(
    facts().map(({ type }) => type),
    ['pageview', 'pageview', 'equiv'],
  );
  assert.deepEqual(counts('news')?.['ignored'], { 'segment Order': 1 });
});

test('what a page says of address and browser is not believed', async (t) => {
  const { umami, facts } = await serve(t);
  const visitors = new Set<string>();
  for (const ip of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) {
    assert.equal((await umami('event', { url: `${shopPage}/a`, ip, userAgent: ip })).status, 200);
    const fact = pageview(facts()[0]);
    visitors.add(fact.visitor);
    assert.equal(fact.userAgent, agent);
  }
  assert.equal(visitors.size, 1);
});

test('one address may send a tenth of a site’s limit, a server all of it; what is ignored counts, too', async (t) => {
  const { plausible, batch } = await serve(
    t,
    { apiKeys },
    sites.map((site) => ({ ...site, eventsPerMinute: 50 })),
  );
  const send = (n: string) => plausible({ n, u: `${shopPage}/a`, d: 'Shop' });
  for (const n of ['pageview', 'engagement', 'a', 'b', 'c']) assert.equal((await send(n)).status, 202);
  const over = await send('d');
  assert.equal(over.status, 429);
  assert.ok(Number(over.headers.get('retry-after')) > 0);
  const track = { type: 'track', event: 'x', anonymousId: anonymous, userId: '42' };
  assert.equal((await batch(Array.from({ length: 50 }, () => track))).status, 200);
  assert.equal((await batch([track])).status, 429);
});

test('the routes are in the API document, each with an id of its own', async (t) => {
  const { wayIn } = await serve(t);
  const { paths } = openApi(wayIn.routes, { title: 't', version: '1', description: 'd' }) as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const singles = ['page', 'track', 'identify', 'alias', 'group', 'screen'].map((type) => `/v1/${type}`);
  assert.deepEqual(Object.keys(paths), [
    '/t.js',
    '/api/event',
    '/api/send',
    '/api/batch',
    '/count',
    '/api/v0/count',
    '/v1/batch',
    ...singles,
  ]);
  const ids = Object.values(paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  );
  assert.equal(new Set(ids).size, 14);
});

test('endpoints that no site names are not there', async (t) => {
  const { call } = await serve(t, { apiKeys }, [
    { ...sites[0], trackers: { plausible: ['Shop'] } },
  ] as typeof sites);
  assert.equal((await call('/api/send', {})).status, 404);
  assert.equal((await call('/v1/batch', {})).status, 404);
  assert.equal((await call('/count?p=/a', undefined)).status, 404);
  assert.equal((await call('/api/event', { n: 'pageview', u: `${shopPage}/a`, d: 'Shop' })).status, 202);
});

test('a bot’s pageview is kept with its user agent, by which the views leave it out', async (t) => {
  const { plausible, facts } = await serve(t);
  const bot = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';
  const { status } = await plausible(
    { n: 'pageview', u: `${shopPage}/a`, d: 'Shop' },
    { headers: { 'User-Agent': bot } },
  );
  assert.equal(status, 202);
  assert.equal(pageview(facts()[0]).userAgent, bot);
});
