import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { tableFromIPC } from 'apache-arrow';
import { HllSketch } from 'hyperloglog-ts';
import { SwaError } from '../../lib/errors/errors.js';
import { hourMs } from '../../lib/time/buckets.js';
import { FakeBatchView, FakeRealtimeView, type FakeRealtimeOptions, type View, show } from './fakes.js';
import { serve, type Layers } from './server.js';

const hour0 = Date.UTC(2025, 5, 1) / hourMs;
const page = 'https://www.example.org/a';
const other = 'https://www.example.org/b';

function views(...rows: readonly (readonly [string, string, number])[]): View[] {
  return rows.map(([visitor, url, hour]) => ({ visitor, url, hour: hour0 + hour }));
}

const batchViews = views(
  ['u1', page, 0],
  ['u2', page, 0],
  ['u1', page, 5],
  ['u3', other, 5],
  ['u4', page, 30],
);
const liveViews = views(['u9', page, 31], ['u1', other, 31]);

function layersOf(edges: FakeRealtimeOptions = {}) {
  const batch = new FakeBatchView(batchViews, {
    mapping: new Map([['u2', 'u1']]),
    visits: new Map([
      ['example.org', [{ bucket: hour0, visits: 3, bounces: 1, pageviews: 7, durationMs: 90_500 }]],
    ]),
  });
  return { batch, realtime: new FakeRealtimeView(batch, liveViews, edges) };
}

const range = `from=${show(hour0)}&to=${show(hour0 + 48)}`;
const encoded = encodeURIComponent(page);

type Body = Record<string, never> & { data: Record<string, unknown>; accuracy: Record<string, unknown> };

async function json(response: Response): Promise<Body> {
  return (await response.json()) as Body;
}

test('an answer says what, how sure, how fresh, which range and by which rules', async (t) => {
  const server = await serve(t, layersOf({ equivs: 1, retractions: 2 }));
  const response = await server.get(`/v1/uniques?url=${encoded}&${range}`);
  assert.equal(response.status, 200);
  const body = await json(response);
  assert.deepEqual(body.data, { url: page, visitors: 3 });
  assert.deepEqual(body.accuracy, {
    method: 'hyperloglog',
    lgK: 11,
    relativeStandardError: 0.022958,
    confidence: 0.95,
    lower: 2,
    upper: 5,
    exact: false,
    rewritten: 0,
    maxOvercount: 1,
    maxUndercount: 2,
    waitingExclusions: 0,
  });
  assert.deepEqual(body['range'], {
    from: show(hour0),
    to: show(hour0 + 48),
    hours: 48,
    bucketMinutes: 60,
    tz: 'UTC',
  });
  assert.deepEqual(body['rules'], { url: '1', domain: '1', bots: '1', dimensions: 'none' });
  const freshness = body['freshness'] as unknown as { generation: string; realtime: { cut: unknown } };
  assert.equal(freshness.generation, 'v000001-test');
  assert.deepEqual(freshness.realtime.cut, { 'pageviews/0': 7, 'equivs/0': 0 });
});

test('several pages are a union, and a domain is all its pages', async (t) => {
  const server = await serve(t, layersOf());
  const both = await json(
    await server.get(`/v1/uniques?url=${encoded}&url=${encodeURIComponent(other)}&${range}`),
  );
  assert.deepEqual(both.data, { urls: [page, other], visitors: 4 });
  const domain = await json(await server.get(`/v1/pageviews?domain=example.org&${range}`));
  assert.deepEqual(domain.data, { domain: 'example.org', pageviews: 7 });
  const alike = await json(
    await server.get(`/v1/uniques?url=HTTPS://WWW.example.org:443/x/../a/%23&url=${encoded}&${range}`),
  );
  assert.deepEqual(alike.data, { url: page, visitors: 3 });
});

test('the answer is zero for a page nobody knows, and says why', async (t) => {
  const server = await serve(t, layersOf());
  const unknown = await json(await server.get(`/v1/uniques?url=https://nowhere.example/&${range}`));
  assert.deepEqual(unknown.data, {
    url: 'https://nowhere.example/',
    visitors: 0,
    emptyReason: 'unknown-url',
  });
  const outside = await json(await server.get(`/v1/pageviews?url=${encoded}&from=2020-01-01&to=2020-01-02`));
  assert.deepEqual(outside.data, {
    url: page,
    pageviews: 0,
    emptyReason: 'no-pageviews-in-range',
    available: { from: show(hour0), to: show(hour0 + 32) },
  });
});

test('combined filters are refused with the reason and with what to ask instead', async (t) => {
  const server = await serve(t, layersOf());
  const detailOf = async (path: string): Promise<string> =>
    ((await (await server.get(path)).json()) as { detail: string }).detail;
  const subject = `domain=example.org&${range}`;
  const both = await detailOf(`/v1/uniques?${subject}&source=direct&browser=firefox`);
  assert.match(both, /'source' cannot be combined with 'browser': .*do not intersect.*add-a-view/);
  const ofPage = await detailOf(`/v1/pageviews?url=${encoded}&${range}&source=direct`);
  assert.match(ofPage, /'source' cannot be combined with 'url': .*do not intersect/);
  assert.match(await detailOf(`/v1/uniques?${subject}&source=direct`), /\/v1\/breakdown with by=source/);
  assert.match(await detailOf(`/v1/uniques?${subject}&url=${encoded}`), /do not intersect/);
});

test('refusals name type, parameter and what would do', async (t) => {
  const server = await serve(t, layersOf());
  const url = `url=${encoded}`;
  const table: readonly (readonly [string, number, string, string])[] = [
    [`/v1/uniques?${url}&from=2025-06-01T00:30:00Z&to=2025-06-02`, 422, 'unaligned-range', 'from'],
    [`/v1/uniques?${url}&from=2025-06-01&to=2025-06-02T00:00:01Z`, 422, 'unaligned-range', 'to'],
    [`/v1/uniques?${url}&from=2025-06-02&to=2025-06-02`, 422, 'empty-range', 'from'],
    [`/v1/uniques?${url}&from=2025-06-03&to=2025-06-02`, 422, 'empty-range', 'from'],
    [`/v1/uniques?${url}&from=yesterday&to=2025-06-02`, 400, 'invalid-parameter', 'from'],
    [`/v1/uniques?${url}&from=2025-02-30&to=2025-06-02`, 400, 'invalid-parameter', 'from'],
    [`/v1/uniques?${url}&from=2025-02-30T00:00:00Z&to=2025-06-02`, 400, 'invalid-parameter', 'from'],
    [`/v1/uniques?${url}&from=2025-06-01&to=2025-06-01T24:00:00Z`, 400, 'invalid-parameter', 'to'],
    [`/v1/uniques?${url}&from=-1&to=2025-06-02`, 400, 'invalid-parameter', 'from'],
    [`/v1/uniques?${url}&to=2025-06-02`, 400, 'missing-parameter', 'from'],
    [`/v1/uniques?${range}`, 400, 'missing-parameter', 'url'],
    [`/v1/uniques?${url}&domain=example.org&${range}`, 400, 'invalid-parameter', 'domain'],
    [`/v1/uniques?domain=www.example.org&${range}`, 400, 'invalid-parameter', 'domain'],
    ...[
      'exa mple',
      'example.org?x',
      'example.org?',
      'example.org#x',
      'example.org/',
      'example.org/a',
      'example.org\\a',
      'u@example.org',
      ':@example.org',
      'example.org:80',
      'example.org:8080',
      'example.org:',
      '\texample.org',
    ].map(
      (domain) =>
        [
          `/v1/uniques?domain=${encodeURIComponent(domain)}&${range}`,
          400,
          'invalid-parameter',
          'domain',
        ] as const,
    ),
    [`/v1/uniques?url=ftp://a.org/&${range}`, 400, 'invalid-parameter', 'url'],
    [`/v1/uniques?${Array(51).fill(url).join('&')}&${range}`, 400, 'invalid-parameter', 'url'],
    [`/v1/uniques?${url}&${range}&intervall=day`, 400, 'unknown-parameter', 'intervall'],
    [`/v1/uniques?domain=example.org&${range}&browser=firefox`, 400, 'invalid-parameter', 'browser'],
    [`/v1/sketch?${url}&${range}&browser=firefox`, 400, 'invalid-parameter', 'browser'],
    [`/v1/breakdown?domain=example.org&by=source&${range}&os=x`, 400, 'invalid-parameter', 'os'],
    [`/v1/uniques?${url}&${range}&interval=minute`, 400, 'invalid-parameter', 'interval'],
    [`/v1/uniques?${url}&${range}&tz=Mars/Olympus`, 400, 'invalid-parameter', 'tz'],
    [`/v1/uniques?${url}&${range}&tz=Asia/Kolkata&interval=day`, 422, 'unsupported-time-zone', 'tz'],
    [`/v1/uniques?${url}&from=2025-06-01&to=2025-06-02&tz=Asia/Kolkata`, 422, 'unaligned-range', 'from'],
    [
      `/v1/uniques?${url}&from=8000-01-01&to=8730-01-01&interval=month&tz=Europe/Madrid`,
      400,
      'invalid-parameter',
      'tz',
    ],
    [`/v1/uniques?${url}&from=2024-01-01&to=2025-02-04&interval=hour`, 422, 'range-too-fine', 'interval'],
    [`/v1/uniques?${url}&from=1970-01-01&to=9999-01-01&interval=month`, 422, 'range-too-fine', 'interval'],
    [`/v1/pages?domain=example.org&${range}&limit=0`, 400, 'invalid-parameter', 'limit'],
    [`/v1/pages?${range}`, 400, 'missing-parameter', 'domain'],
    [`/v1/persons/${'x'.repeat(300)}`, 400, 'invalid-parameter', 'visitorId'],
    ['/v1/persons/%00', 400, 'invalid-parameter', 'visitorId'],
  ];
  for (const [path, status, name, parameter] of table) {
    const response = await server.get(path);
    const body = (await response.json()) as Record<string, unknown>;
    assert.equal(response.status, status, `${path} ${JSON.stringify(body)}`);
    assert.equal(body['type'], `urn:swa:problem:${name}`, path);
    assert.equal(body['parameter'], parameter, path);
  }
  const unaligned = await json(
    await server.get(`/v1/uniques?${url}&from=2025-06-01T00:30:00Z&to=2025-06-02T05:00:00Z`),
  );
  assert.match(String(unaligned['detail']), /^'from' is 2025-06-01T00:30:00Z, and must be a full UTC hour/);
  assert.deepEqual(unaligned['nearest'], [
    { from: '2025-06-01T00:00:00Z', to: '2025-06-02T05:00:00Z' },
    { from: '2025-06-01T01:00:00Z', to: '2025-06-02T05:00:00Z' },
  ]);
  const fine = await json(await server.get(`/v1/uniques?${url}&from=2024-01-01&to=2025-02-04&interval=hour`));
  assert.equal(fine['suggestion'], 'day');
});

test('the entries of a series are limited by the number of URLs they are counted for', async (t) => {
  const server = await serve(t, layersOf());
  const urls = Array.from({ length: 50 }, (_, i) => `url=${encodeURIComponent(`${page}/${i}`)}`);
  const ask = (asked: string[], hours: number): Promise<Response> =>
    server.get(
      `/v1/pageviews?${asked.join('&')}&from=${show(hour0)}&to=${show(hour0 + hours)}&interval=hour`,
    );
  assert.equal((await ask(urls, 1_054)).status, 200);
  const refused = await ask(urls, 1_055);
  assert.equal(refused.status, 422);
  const problem = await json(refused);
  assert.equal(
    problem['detail'],
    'the range has more than 1054 intervals of an hour, the limit for 50 URLs; use interval=day',
  );
  assert.deepEqual([problem['limit'], problem['suggestion']], [1_054, 'day']);
  assert.equal((await ask(Array<string>(50).fill(urls[0] ?? ''), 1_055)).status, 200, 'one URL in all');
});

test('edges may be RFC 3339 with any offset, milliseconds, or dates of the zone', async (t) => {
  const server = await serve(t, layersOf());
  const same = [
    'from=2025-06-01T00:00:00Z&to=2025-06-02T00:00:00Z',
    'from=2025-06-01T02:00:00%2B02:00&to=2025-06-02T02:00:00+02:00',
    `from=${hour0 * hourMs}&to=${(hour0 + 24) * hourMs}`,
    'from=2025-06-01&to=2025-06-02',
  ];
  for (const text of same) {
    const body = await json(await server.get(`/v1/pageviews?url=${encoded}&${text}`));
    assert.deepEqual(
      body['range'],
      { from: show(hour0), to: show(hour0 + 24), hours: 24, bucketMinutes: 60, tz: 'UTC' },
      text,
    );
  }
  const berlin = await json(
    await server.get(`/v1/pageviews?url=${encoded}&from=2025-03-30&to=2025-03-31&tz=Europe/Berlin`),
  );
  assert.equal((berlin['range'] as unknown as { hours: number }).hours, 23);
});

test('an unchanged generation is 304, and a new cut is not', async (t) => {
  const layers = layersOf();
  const server = await serve(t, layers);
  const path = `/v1/uniques?url=${encoded}&${range}`;
  const first = await server.get(path);
  await first.text();
  const etag = first.headers.get('etag') ?? '';
  assert.equal(first.headers.get('cache-control'), 'private, no-cache');
  const again = await server.get(path, { 'if-none-match': `"x", ${etag}` });
  assert.equal(again.status, 304);
  assert.equal(await again.text(), '');
  for (const same of ['*', etag.slice(2), `"x",${etag.slice(2)}`])
    assert.equal((await server.get(path, { 'if-none-match': same })).status, 304, same);
  for (const different of ['"x"', etag.slice(3, -1), 'W/*'])
    assert.equal((await server.get(path, { 'if-none-match': different })).status, 200, different);
  const csv = await server.get(path, { 'if-none-match': etag, accept: 'text/csv' });
  assert.equal(csv.status, 200);
  layers.realtime = new FakeRealtimeView(layers.batch, [...liveViews, ...liveViews]);
  for (let status = 304; status === 304;) status = (await server.get(path, { 'if-none-match': etag })).status;
});

test('series and lists come as CSV and Arrow with the same numbers', async (t) => {
  const server = await serve(t, layersOf());
  const path = `/v1/uniques?url=${encoded}&${range}&interval=day`;
  const body = await json(await server.get(path));
  const series = body.data['series'] as { from: string; label: string; visitors: number; exact: boolean }[];
  assert.deepEqual(
    series.map((entry) => [entry.label, entry.visitors]),
    [
      ['2025-06-01', 1],
      ['2025-06-02', 2],
    ],
  );
  const csv = await server.get(path, { accept: 'text/csv' });
  assert.match(csv.headers.get('content-type') ?? '', /^text\/csv/);
  assert.equal(
    await csv.text(),
    'from,to,label,visitors,lower,upper,exact\r\n' +
      '2025-06-01T00:00:00.000Z,2025-06-02T00:00:00.000Z,2025-06-01,1,1,1,true\r\n' +
      '2025-06-02T00:00:00.000Z,2025-06-03T00:00:00.000Z,2025-06-02,2,2,2,true\r\n',
  );
  const arrow = await server.get(path, { accept: 'application/vnd.apache.arrow.stream' });
  const table = tableFromIPC(new Uint8Array(await arrow.arrayBuffer()));
  assert.deepEqual([...(table.getChild('visitors') ?? [])], [1n, 2n]);
  assert.deepEqual([...(table.getChild('label') ?? [])], ['2025-06-01', '2025-06-02']);
  assert.deepEqual(JSON.parse(table.schema.metadata.get('swa.accuracy') ?? ''), body.accuracy);
  const { series: _rows, ...total } = body.data;
  assert.deepEqual(JSON.parse(table.schema.metadata.get('swa.data') ?? ''), total);
  const both = await server.get(`/v1/uniques?url=${encoded}&url=${encodeURIComponent(other)}&${range}`, {
    accept: 'application/vnd.apache.arrow.stream',
  });
  const { metadata } = tableFromIPC(new Uint8Array(await both.arrayBuffer())).schema;
  assert.deepEqual(JSON.parse(metadata.get('swa.data') ?? ''), { urls: [page, other], visitors: 4 });
  assert.equal((await server.get(path, { accept: 'image/png' })).status, 406);
  const pages = await server.get(`/v1/pages?domain=example.org&${range}`, { accept: 'text/csv;q=0.9' });
  assert.equal(
    await pages.text(),
    `url,pageviews,visitors,lower,upper,exact\r\n${page},5,3,3,3,true\r\n${other},2,2,2,2,true\r\n`,
  );
});

test('the sketch is one that DataSketches libraries read', async (t) => {
  const server = await serve(t, layersOf());
  const response = await server.get(`/v1/sketch?url=${encoded}&${range}`);
  assert.equal(response.headers.get('content-type'), 'application/octet-stream');
  const etag = response.headers.get('etag') ?? '';
  const path = `/v1/sketch?url=${encoded}&${range}`;
  assert.equal((await server.get(path, { 'if-none-match': etag })).status, 304);
  assert.equal((await server.get(path, { accept: 'text/csv' })).status, 406);
  const sketch = HllSketch.fromBytes(new Uint8Array(await response.arrayBuffer()));
  assert.equal(Math.round(sketch.estimate()), 3);
  assert.equal(sketch.lgK, 11);
});

test('pages, bounce rate, persons and domains', async (t) => {
  const server = await serve(t, layersOf());
  const top = await json(await server.get(`/v1/pages?domain=example.org&${range}&limit=1`));
  assert.deepEqual(top.data['pages'], [
    { url: page, pageviews: 5, visitors: 3, lower: 3, upper: 3, exact: true },
  ]);
  const live = await json(
    await server.get(`/v1/pages?domain=example.org&from=${show(hour0 + 31)}&to=${show(hour0 + 32)}`),
  );
  assert.equal((live.data['pages'] as unknown[]).length, 2);
  const bounce = await json(await server.get(`/v1/bounce-rate?domain=example.org&${range}`));
  assert.deepEqual(bounce.data, {
    domain: 'example.org',
    visits: 3,
    bounces: 1,
    rate: 0.333333,
    through: '2026-01-01T00:00:00.000Z',
  });
  const person = await json(await server.get('/v1/persons/u2'));
  assert.deepEqual(person.data, {
    visitor: 'u2',
    person: 'u1',
    batchPerson: 'u1',
    joinedPersons: [],
    ids: ['u1', 'u2'],
    idCount: 2,
  });
  const domains = await json(await server.get('/v1/domains?contains=EXAMPLE'));
  assert.deepEqual(domains.data, { domains: ['example.org'], more: false });
});

test('ids are no formulas in CSV, and can be read back; JSON and Arrow have them as they are', async (t) => {
  const ids = ["'quoted", '+49 30', '-1', '=HYPERLINK("x","y")', "=cmd|' /C calc'!A0", '@sum', 'a=b', 'u1'];
  const batch = new FakeBatchView([], { mapping: new Map(ids.map((id) => [id, ids[0] ?? ''])) });
  const server = await serve(t, { batch, realtime: undefined });
  const path = `/v1/persons/${encodeURIComponent(ids[3] ?? '')}`;
  const csv = await (await server.get(path, { accept: 'text/csv' })).text();
  const first = "''quoted";
  const written = [first, "'+49 30", "'-1", `"'=HYPERLINK(""x"",""y"")"`, "'=cmd|' /C calc'!A0", "'@sum"];
  assert.equal(
    csv,
    ['person,id', ...[...written, 'a=b', 'u1'].map((id) => `${first},${id}`), ''].join('\r\n'),
  );
  assert.deepEqual((await json(await server.get(path))).data['ids'], ids.toSorted());
  const arrow = await server.get(path, { accept: 'application/vnd.apache.arrow.stream' });
  const table = tableFromIPC(new Uint8Array(await arrow.arrayBuffer()));
  assert.deepEqual([...(table.getChild('id') ?? [])], ids.toSorted());
});

test('explain lists the buckets of the cover', async (t) => {
  const server = await serve(t, layersOf());
  const body = await json(await server.get(`/v1/uniques?url=${encoded}&${range}&explain=1`));
  assert.deepEqual(body['explain'], {
    cover: [{ span: 'day', from: show(hour0), to: show(hour0 + 48), buckets: 2 }],
    coverBuckets: 2,
    subjects: 1,
    batchBucketsRead: 2,
    realtimeBucketsRead: 1,
  });
});

test('a batch run can be asked for, and bodies that mean something else are refused', async (t) => {
  const server = await serve(t, layersOf());
  const post = (init: RequestInit): Promise<Response> =>
    server.send('/v1/batches', { method: 'POST', ...init });
  const type = { 'content-type': 'application/json' };
  assert.equal((await post({})).status, 202);
  assert.equal((await post({ body: '{}', headers: type })).status, 202);
  assert.equal((await post({ body: '{"now":1}', headers: type })).status, 400);
  assert.equal((await post({ body: '[]', headers: type })).status, 400);
  assert.equal((await post({ body: '{', headers: type })).status, 400);
  assert.equal((await post({ body: 'x=1', headers: { 'content-type': 'text/plain' } })).status, 415);
  const latin1 = Uint8Array.from(Buffer.from('{"\u00fc":1}', 'latin1'));
  assert.equal((await post({ body: latin1, headers: type })).status, 400);
  assert.equal((await post({ body: `{"a":"${'x'.repeat(5_000)}"}`, headers: type })).status, 413);
  assert.deepEqual(server.requested, ['http', 'http']);
});

test('what keys and limits refuse is documented for every route', async (t) => {
  const [w, r] = ['w', 'r'].map((key) => createHash('sha256').update(key).digest('hex'));
  const apiKeys = [`w:write:${w}`, `r:admin:${r}`];
  const server = await serve(t, layersOf(), { apiKeys, httpRatePerMinute: 1 });
  const asked = ['/v1/status', '/v1/batches', `/v1/sketch?url=${encoded}&${range}`, '/v1/persons/u1'];
  for (const path of ['/metrics', ...asked]) {
    assert.equal((await server.get(path)).status, 401, path);
    assert.equal((await server.get(path, { authorization: 'Bearer w' })).status, 403, path);
  }
  const admin = { authorization: 'Bearer r' };
  assert.equal((await server.get('/v1/status', admin)).status, 200);
  for (const path of asked) assert.equal((await server.get(path, admin)).status, 429, path);
  assert.equal((await server.send('/v1/batches', { method: 'POST', headers: admin })).status, 429);
});

test('large answers are compressed for those who take it', async (t) => {
  const server = await serve(t, layersOf());
  const path = `/v1/uniques?url=${encoded}&from=2025-06-01&to=2025-07-01&interval=hour`;
  const response = await server.get(path);
  assert.equal(response.headers.get('content-encoding'), 'gzip');
  assert.equal(((await json(response)).data['series'] as unknown[]).length, 720);
  const plain = await server.get(path, { 'accept-encoding': 'identity' });
  assert.equal(plain.headers.get('content-encoding'), null);
});

test('probes and the API document', async (t) => {
  const layers = layersOf();
  const server = await serve(t, layers);
  assert.equal((await server.get('/healthz')).status, 200);
  assert.equal((await server.get('/readyz')).status, 200);
  for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json', '/v1/status', '/v1/batches'])
    assert.equal((await server.get(`${path}?x=1`)).status, 400, path);
  const document = (await (await server.get('/openapi.json')).json()) as { openapi: string };
  assert.equal(document.openapi, '3.1.0');
});

test('while the realtime view is made again answers are 503 with Retry-After, and say nothing of our insides', async (t) => {
  const layers: Layers = {
    batch: layersOf().batch,
    get realtime(): never {
      throw new SwaError('speed.failed', 'pageviews/0 has come to 5 of 9', { retryable: true });
    },
  };
  const server = await serve(t, layers);
  const response = await server.get(`/v1/uniques?url=${encoded}&${range}`);
  assert.equal(response.status, 503);
  assert.equal(response.headers.get('retry-after'), '1');
  const body = (await response.json()) as Record<string, unknown>;
  assert.equal(body['type'], 'urn:swa:problem:not-ready');
  assert.equal(body['detail'], 'the realtime view is being rebuilt from the log; try again in a moment');
});

test('an answer that failed leaves no headers of its own: its tag would say later that the caller has it', async (t) => {
  const layers = layersOf();
  const server = await serve(t, layers);
  layers.batch.forEachBucket = () => {
    throw new SwaError('view.corrupt', 'a cell is damaged');
  };
  for (const path of [`/v1/uniques?url=${encoded}&${range}`, `/v1/sketch?url=${encoded}&${range}`]) {
    const response = await server.get(path);
    assert.equal(response.status, 503);
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
    assert.equal(response.headers.get('cache-control'), 'no-store');
    for (const name of ['etag', 'content-disposition', 'content-encoding'])
      assert.equal(response.headers.get(name), null, name);
  }
});

test('format decides before Accept, for clients that cannot send it', async (t) => {
  const server = await serve(t, layersOf());
  const path = `/v1/uniques?url=${encoded}&${range}&format=`;
  const csv = await server.get(`${path}csv`, { Accept: 'application/json' });
  assert.match(csv.headers.get('content-type') ?? '', /^text\/csv/);
  assert.match(await csv.text(), /^from,to,label,visitors/);
  const asJson = await server.get(`${path}json`, { Accept: 'text/csv' });
  assert.equal((await json(asJson)).data['visitors'], 3);
  const arrow = await server.get(`${path}arrow`);
  assert.equal(tableFromIPC(new Uint8Array(await arrow.arrayBuffer())).numRows, 1);
  assert.equal((await server.get(`${path}xml`)).status, 400);
});
