import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { configWith, type Config } from '../../lib/config/config.js';
import { SwaError } from '../../lib/errors/errors.js';
import { decodeRecord } from '../../facts/record.js';
import { HttpEndpoint } from '../../lib/http/endpoint.js';
import type { NewRecord } from '../../log/log.js';
import { assertDocumented } from '../../facts/test/documented.js';
import { UrlRules } from '../../facts/url/normalize.js';
import { collectorLimits, collectorRoutes } from '../collector.js';
import { Intake, newCounters } from '../intake.js';

const now = Date.UTC(2026, 0, 1);
const endpoints: HttpEndpoint[] = [];
after(() => Promise.all(endpoints.map((endpoint) => endpoint.close())));

/** A collector over a log in memory; `refuse` makes the log reject appends. */
async function serve(change: Partial<Config> = {}) {
  const records: NewRecord[] = [];
  const log = { refuse: false };
  const counters = newCounters();
  const intake = new Intake({
    log: {
      append: (batch) => {
        if (log.refuse)
          return Promise.reject(new SwaError('log.unavailable', 'disk full', { retryable: true }));
        records.push(...batch);
        return Promise.resolve();
      },
    },
    urls: new UrlRules(),
    clock: () => now,
    counters,
  });
  const routes = collectorRoutes({ intake });
  const endpoint = new HttpEndpoint({
    config: configWith(change),
    clock: Date.now,
    logger: pino({ level: 'silent' }),
    drainGraceMs: 0,
  });
  endpoints.push(endpoint);
  endpoint.mount(routes);
  const { origin } = await endpoint.listen(0);
  const path = '/v1/events';
  const post = async (
    body: string | Uint8Array<ArrayBuffer> | undefined,
    type = 'application/json',
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> => {
    const response = await fetch(origin + path, {
      method: 'POST',
      ...(body === undefined ? {} : { body }),
      headers: type === '' ? headers : { 'Content-Type': type, ...headers },
    });
    assertDocumented(routes, { method: 'POST', path, ...(type === '' ? {} : { type }) }, response);
    return response;
  };
  return { origin, post, records, log, counters };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const latin1 = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, 'latin1'));

const view = { type: 'pageview', visitor: 'cookie:1', url: 'https://e.org/', timestamp: now };

test('one fact, an array and NDJSON are taken, with receivedAt and an eventId given', async () => {
  const { post, records } = await serve();
  const bodies: readonly (readonly [string, string, number])[] = [
    [JSON.stringify(view), 'application/json', 1],
    [JSON.stringify([view, { ...view, eventId: 'mine' }]), 'application/json', 2],
    [`${JSON.stringify(view)}\n\n${JSON.stringify(view)}\n`, 'application/x-ndjson', 2],
    [JSON.stringify(view), 'application/ndjson', 1],
    [JSON.stringify(view), 'text/plain;charset=UTF-8', 1],
  ];
  for (const [body, type, accepted] of bodies) {
    const response = await post(body, type);
    assert.equal(response.status, 202);
    assert.deepEqual(await response.json(), { accepted, rejected: [], warnings: [] });
  }
  const facts = records.map((record) => decodeRecord(record.value, record.topic));
  assert.equal(facts.length, 7);
  for (const fact of facts)
    assert.ok(fact.type === 'pageview' && fact.receivedAt === now && fact.eventId !== '');
  assert.ok(facts.some((fact) => fact.type === 'pageview' && fact.eventId === 'mine'));
});

test('a refused fact is named by its index; the others go in', async () => {
  const { post, records, counters } = await serve();
  const lines = [
    JSON.stringify(view),
    '{"type":',
    JSON.stringify({ ...view, url: 7 }),
    '[1]',
    JSON.stringify(view),
  ];
  const response = await post(lines.join('\n'), 'application/x-ndjson');
  assert.equal(response.status, 202);
  const answer = (await response.json()) as {
    accepted: number;
    rejected: { index: number; reason: string }[];
  };
  assert.equal(answer.accepted, 2);
  assert.deepEqual(
    answer.rejected.map((one) => one.index),
    [1, 2, 3],
  );
  assert.match(answer.rejected[1]?.reason ?? '', /^url must be a string, got 7/);
  assert.equal(records.length, 2);
  assert.deepEqual([counters.accepted, counters.rejected, counters.rejectedByField.get('url')], [2, 3, 1]);
});

test('a value nested however deep is refused like any other; the others go in', async () => {
  const { post, records } = await serve();
  const fields = ['type', 'visitor', 'url', 'timestamp', 'eventId', 'userAgent', 'country', 'importId'];
  let taken = 0;
  for (const [depth, reason] of [
    [900, /got an array/],
    [200_000, /nested more than 1000 levels deep/],
  ] as const) {
    const deep = `${'['.repeat(depth)}${']'.repeat(depth)}`;
    const lines = fields.map((field) => JSON.stringify({ ...view, [field]: 'deep' }).replace('"deep"', deep));
    for (const line of [...lines, deep]) {
      const response = await post(`${line}\n${JSON.stringify(view)}`, 'application/x-ndjson');
      const { accepted, rejected } = (await response.json()) as {
        accepted: number;
        rejected: { reason: string }[];
      };
      assert.deepEqual([accepted, rejected.length, records.length], [1, 1, ++taken]);
      assert.match(rejected[0]?.reason ?? '', reason);
    }
    const whole = await post(JSON.stringify({ ...view, other: 'deep' }).replace('"deep"', deep));
    assert.match(await whole.text(), depth < 1_000 ? /"accepted":1/ : reason);
    if (depth < 1_000) taken++;
  }
});

test('what was changed about accepted facts is said by index and field, and no more than 100 times', async () => {
  const { post, counters, records } = await serve();
  const facts = [
    { ...view, user_agent: 'x' },
    { ...view, url: 'ftp://e.org/', user_agent: 'x' },
    { ...view, eventId: 'null', referrer: `https://r.example/${'é'.repeat(1_041)}` },
  ];
  const response = await post(JSON.stringify(facts));
  assert.deepEqual(await response.json(), {
    accepted: 2,
    rejected: [{ index: 1, reason: 'url must be http or https: "ftp://e.org/"' }],
    warnings: [
      {
        index: 0,
        field: 'user_agent',
        message: '"user_agent" is not a field of a fact of type pageview and was dropped',
      },
      { index: 2, field: 'eventId', message: 'eventId is a placeholder and was replaced: "null"' },
      { index: 2, field: 'referrer', message: 'referrer was cut to 2048 bytes of UTF-8, had 2100' },
    ],
  });
  assert.equal(records.length, 2);
  const many = Array.from({ length: 60 }, () => ({ ...view, a: 1, b: 2 }));
  const { warnings, moreWarnings } = (await (await post(JSON.stringify(many))).json()) as {
    warnings: unknown[];
    moreWarnings: number;
  };
  assert.deepEqual([warnings.length, moreWarnings, counters.warnings], [100, 20, 123]);
});

test('a browser need not say which it is; what is no browser keeps its name to itself', async () => {
  const { post, records } = await serve({ apiKeys: [`site:write:${sha256('w')}`] });
  const agentSent = async (
    headers: Readonly<Record<string, string>>,
    body: object = view,
  ): Promise<string | undefined> => {
    const response = await post(JSON.stringify(body), undefined, {
      'User-Agent': 'Firefox',
      Authorization: 'Bearer w',
      ...headers,
    });
    assert.deepEqual(await response.json(), { accepted: 1, rejected: [], warnings: [] });
    const record = records.at(-1);
    assert.ok(record !== undefined);
    const fact = decodeRecord(record.value, record.topic);
    return fact.type === 'pageview' ? fact.userAgent : undefined;
  };
  assert.equal(await agentSent({}), undefined);
  assert.equal(await agentSent({ Origin: 'https://shop.example' }), 'Firefox');
  assert.equal(await agentSent({ Origin: 'null' }), 'Firefox');
  assert.equal(await agentSent({ 'Sec-Fetch-Site': 'same-origin' }), 'Firefox');
  assert.equal(await agentSent({ Origin: 'https://shop.example' }, { ...view, userAgent: 'mine' }), 'mine');
});

test('with keys exclusions are taken from admin alone; what comes with them goes in', async () => {
  const apiKeys = [`site:write:${sha256('w')}`, `owner:admin:${sha256('o')}`];
  const exclusion = { type: 'exclude', by: 'visitor', value: 'cookie:1' };
  const { post } = await serve({ apiKeys });
  const answerTo = async (key: string): Promise<unknown> =>
    (await post(JSON.stringify([view, exclusion]), undefined, { Authorization: `Bearer ${key}` })).json();
  assert.deepEqual(await answerTo('w'), {
    accepted: 1,
    rejected: [{ index: 1, reason: 'type "exclude" needs a key with the scope admin' }],
    warnings: [],
  });
  assert.deepEqual(await answerTo('o'), { accepted: 2, rejected: [], warnings: [] });
  const { post: postOpen } = await serve();
  assert.equal((await postOpen(JSON.stringify(exclusion))).status, 202);
});

test('a log that cannot take more means 503 with Retry-After, and nothing counts as accepted', async () => {
  const { post, log, counters, records } = await serve();
  log.refuse = true;
  const response = await post(JSON.stringify([view, { type: 'pageview' }]));
  assert.equal(response.status, 503);
  assert.equal(response.headers.get('retry-after'), '1');
  assert.match(((await response.json()) as { type: string }).type, /log-unavailable$/);
  assert.deepEqual([counters.accepted, counters.unavailable, records.length], [0, 1, 0]);
  assert.deepEqual([counters.rejected, counters.rejectedByField.size], [0, 0], 'it will be sent again');
  log.refuse = false;
  assert.equal((await post(JSON.stringify(view))).status, 202);
});

test('bodies that are no facts are refused as a whole', async () => {
  const { post, records } = await serve();
  const tooMany = Array.from({ length: collectorLimits.facts + 1 }, () => '{}').join('\n');
  const cases: readonly (readonly [string, string, number, RegExp])[] = [
    ['{nope', 'application/json', 400, /invalid-body$/],
    ['<a/>', 'application/xml', 415, /unsupported-media-type$/],
    ['x'.repeat(collectorLimits.bodyBytes + 1), 'application/json', 413, /body-too-large$/],
    [tooMany, 'application/x-ndjson', 413, /body-too-large$/],
    ['\n{}'.repeat(300_000), 'application/x-ndjson', 413, /body-too-large$/],
    ['\n'.repeat(1_000_000), 'application/x-ndjson', 400, /invalid-body$/],
    [' \ufeff', 'application/json', 400, /invalid-body$/],
    [`${JSON.stringify(view)} x`, 'application/json', 400, /invalid-body$/],
    [`${JSON.stringify(view)}\n${JSON.stringify(view)}`, 'application/json', 400, /invalid-body$/],
    [`${JSON.stringify(view)}\n${JSON.stringify(view)}`, 'text/plain', 400, /invalid-body$/],
    [JSON.stringify([view]), 'application/x-ndjson', 400, /invalid-body$/],
    [JSON.stringify([view], undefined, 1), 'application/x-ndjson', 400, /invalid-body$/],
    [JSON.stringify(view, undefined, 1), 'application/ndjson', 400, /invalid-body$/],
    ['a=1', 'application/x-www-form-urlencoded', 415, /unsupported-media-type$/],
    ['{}', 'application/jsonp', 415, /unsupported-media-type$/],
    ['{}', 'constructor', 415, /unsupported-media-type$/],
  ];
  for (const [body, type, status, name] of cases) {
    const response = await post(body, type);
    assert.equal(response.status, status, type);
    assert.match(((await response.json()) as { type: string }).type, name);
  }
  assert.equal(records.length, 0);
});

test('what would do is said where the type does not fit the body', async () => {
  const { post } = await serve();
  const line = JSON.stringify(view);
  const detail = async (body: string, type: string): Promise<string> =>
    ((await (await post(body, type)).json()) as { detail: string }).detail;
  assert.match(await detail(`${line}\n${line}`, 'application/json'), /NDJSON: .*application\/x-ndjson/);
  assert.match(
    await detail(`[${line},\n${line}]`, 'application/x-ndjson'),
    /JSON document.*application\/json/,
  );
});

test('a body without a type is JSON, as a beacon of an untyped blob sends it', async () => {
  const { post, records } = await serve();
  const untyped = new TextEncoder().encode(JSON.stringify(view)); // fetch would add a Content-Type to a string
  assert.equal((await post(untyped, '')).status, 202);
  assert.equal(records.length, 1);
});

test('packed bodies are unpacked within the limit, and other encodings are refused', async () => {
  const { post, records } = await serve();
  const json = JSON.stringify([view, view]);
  const packed: readonly (readonly [string, Buffer])[] = [
    ['gzip', gzipSync(json)],
    ['deflate', deflateSync(json)],
    ['BR', brotliCompressSync(json)],
    ['identity', Buffer.from(json)],
  ];
  const send = async (bytes: Buffer, encoding: string): Promise<number> =>
    (await post(Uint8Array.from(bytes), 'application/json', { 'Content-Encoding': encoding })).status;
  for (const [encoding, bytes] of packed) assert.equal(await send(bytes, encoding), 202, encoding);
  assert.equal(records.length, 8);
  const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024, ' '));
  assert.ok(bomb.length < collectorLimits.bodyBytes);
  const refused: readonly (readonly [string, Buffer, number])[] = [
    ['gzip', bomb, 413],
    ['gzip', gzipSync(json).subarray(0, -9), 400],
    ['gzip', Buffer.concat([gzipSync(json), Buffer.from('garbage')]), 400],
    ['gzip', Buffer.from(json), 400],
    ['zstd', Buffer.from(json), 415],
    ['gzip, gzip', gzipSync(gzipSync(json)), 415],
    ['toString', Buffer.from(json), 415],
  ];
  for (const [encoding, bytes, status] of refused)
    assert.equal(await send(bytes, encoding), status, encoding);
  assert.equal(records.length, 8);
});

test('no body at all is an empty body, whatever its type', async () => {
  const { post } = await serve();
  for (const type of ['', 'application/json', 'application/xml']) {
    const response = await post(undefined, type);
    const { type: name, detail } = (await response.json()) as { type: string; detail: string };
    assert.deepEqual([response.status, name], [400, 'urn:swa:problem:invalid-body'], type);
    assert.match(detail, /^the body is empty/);
  }
});

test('where there are keys, one that may write is needed', async () => {
  const { post } = await serve({ apiKeys: [`reader:read:${sha256('r')}`] });
  assert.equal((await post(JSON.stringify(view))).status, 401);
  assert.equal((await post(JSON.stringify(view), undefined, { Authorization: 'Bearer r' })).status, 403);
});

test('what is not UTF-8 is refused as a whole, so that no two visitors become one', async () => {
  const { post, records } = await serve();
  const notUtf8 = latin1(JSON.stringify({ ...view, visitor: 'user:J\u00fcrgen' }));
  const cases: readonly (readonly [Uint8Array<ArrayBuffer>, string, number, RegExp])[] = [
    [notUtf8, 'application/json', 400, /invalid-body$/],
    [notUtf8, 'application/x-ndjson', 400, /invalid-body$/],
    [notUtf8, 'application/json; charset=iso-8859-1', 415, /unsupported-media-type$/],
    [latin1('{}'), 'application/x-ndjson;Charset="ISO-8859-1"', 415, /unsupported-media-type$/],
    [latin1('{}'), 'application/json; charset=utf-16le', 415, /unsupported-media-type$/],
  ];
  for (const [body, type, status, name] of cases) {
    const response = await post(body, type);
    assert.equal(response.status, status, type);
    assert.match(((await response.json()) as { type: string }).type, name);
  }
  assert.equal(records.length, 0);
  assert.equal((await post(JSON.stringify(view), 'application/json; charset="UTF-8"')).status, 202);
});

test('a byte order mark before the body is no part of it; one inside an id is', async () => {
  const { post, records } = await serve();
  for (const type of ['application/json', 'application/x-ndjson']) {
    const response = await post(`\ufeff${JSON.stringify({ ...view, visitor: '\ufeffa' })}`, type);
    assert.deepEqual(await response.json(), { accepted: 1, rejected: [], warnings: [] });
  }
  const visitors = records
    .map(({ value, topic }) => decodeRecord(value, topic))
    .map((fact) => 'visitor' in fact && fact.visitor);
  assert.deepEqual(visitors, ['\ufeffa', '\ufeffa']);
});

test('pages of any origin may send facts with a key, beacons too, and only that', async () => {
  const { origin, post } = await serve({ apiKeys: [`site:write:${sha256('w')}`] });
  const page = { Origin: 'https://shop.example' };
  const preflight = await fetch(`${origin}/v1/events`, {
    method: 'OPTIONS',
    headers: { ...page, 'Access-Control-Request-Method': 'POST' },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get('access-control-allow-origin'), 'https://shop.example');
  assert.equal(preflight.headers.get('access-control-allow-credentials'), 'true');
  assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /Content-Type.*X-Request-Id/);
  const sent = await post(JSON.stringify(view), undefined, { ...page, Authorization: 'Bearer w' });
  assert.equal(sent.status, 202);
  assert.equal(sent.headers.get('access-control-allow-origin'), 'https://shop.example');
  const elsewhere = await fetch(`${origin}/v1/status`, { headers: page });
  assert.equal(elsewhere.headers.get('access-control-allow-origin'), null);
});

test('without keys, pages of other origins send nothing unless they are listed', async () => {
  const open = await serve();
  const page = { Origin: 'https://shop.example' };
  assert.equal((await open.post(JSON.stringify(view), 'text/plain', page)).status, 403);
  assert.equal(open.records.length, 0);
  const listed = await serve({ corsOrigins: ['https://shop.example'] });
  assert.equal((await listed.post(JSON.stringify(view), 'text/plain', page)).status, 202);
});
