/** What a browser key may do, and what it may not. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { proofOf } from '../visitors.js';
import { news, noon, serveSites, shop } from './serving.js';

const view = { type: 'pageview', url: 'https://www.shop.example/a' };
const views = (count: number): object[] => Array.from({ length: count }, () => view);
const newsPage = 'https://news.example';
const hourMs = 3_600_000;
const apiKeys = [`owner:write:${createHash('sha256').update('owner-key').digest('hex')}`];

test('a page sends with its site’s key in the query or the body, as a beacon does', async (t) => {
  const { send, facts } = await serveSites(t, undefined, { apiKeys });
  const answers = [
    await send({ ...view, key: shop.key }),
    await send({ key: shop.key, events: [view] }),
    await send(view, { path: `/v1/events?key=${shop.key}` }),
    await send([view], {
      path: `/v1/events?key=${shop.key}`,
      headers: { 'Content-Type': 'application/json' },
    }),
    await send(
      { ...view, key: shop.key },
      { origin: undefined, headers: { Referer: 'https://shop.example/x' } },
    ),
  ];
  for (const { status, body } of answers) {
    assert.equal(status, 202, JSON.stringify(body));
    assert.deepEqual(body, { accepted: 1, rejected: [], warnings: [] });
  }
  const sent = facts();
  assert.equal(sent.length, 5);
  assert.equal(new Set(sent.map((fact) => 'visitor' in fact && fact.visitor)).size, 1);
  for (const fact of sent) {
    assert.ok(fact.type === 'pageview');
    assert.equal(fact.timestamp, noon);
    assert.match(fact.userAgent ?? '', /Firefox/);
    assert.match(fact.visitor, /^day:[\w-]{22}$/);
    assert.ok(!JSON.stringify(fact).includes('127.0.0.1'), 'the address is not stored');
  }
});

test('the limit of a page’s body is for bodies with a browser key alone', async (t) => {
  const { origin, facts } = await serveSites(t);
  const line = JSON.stringify({
    ...view,
    visitor: 'user:1',
    referrer: `https://www.shop.example/${'ä'.repeat(1_000)}`,
  });
  const body = Array.from({ length: 55 }, () => line).join('\n');
  assert.ok(body.length < 65_536 && Buffer.byteLength(body) > 65_536);
  const post = (text: string, type: string): Promise<Response> =>
    fetch(`${origin}/v1/events`, { method: 'POST', body: text, headers: { 'Content-Type': type } });
  assert.equal((await post(body, 'application/x-ndjson')).status, 202);
  assert.equal(facts().length, 55);
  const keyed = JSON.stringify({
    key: shop.key,
    events: Array.from({ length: 55 }, () => JSON.parse(line) as object),
  });
  assert.equal((await post(keyed, 'text/plain')).status, 413);
});

test('a key writes its own site alone, from its own pages', async (t) => {
  const { send, facts } = await serveSites(t, undefined, { apiKeys });
  const other = await send({ ...view, key: shop.key, url: 'https://news.example/a' });
  assert.equal(other.status, 202);
  assert.deepEqual(other.body.rejected, [
    { index: 0, reason: `url is not a page of site 'shop': "https://news.example/a"` },
  ]);
  for (const url of [
    'https://shop.example.evil.example/',
    'https://evilshop.example/',
    'https://shop.example@evil.example/',
  ])
    assert.match(
      (await send({ ...view, key: shop.key, url })).body.rejected?.[0]?.reason ?? '',
      /not a page of site/,
    );
  for (const origin of ['https://news.example', 'https://evilshop.example', 'null', undefined]) {
    const { status, body } = await send({ ...view, key: shop.key }, { origin });
    assert.equal(status, 403, origin);
    assert.match(body.type ?? '', /foreign-origin$/);
  }
  assert.equal((await send({ ...view, key: 'unknown-key' })).status, 401);
  assert.equal((await send(view)).status, 401);
  assert.equal((await send({ ...view, visitor: 'user:1' }, { path: '/v1/events?key=' })).status, 401);
  assert.deepEqual(facts(), []);
});

test('a browser key makes no edges, no visitors of its choice and no facts of other kinds', async (t) => {
  const { send, facts } = await serveSites(t);
  const edge = { type: 'equiv', a: 'user:1', b: 'user:2' };
  const { body } = await send({ key: shop.key, events: [edge, { ...edge, type: 'retract' }, 7, null, []] });
  assert.equal(body.accepted, 0);
  assert.deepEqual(
    body.rejected?.map(({ reason }) => reason.split(' ')[0]),
    ['type', 'type', 'event', 'event', 'event'],
  );
  const forged = await send({ ...view, key: shop.key, visitor: 'user:1', country: 'FR', importId: 'x' });
  assert.match(forged.body.rejected?.[0]?.reason ?? '', /^visitor must be 16 to 64 letters/);
  const ignored = await send({
    ...view,
    key: shop.key,
    visitor: 'a'.repeat(22),
    country: 'FR',
    userAgent: 'x',
  });
  assert.deepEqual(
    ignored.body.warnings?.map(({ field }) => field),
    ['country', 'userAgent', 'visitor'],
  );
  const [fact] = facts();
  assert.ok(fact?.type === 'pageview' && fact.visitor.startsWith('day:') && fact.country === undefined);
});

test('without keys of the system a page still needs its own', async (t) => {
  const { send, facts, origin } = await serveSites(t);
  const { status, body } = await send({ ...view, visitor: 'cookie:1' });
  assert.equal(status, 403);
  assert.match(body.type ?? '', /foreign-origin$/);
  assert.equal((await send({ ...view, key: shop.key })).status, 202);
  assert.equal(
    (await send({ ...view, visitor: 'cookie:1' }, { origin })).status,
    202,
    'the own page, as ever',
  );
  assert.equal(
    (await send({ ...view, visitor: 'cookie:1' }, { origin: undefined })).status,
    202,
    'a program',
  );
  assert.equal(facts().length, 3);
});

test('preflights of sites’ pages are answered, those of others are not', async (t) => {
  const { origin } = await serveSites(t);
  const preflight = (page: string): Promise<Response> =>
    fetch(`${origin}/v1/events`, {
      method: 'OPTIONS',
      headers: { Origin: page, 'Access-Control-Request-Method': 'POST' },
    });
  const own = await preflight('https://www.shop.example');
  assert.equal(own.status, 204);
  assert.equal(own.headers.get('access-control-allow-origin'), 'https://www.shop.example');
  const foreign = await preflight('https://evil.example');
  assert.equal(foreign.headers.get('access-control-allow-origin'), null);
});

test('a cookieless visitor is one for a day, on one site, at one address, with one browser', async (t) => {
  const swa = await serveSites(t, [shop, { ...news, visitors: 'cookieless' }], { trustedProxies: 1 });
  const visitorOf = async (timestamp: number, forwarded: string, agent = 'A', site: typeof shop = shop) => {
    await swa.send(
      { key: site.key, type: 'pageview', url: `https://${site.domains[0]}/`, timestamp },
      {
        origin: `https://${site.domains[0]}`,
        headers: { 'X-Forwarded-For': forwarded, 'User-Agent': agent },
      },
    );
    const [fact] = swa.facts();
    assert.ok(fact?.type === 'pageview');
    return fact.visitor;
  };
  const ann = await visitorOf(noon, '192.0.2.1');
  assert.equal(await visitorOf(noon - 2 * hourMs, '192.0.2.1'), ann);
  assert.equal(
    await visitorOf(noon, '198.51.100.9, 192.0.2.1'),
    ann,
    'what a client writes itself is not trusted',
  );
  const others = [
    await visitorOf(noon, '192.0.2.2'),
    await visitorOf(noon, '192.0.2.1', 'B'),
    await visitorOf(noon, '192.0.2.1', 'A', news),
    await visitorOf(noon - 24 * hourMs, '192.0.2.1'),
  ];
  assert.equal(new Set([ann, ...others]).size, 5);
  await swa.restart();
  assert.equal(await visitorOf(noon, '192.0.2.1'), ann, 'a restart changes nobody');
});

test('a day’s salt lives 6 hours past its day and is destroyed; late events stay of one visitor', async (t) => {
  const swa = await serveSites(t);
  const salts = join(swa.config.dataDir, 'sites', 'salts');
  const visitorOf = async (timestamp: number): Promise<string> => {
    await swa.send({ key: shop.key, ...view, timestamp });
    const [fact] = swa.facts();
    assert.ok(fact?.type === 'pageview' && fact.timestamp === timestamp);
    return fact.visitor;
  };
  const today = await visitorOf(noon);
  const salt = readFileSync(join(salts, '2026-03-10'));
  assert.equal(salt.length, 32);
  swa.time.now = Date.UTC(2026, 2, 11, 5, 59);
  assert.equal(await visitorOf(noon), today, 'late, within 6 hours');
  await swa.restart();
  assert.equal(await visitorOf(noon), today);
  swa.time.now = Date.UTC(2026, 2, 11, 6);
  await swa.restart();
  assert.deepEqual(readdirSync(salts), []);
  const late = await visitorOf(noon);
  assert.notEqual(late, today);
  assert.equal(await visitorOf(noon + 1), late);
  assert.notEqual(await visitorOf(swa.time.now), late, 'nobody is linked over days');
  assert.deepEqual(readdirSync(salts), ['2026-03-11']);
});

test('on a first-party site identify joins the browser with a proven user, once', async (t) => {
  const { send, facts } = await serveSites(t);
  const browser = 'b'.repeat(32);
  const proof = proofOf(news.secret, '42');
  const at = { origin: newsPage };
  const login = { type: 'identify', visitor: browser, user: '42', proof };
  const seen = { type: 'pageview', url: `${newsPage}/a`, visitor: browser };
  const { body } = await send({ key: news.key, events: [seen, login, login] }, at);
  assert.deepEqual(body, { accepted: 3, rejected: [], warnings: [] });
  const [pageview, edge, again] = facts();
  assert.ok(pageview?.type === 'pageview' && pageview.visitor === `browser:${browser}`);
  assert.ok(edge?.type === 'equiv' && edge.a === `browser:${browser}` && edge.b === 'user:42');
  assert.ok(
    again?.type === 'equiv' && again.eventId === edge.eventId,
    'a replay is a repeat, and does not count',
  );
});

test('a user id that is not proven is refused, and says so', async (t) => {
  const { send, facts } = await serveSites(t, [
    shop,
    news,
    { ...news, name: 'open', key: 'open-key-1', requireProof: false },
  ]);
  const browser = 'b'.repeat(32);
  const proof = proofOf(news.secret, '42');
  const reasons: (readonly [object, RegExp])[] = [
    [{ user: '42' }, /^proof is missing/],
    [{ user: '42', proof: 'f'.repeat(64) }, /^proof does not prove the user id "42"/],
    [{ user: '43', proof }, /^proof does not prove/],
    [{ user: '42', proof: proofOf(shop.secret, '42') }, /^proof does not prove/],
    [{ user: '42', proof: 7 }, /^proof does not prove/],
    [{ user: 42, proof }, /^user must be a text/],
    [{ proof }, /^user is missing/],
    [{ user: 'x'.repeat(201), proof }, /^user is longer than 200/],
    [{ user: 'null', proof: proofOf(news.secret, 'null') }, /^b is a placeholder/],
    [{ user: '42', proof, visitor: 'user:7' }, /^visitor must be 16 to 64/],
    [{ user: '42', proof, visitor: undefined }, /^visitor is missing/],
  ];
  for (const [fields, reason] of reasons) {
    const event = { key: news.key, type: 'identify', visitor: browser, ...fields };
    const { status, body } = await send(event, { origin: newsPage });
    assert.equal(status, 202);
    assert.match(body.rejected?.[0]?.reason ?? '', reason);
  }
  const forged = { key: news.key, type: 'pageview', url: `${newsPage}/`, user: '42', proof: 'no' };
  const { body: counted } = await send(forged, { origin: newsPage });
  assert.match(
    counted.warnings?.[0]?.message ?? '',
    /^proof does not prove the user id "42"; counted without the user$/,
  );
  const [view1, ...more] = facts();
  assert.ok(view1?.type === 'pageview' && view1.visitor.startsWith('day:'));
  assert.deepEqual(more, []);
  const unproven = { key: 'open-key-1', type: 'identify', visitor: browser, user: '42' };
  assert.equal((await send(unproven, { origin: newsPage })).body.accepted, 1);
});

test('on a cookieless site identify makes no edge: the user is the visitor of the facts that carry it', async (t) => {
  const { send, facts } = await serveSites(t);
  const user = { user: '42', proof: proofOf(shop.secret, '42') };
  const { body } = await send({
    key: shop.key,
    events: [{ type: 'identify', ...user }, { ...view, ...user }, view],
  });
  assert.equal(body.accepted, 2);
  assert.deepEqual(body.rejected, []);
  assert.match(body.warnings?.[0]?.message ?? '', /identify makes no edge on the cookieless site 'shop'/);
  const visitors = facts().map((fact) =>
    fact.type === 'pageview' ? fact.visitor.replace(/^day:.*/, 'day') : fact.type,
  );
  assert.deepEqual(visitors, ['user:42', 'day']);
});

test('a clock far off does no harm where the page says what it shows, and is refused by name where not', async (t) => {
  const { send, facts } = await serveSites(t);
  const wrong = Date.UTC(2031, 0, 1);
  const queued = { ...view, timestamp: wrong - 26 * hourMs };
  assert.equal((await send({ key: shop.key, sentAt: wrong, events: [queued] })).body.accepted, 1);
  const [fact] = facts();
  assert.equal(fact?.timestamp, noon - 26 * hourMs);
  const reasonOf = async (timestamp: unknown): Promise<string | undefined> =>
    (await send({ key: shop.key, ...view, timestamp })).body.rejected?.[0]?.reason;
  assert.match((await reasonOf(wrong)) ?? '', /^timestamp is more than 5 minutes after its arrival/);
  assert.match((await reasonOf(noon - 8 * 24 * hourMs)) ?? '', /^timestamp is more than 7 days ago/);
  assert.match((await reasonOf(1_764_436_000)) ?? '', /seconds instead of milliseconds/);
  assert.match((await reasonOf('soon')) ?? '', /^timestamp must be .*RFC 3339/);
  assert.equal(await reasonOf(noon - 6 * 24 * hourMs), undefined);
});

test('too much of anything is refused, and one client does not shut out the others', async (t) => {
  const { send, facts } = await serveSites(t, [{ ...shop, eventsPerMinute: 100 }], { trustedProxies: 1 });
  const key = shop.key;
  assert.equal((await send('x'.repeat(10_000_000))).status, 413);
  assert.equal(
    (await send({ key, ...view, more: 'x'.repeat(65_536) }, { path: `/v1/events?key=${key}` })).status,
    413,
  );
  assert.equal((await send({ key, events: views(101) })).status, 413);
  for (const body of ['', 'no json', '{"key":"shop-key-1"', '[]x'])
    assert.equal((await send(body, { path: `/v1/events?key=${key}` })).status, 400, body);
  const from = (address: string, events = 5) =>
    send({ key, events: views(events) }, { headers: { 'X-Forwarded-For': address } });
  assert.deepEqual([(await from('192.0.2.1')).status, (await from('192.0.2.1')).status], [202, 202]);
  const { status, headers } = await from('192.0.2.1');
  assert.equal(status, 429);
  assert.ok(Number(headers.get('retry-after')) > 0);
  for (let host = 2; host < 20; host++)
    assert.equal((await from(`192.0.2.${host}`)).status, 202, String(host));
  assert.equal((await from('192.0.2.20')).status, 429, 'the site’s own limit');
  assert.equal(facts().length, 100);
});

test('the country is what the named header of a proxy says', async (t) => {
  const { send, facts } = await serveSites(t, [shop], { countryHeader: 'CF-IPCountry' });
  for (const country of ['de', 'XX', 'T1', 'DEU', ''])
    await send({ key: shop.key, ...view }, { headers: { 'CF-IPCountry': country } });
  assert.deepEqual(
    facts().map((fact) => fact.type === 'pageview' && fact.country),
    ['DE', undefined, undefined, undefined, undefined],
  );
});

test('what sites sent and were refused stands in the status', async (t) => {
  const { send, wayIn } = await serveSites(t);
  await send({ key: shop.key, events: [view, { ...view, url: 'x' }] });
  await send({ key: shop.key, ...view }, { origin: newsPage });
  assert.deepEqual(wayIn.details(), {
    sites: {
      shop: { accepted: 1, rejected: 1, refused: 1, unproven: 0, ignored: {} },
      news: { accepted: 0, rejected: 0, refused: 0, unproven: 0, ignored: {} },
    },
  });
});
