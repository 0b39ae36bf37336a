/** The size limit of a body: by Content-Length, by received bytes, and by decompressed size. */
import assert from 'node:assert/strict';
import { request, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { configWith } from '../config/config.js';
import { HttpEndpoint } from '../http/endpoint.js';
import { route } from '../http/route.js';

const limitBytes = 1_000;

async function serve(t: TestContext): Promise<number> {
  const endpoint = new HttpEndpoint({
    config: configWith({}),
    clock: Date.now,
    logger: pino({ level: 'silent' }),
    drainGraceMs: 0,
  });
  t.after(() => endpoint.close());
  endpoint.mount([
    route({
      method: 'post',
      path: '/x',
      operationId: 'x',
      summary: '',
      scope: 'open',
      body: { description: '', content: { 'text/plain': undefined }, limitBytes },
      responses: [],
      problems: [],
      handle: ({ response, body }) => void response.json(body.length),
    }),
  ]);
  return (await endpoint.listen(0)).port;
}

/** Sends the pieces one by one, chunked unless the length is given. */
async function post(
  port: number,
  pieces: readonly (string | Buffer)[],
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number | undefined; body: string }> {
  const sent = request({
    port,
    method: 'POST',
    path: '/x',
    headers: { 'Content-Type': 'text/plain', ...headers },
  });
  sent.on('error', () => undefined); // a refusal may close the connection before all is sent
  for (const piece of pieces) sent.write(piece);
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode, body: await text(response) };
}

test('a body of the maximum size is read, with Content-Length, chunked or compressed', async (t) => {
  const port = await serve(t);
  const whole = 'x'.repeat(limitBytes);
  const read = { status: 200, body: String(limitBytes) };
  assert.deepEqual(await post(port, [whole], { 'Content-Length': String(limitBytes) }), read);
  assert.deepEqual(await post(port, [whole.slice(0, 600), whole.slice(600)]), read);
  assert.deepEqual(await post(port, [gzipSync(whole)], { 'Content-Encoding': 'gzip' }), read);
});

test('a body one byte larger is rejected, with Content-Length, chunked or compressed', async (t) => {
  const port = await serve(t);
  const whole = 'x'.repeat(limitBytes + 1);
  for (const [pieces, headers] of [
    [[whole], { 'Content-Length': String(whole.length) }],
    [[whole.slice(0, 600), whole.slice(600)], {}],
    [[gzipSync(whole)], { 'Content-Encoding': 'gzip' }],
  ] as const) {
    const { status, body } = await post(port, pieces, headers);
    assert.equal(status, 413, JSON.stringify(headers));
    assert.match(body, /body-too-large/);
  }
});

test('a body whose Content-Length is too large is rejected before it arrives', async (t) => {
  const port = await serve(t);
  const sent = request({
    port,
    method: 'POST',
    path: '/x',
    headers: { 'Content-Type': 'text/plain', 'Content-Length': String(limitBytes + 1) },
  });
  sent.on('error', () => undefined);
  sent.flushHeaders();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  assert.equal(response.statusCode, 413);
  response.resume();
  sent.destroy();
});
