/** Which host names and pages an endpoint answers. Requests are sent as raw bytes, because fetch sets Host itself. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { configWith, readConfig, type Config } from '../config/config.js';
import { HttpEndpoint } from '../http/endpoint.js';
import { hostName } from '../http/origin-guard.js';
import { route } from '../http/route.js';

const doc = { summary: '', responses: [], problems: [], scope: 'admin' } as const;

async function serve(t: TestContext, change: Partial<Config> = {}) {
  const done: string[] = [];
  const handle =
    (name: string): Parameters<typeof route>[0]['handle'] =>
    ({ response }) => {
      done.push(name);
      response.json({});
    };
  const endpoint = new HttpEndpoint({
    config: configWith(change),
    clock: Date.now,
    logger: pino({ level: 'silent' }),
    drainGraceMs: 0,
  });
  endpoint.mount([
    route({ ...doc, method: 'get', path: '/x', operationId: 'x', handle: handle('read') }),
    route({ ...doc, method: 'post', path: '/x', operationId: 'changeX', handle: handle('changed') }),
  ]);
  endpoint.use((request, response, next) => {
    if (request.path === '/file') response.end('file');
    else next();
  });
  const { port } = await endpoint.listen(0);
  t.after(() => endpoint.close());
  /** The status and problem type of an answer. */
  const ask = async (head: string): Promise<string> => {
    const socket = connect(port, '127.0.0.1');
    socket.end(`${head}\r\nConnection: close\r\n\r\n`);
    const answer = await text(socket);
    if (!socket.destroyed) await once(socket, 'close');
    const status = /^HTTP\/1.1 (\d+)/.exec(answer)?.[1] ?? 'none';
    const problem = /urn:swa:problem:([\w-]+)/.exec(answer)?.[1];
    return problem === undefined ? status : `${status} ${problem}`;
  };
  return { ask, done, port };
}

const refused = '421 misdirected-request';

test('without keys only loopback names are answered, for any request', async (t) => {
  const { ask } = await serve(t);
  const answered = [
    'localhost',
    'localhost:8080',
    'LocalHost',
    'localhost.',
    'localhost.:80',
    '127.0.0.1',
    '127.0.0.1:8080',
    '127.1.2.3',
    '[::1]',
    '[::1]:8080',
    '[0:0:0:0:0:0:0:1]',
  ];
  for (const host of answered) assert.equal(await ask(`GET /x HTTP/1.1\r\nHost: ${host}`), '200', host);
  const others = [
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'a.localhost',
    'localhost@evil.example',
    'localhost:80@evil.example',
    'localhost/evil',
    'localhost,evil.example',
    '127.0.0.1 evil.example',
    '127.1',
    '2130706433',
    '0x7f.0.0.1',
    '0.0.0.0',
    '128.0.0.1',
    '192.0.2.1',
    '[::1',
    '::1',
    '[::2]',
    '[::1%lo]',
    'localhost:http',
    'localhost:123456',
    'localhost..',
    '',
    '.',
    ':80',
  ];
  for (const host of others) assert.equal(await ask(`GET /x HTTP/1.1\r\nHost: ${host}`), refused, host);
  for (const path of ['/file', '/nothing', '/x?a=1', '*'])
    assert.equal(await ask(`OPTIONS ${path} HTTP/1.1\r\nHost: evil.example`), refused, path);
});

test('a request without Host, with two, or with another name in its target is not answered', async (t) => {
  const { ask } = await serve(t);
  const local = 'Host: localhost';
  assert.equal(await ask('GET /x HTTP/1.0'), refused);
  assert.equal(await ask(`GET /x HTTP/1.0\r\n${local}`), '200');
  assert.equal(await ask('GET /x HTTP/1.1'), '400 bad-request');
  assert.equal(await ask(`GET /x HTTP/1.1\r\n${local}\r\nHOST: evil.example`), '400 bad-request');
  assert.equal(await ask(`GET /x HTTP/1.1\r\nHost: evil.example\r\n${local}`), '400 bad-request');
  assert.equal(await ask(`GET http://localhost/x HTTP/1.1\r\n${local}`), '200');
  for (const authority of ['evil.example', 'localhost@evil.example', ''])
    assert.equal(await ask(`GET http://${authority}/x HTTP/1.1\r\n${local}`), refused, authority);
  assert.equal(await ask('GET http://localhost/x HTTP/1.1\r\nHost: evil.example'), refused);
});

test('without keys changes are taken from programs and from pages of the same origin alone', async (t) => {
  const { ask, done, port } = await serve(t, { corsOrigins: ['https://friend.example'] });
  const host = `localhost:${port}`;
  const change = (headers: string): Promise<string> =>
    ask(`POST /x HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0${headers}`);
  const taken = [
    '',
    `\r\nOrigin: http://${host}`,
    `\r\nOrigin: http://${host}\r\nSec-Fetch-Site: same-origin`,
    '\r\nSec-Fetch-Site: none',
    '\r\nOrigin: https://friend.example\r\nSec-Fetch-Site: cross-site',
  ];
  for (const headers of taken) assert.equal(await change(headers), '200', headers);
  assert.equal(done.length, taken.length);
  const foreign = [
    'https://evil.example',
    'null',
    '',
    'http://localhost',
    'http://localhost:1',
    `http://127.0.0.1:${port}`,
    `http://${host}.evil.example`,
    `http://evil.example/${host}`,
    `ftp://${host}`,
    `http://a@${host}`,
    `http://${host}, https://evil.example`,
    'https://friend.example:444',
    'https://a.friend.example',
  ].map((origin) => `\r\nOrigin: ${origin}`);
  foreign.push(
    '\r\nSec-Fetch-Site: cross-site',
    '\r\nSec-Fetch-Site: same-site',
    '\r\nSec-Fetch-Site: ?',
    `\r\nOrigin: http://${host}\r\nSec-Fetch-Site: cross-site`,
    `\r\nOrigin: http://${host}\r\nOrigin: https://evil.example`,
  );
  for (const headers of foreign) assert.equal(await change(headers), '403 foreign-origin', headers);
  for (const method of ['PUT', 'DELETE', 'PATCH', 'PROPFIND'])
    assert.equal(await ask(`${method} /x HTTP/1.1\r\nHost: ${host}\r\nOrigin: null`), '403 foreign-origin');
  assert.equal(await ask(`GET /x HTTP/1.1\r\nHost: ${host}\r\nOrigin: https://evil.example`), '200');
  assert.deepEqual(done.slice(taken.length), ['read']);
});

test('SWA_HTTP_HOSTS adds names, and with keys neither name nor origin matters', async (t) => {
  const named = await serve(t, { httpHosts: ['stats.example.org'] });
  assert.equal(await named.ask('GET /x HTTP/1.1\r\nHost: Stats.example.org.:443'), '200');
  assert.equal(await named.ask('GET /x HTTP/1.1\r\nHost: a.stats.example.org'), refused);
  const keyed = await serve(t, {
    apiKeys: [`a:admin:${createHash('sha256').update('k').digest('hex')}`],
  });
  const foreign = 'Host: any.example\r\nOrigin: https://other.example';
  assert.equal(await keyed.ask(`POST /x HTTP/1.1\r\n${foreign}\r\nAuthorization: Bearer k`), '200');
  assert.equal(await keyed.ask(`POST /x HTTP/1.1\r\n${foreign}`), '401 unauthorized');
});

test('pages of SWA_CORS_ORIGINS may read answers; others may not', async (t) => {
  const { port } = await serve(t, { corsOrigins: ['https://friend.example'] });
  const from = async (origin: string, asked?: string): Promise<Headers> => {
    const preflight =
      asked === undefined
        ? { headers: { origin } }
        : { method: 'OPTIONS', headers: { origin, 'access-control-request-method': asked } };
    return (await fetch(`http://127.0.0.1:${port}/x`, preflight)).headers;
  };
  const name = 'access-control-allow-origin';
  assert.equal((await from('https://friend.example')).get(name), 'https://friend.example');
  assert.equal((await from('https://evil.example')).get(name), null);
  assert.match(
    (await from('https://friend.example', 'GET')).get('access-control-allow-headers') ?? '',
    /Authorization/,
  );
  assert.equal((await from('https://evil.example', 'GET')).get('access-control-allow-headers'), null);
});

test('names and origins are checked when the configuration is read', () => {
  assert.deepEqual(readConfig({ SWA_HTTP_HOSTS: 'a.example, b.example' }).httpHosts, [
    'a.example',
    'b.example',
  ]);
  for (const [name, value] of [
    ['SWA_HTTP_HOSTS', 'https://a.example'],
    ['SWA_HTTP_HOSTS', '*'],
    ['SWA_CORS_ORIGINS', '*'],
    ['SWA_CORS_ORIGINS', 'a.example'],
    ['SWA_CORS_ORIGINS', 'https://a.example/'],
  ] as const)
    assert.throws(() => readConfig({ [name]: value }), { code: 'config.invalid' }, value);
  assert.equal(hostName('[::1]:1'), '::1');
});
