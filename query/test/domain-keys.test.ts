/** A read key of one domain: whatever routes there are, it gets answers about that domain, and 403 for everything else. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { dimensions } from '../../facts/subjects.js';
import { parseApiKeys } from '../../lib/http/auth.js';
import type { Route } from '../../lib/http/route.js';
import { FakeBatchView, show, type View } from './fakes.js';
import { serve } from './server.js';

const hour0 = 480_000;
const sha256 = (key: string): string => createHash('sha256').update(key).digest('hex');
const apiKeys = [`all:admin:${sha256('all')}`, `shared:read:${sha256('shared')}:example.org`];
const bearer = { authorization: 'Bearer shared' };
const by = dimensions[0]?.name ?? '';

const view = (host: string): View => ({
  visitor: 'v',
  url: `https://${host}/a`,
  hour: hour0,
  values: { [by]: `of ${host}` },
});
const views = [view('example.org'), view('www.example.org'), view('secret.example'), view('a.example')];

/** Answered for every key, with less in it. */
const limited = ['/v1/domains', '/v1/status'];

/** Every way to ask a route about a domain; none where it is about no domain. */
function questionsOf(route: Route, domain: string): string[] {
  const known = Object.keys(route.query.shape);
  const given: Record<string, string> = { from: show(hour0), to: show(hour0 + 1), by };
  const rest = Object.entries(given).filter(([name]) => known.includes(name));
  const subjects = [
    ...(known.includes('domain') ? [[['domain', domain]]] : []),
    ...(known.includes('url') ? [[['url', `https://www.${domain}/a`]]] : []),
  ];
  const path = route.path.replaceAll(/\{\w+\}/g, 'v');
  return subjects.map(
    (subject) => `${path}?${new URLSearchParams([...subject, ...rest] as [string, string][]).toString()}`,
  );
}

test('a key of one domain is answered about that domain, on every route that is about one, and refused everything else', async (t) => {
  const server = await serve(t, { batch: new FakeBatchView(views), realtime: undefined }, { apiKeys });
  let answered = 0;
  for (const route of server.routes) {
    if (route.scope === 'open') continue;
    const inside = questionsOf(route, 'example.org');
    for (const path of inside) {
      const response = await server.get(path, bearer);
      const text = await response.text();
      // People now are read from the log, which is not there: the question was let in.
      assert.equal(response.status, route.path === '/v1/now' ? 503 : 200, `${path}: ${text}`);
      assert.ok(!text.includes('secret'), path);
      answered++;
    }
    const outside = [
      ...questionsOf(route, 'secret.example'),
      ...questionsOf(route, 'example.org')
        .filter((path) => path.includes('url='))
        .map((path) => `${path}&url=https://secret.example/a`),
      ...(inside.length === 0 && !limited.includes(route.path)
        ? [route.path.replaceAll(/\{\w+\}/g, 'v')]
        : []),
    ];
    for (const path of outside) {
      const init = route.method === 'get' ? {} : { method: 'POST', body: '{}' };
      const response = await server.send(path, {
        ...init,
        headers: { ...bearer, ...(route.method === 'get' ? {} : { 'content-type': 'application/json' }) },
      });
      const text = await response.text();
      assert.equal(response.status, 403, `${path}: ${text}`);
      assert.ok(!text.includes('secret'), path);
    }
    if (!limited.includes(route.path)) assert.ok(inside.length + outside.length > 0, route.path);
  }
  assert.ok(answered >= 9, `${answered} questions answered`);
});

test('the status has what is needed to ask, and nothing about layers and erasures', async (t) => {
  const server = await serve(t, { batch: new FakeBatchView(views), realtime: undefined }, { apiKeys });
  const status = (await (await server.get('/v1/status', bearer)).json()) as Record<string, unknown>;
  assert.deepEqual(Object.keys(status).toSorted(), [
    'bucketMinutes',
    'dimensions',
    'domain',
    'freshness',
    'layers',
    'overdueErasures',
  ]);
  assert.equal(status['domain'], 'example.org');
  assert.deepEqual([status['layers'], status['overdueErasures']], [[], []]);
});

test('the list of domains has that one alone, whatever is asked for', async (t) => {
  const server = await serve(t, { batch: new FakeBatchView(views), realtime: undefined }, { apiKeys });
  const domainsBy = async (key: string, query = ''): Promise<unknown> => {
    const response = await server.get(`/v1/domains${query}`, { authorization: `Bearer ${key}` });
    const { data } = (await response.json()) as { data: { domains: string[]; more: boolean; next?: string } };
    return data;
  };
  assert.deepEqual(await domainsBy('shared'), { domains: ['example.org'], more: false });
  assert.deepEqual(await domainsBy('shared', '?limit=1'), { domains: ['example.org'], more: false });
  assert.deepEqual(await domainsBy('shared', '?contains=secret'), { domains: [], more: false });
  assert.deepEqual(await domainsBy('all'), {
    domains: ['a.example', 'example.org', 'secret.example'],
    more: false,
  });
});

test('a refusal names the domain that may be asked about', async (t) => {
  const server = await serve(t, { batch: new FakeBatchView(views), realtime: undefined }, { apiKeys });
  for (const path of [
    '/v1/batches',
    `/v1/pages?domain=secret.example&from=${show(hour0)}&to=${show(hour0 + 1)}`,
  ]) {
    const problem = (await (await server.get(path, bearer)).json()) as Record<string, unknown>;
    assert.equal(problem['type'], 'urn:swa:problem:forbidden');
    assert.equal(problem['detail'], "this key may ask only about the domain 'example.org'");
    assert.equal(problem['domain'], 'example.org');
  }
});

test('only read keys may be of a domain, and the domain must look like one', () => {
  const hex = sha256('x');
  for (const [entry, message] of [
    [
      `a:admin:${hex}:example.org`,
      /entry 1 is invalid: only a key with the scope read alone may be of one domain/,
    ],
    [`a:read+write:${hex}:example.org`, /only a key with the scope read alone/],
    [`a:read:${hex}:Example.org`, /'Example.org' is not a domain in lower case/],
    [`a:read:${hex}:`, /'' is not a domain/],
    [`a:read:${hex}:example.org/x`, /is not a domain/],
    [`a:read:${hex}:example.org:more`, /its hash must be 64 hexadecimal digits/],
  ] as const)
    assert.throws(() => parseApiKeys([entry]), { code: 'config.invalid', message });
  assert.equal(parseApiKeys([`a:read:${hex}:example.org`])[0]?.domain, 'example.org');
});
