import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { pino } from 'pino';
import { z } from 'zod';
import { configWith, type Config } from '../config/config.js';
import { HttpEndpoint } from '../http/endpoint.js';
import { route, type Route } from '../http/route.js';

const logger = pino({ level: 'silent' });
const opened: HttpEndpoint[] = [];
after(() => Promise.all(opened.map((endpoint) => endpoint.close())));

const doc = { summary: '', responses: [], problems: [] } as const;

function echo(path: `/${string}`, scope: Route['scope'], handle?: () => Promise<void>): Route {
  return route({
    ...doc,
    method: 'get',
    path,
    operationId: path,
    scope,
    query: { limit: z.coerce.number().int().optional(), url: z.array(z.string()).optional() },
    handle: async ({ response }, { query }) => {
      await handle?.();
      response.json(query);
    },
  });
}

function makeEndpoint(change: Partial<Config>): HttpEndpoint {
  return new HttpEndpoint({ config: configWith(change), clock: Date.now, logger });
}

async function serve(routes: readonly Route[], change: Partial<Config> = {}) {
  const endpoint = makeEndpoint(change);
  opened.push(endpoint);
  endpoint.mount(routes);
  const { origin, port } = await endpoint.listen(0);
  return { endpoint, origin, port };
}

async function problem(response: Response): Promise<Record<string, unknown>> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json');
  return (await response.json()) as Record<string, unknown>;
}

test('every failure is problem+json with a stable type and no internal details', async () => {
  const failing = route({
    ...doc,
    method: 'get',
    path: '/boom',
    operationId: 'boom',
    scope: 'open',
    handle: () => {
      throw new Error('secret /path');
    },
  });
  const { origin } = await serve([echo('/x', 'open'), failing]);
  const table: readonly (readonly [string, RequestInit, number, string, string | undefined])[] = [
    ['/nothing', {}, 404, 'not-found', undefined],
    ['/x', { method: 'DELETE' }, 405, 'method-not-allowed', undefined],
    ['/x?limt=1', {}, 400, 'unknown-parameter', 'limt'],
    ['/x?limit=1&limit=2', {}, 400, 'invalid-parameter', 'limit'],
    ['/x?limit=a', {}, 400, 'invalid-parameter', 'limit'],
    ['/%', {}, 404, 'not-found', undefined],
    ['/boom', {}, 500, 'internal', undefined],
  ];
  for (const [path, init, status, name, parameter] of table) {
    const response = await fetch(origin + path, init);
    assert.equal(response.status, status, path);
    const body = await problem(response);
    assert.equal(body['type'], `urn:swa:problem:${name}`, path);
    assert.equal(body['parameter'], parameter, path);
    assert.equal(body['requestId'], response.headers.get('x-request-id'));
    assert.ok(!JSON.stringify(body).includes('secret'));
  }
  const refused = await fetch(`${origin}/x`, { method: 'DELETE' });
  assert.equal(refused.headers.get('allow'), 'GET, HEAD');
  const suggested = await problem(await fetch(`${origin}/x?limt=1`));
  assert.equal(suggested['suggestion'], 'limit');
});

test('repeated parameters become a list if the schema takes one', async () => {
  const { origin } = await serve([echo('/x', 'open')]);
  const response = await fetch(`${origin}/x?url=a&url=b&limit=3`);
  assert.deepEqual(await response.json(), { limit: 3, url: ['a', 'b'] });
  assert.equal(response.headers.get('x-powered-by'), null);
  assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'self'/);
});

test('bytes that are not HTTP, and headers above the limit, are answered with a problem', async () => {
  const { port } = await serve([echo('/x', 'open')]);
  assert.match(await raw(port, 'hello\r\n\r\n'), /^HTTP\/1.1 400 [^]*application\/problem\+json/);
  for (const large of [
    `GET /x HTTP/1.1\r\nA: ${'a'.repeat(70_000)}`,
    `GET /${'a'.repeat(70_000)} HTTP/1.1`,
  ]) {
    const answer = await raw(port, `${large}\r\n\r\n`);
    assert.match(answer, /^HTTP\/1.1 431 Request Header Fields Too Large\r\n/);
    assert.match(answer, /"type":"urn:swa:problem:headers-too-large",.*"status":431/);
  }
});

function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('close', () => resolve(answer));
    socket.on('error', () => resolve(answer));
  });
}

const hash = (key: string): string => createHash('sha256').update(key).digest('hex');

test('keys grant exactly their scopes', async () => {
  const apiKeys = [`reader:read:${hash('r')}`, `boss:admin:${hash('a')}`, `writer:write:${hash('w')}`];
  const { origin } = await serve([echo('/x', 'read'), echo('/free', 'open')], { apiKeys });
  const statusFor = async (path: string, authorization?: string): Promise<number> =>
    (await fetch(origin + path, authorization === undefined ? {} : { headers: { authorization } })).status;
  assert.equal(await statusFor('/free'), 200);
  assert.equal(await statusFor('/x'), 401);
  assert.equal(await statusFor('/x', 'Bearer nope'), 401);
  assert.equal(await statusFor('/x', 'Bearer w'), 403);
  assert.equal(await statusFor('/x', 'Bearer r'), 200);
  assert.equal(await statusFor('/x', 'bearer a'), 200);
});

test('listening on a non-loopback address needs keys', () => {
  assert.throws(() => makeEndpoint({ httpHost: '0.0.0.0' }), { code: 'config.invalid' });
  assert.throws(() => makeEndpoint({ httpHost: '127.0.0.1.example.org' }), { code: 'config.invalid' });
  assert.throws(() => makeEndpoint({ apiKeys: ['a:read:xyz'] }), { code: 'config.invalid' });
  makeEndpoint({ httpHost: '0.0.0.0', apiKeys: [`a:read:${hash('a')}`] });
});

test('requests above the limits get 503 and 429 with Retry-After', async () => {
  const gate = new EventEmitter();
  const started = once(gate, 'started');
  const slow = echo('/slow', 'read', async () => {
    gate.emit('started');
    await once(gate, 'release');
  });
  const { origin } = await serve([slow, echo('/x', 'read')], { httpMaxActive: 1, httpRatePerMinute: 3 });
  const first = fetch(`${origin}/slow`);
  await started;
  const busy = await fetch(`${origin}/x`);
  assert.equal(busy.status, 503);
  assert.equal((await problem(busy))['type'], 'urn:swa:problem:overloaded');
  gate.emit('release');
  assert.equal((await first).status, 200);
  assert.equal((await fetch(`${origin}/x`)).status, 200);
  const many = await fetch(`${origin}/x`);
  assert.equal(many.status, 429);
  assert.ok(Number(many.headers.get('retry-after')) <= 60);
});

test('a port in use is named', async () => {
  const { port } = await serve([]);
  const second = makeEndpoint({});
  await assert.rejects(second.listen(port), { code: 'port.in-use' });
});

test('closing under load loses no answer, while answers wait for something', () =>
  closeUnderLoad(() => new Promise((resolve) => setTimeout(resolve, 30))));

test('closing under load loses no answer, while answers keep the processor busy', () =>
  closeUnderLoad(async () => {
    const until = performance.now() + 3;
    while (performance.now() < until);
  }));

/** Clients that send a new request after each answer until nothing listens any more. */
async function closeUnderLoad(work: () => Promise<void>): Promise<void> {
  const { endpoint, origin } = await serve([echo('/slow', 'read', work)]);
  const failures: unknown[] = [];
  let answered = 0;
  let closing: Promise<number> | undefined;
  const client = async (): Promise<void> => {
    for (;;) {
      try {
        const response = await fetch(`${origin}/slow`);
        await response.text();
        assert.equal(response.status, 200);
        if (++answered !== 100) continue;
        const began = performance.now();
        closing = endpoint.close().then(() => performance.now() - began);
      } catch (error) {
        const cause = error instanceof Error ? (error.cause as { syscall?: string } | undefined) : undefined;
        if (cause?.syscall !== 'connect') failures.push(error);
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, client));
  assert.deepEqual(failures, []);
  assert.ok(answered > 100);
  const tookMs = await closing;
  assert.ok(tookMs !== undefined && tookMs < 9_000, `closed after ${tookMs} ms`);
}
