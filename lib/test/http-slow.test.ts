/** Clients that send slowly, read slowly or only hold connections: they must not block others. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { z } from 'zod';
import { configWith } from '../config/config.js';
import { Connections, connectionLimit, descriptorLimit } from '../http/connections.js';
import { HttpEndpoint } from '../http/endpoint.js';
import { route } from '../http/route.js';

const doc = { summary: '', responses: [], problems: [] } as const;

async function serve(t: TestContext, httpMaxActive: number) {
  const gate = new EventEmitter();
  const endpoint = new HttpEndpoint({
    config: configWith({ httpMaxActive }),
    clock: Date.now,
    logger: pino({ level: 'silent' }),
  });
  const post = { ...doc, method: 'post', scope: 'write' } as const;
  const body = { description: '', content: { 'application/json': z.unknown() }, limitBytes: 1024 * 1024 };
  endpoint.mount([
    route({
      ...post,
      path: '/send',
      operationId: 'send',
      body,
      handle: ({ response, body: sent }) => void response.json(sent.length),
    }),
    route({
      ...post,
      path: '/wait',
      operationId: 'wait',
      body,
      handle: async ({ response }) => {
        gate.emit('began');
        await once(gate, 'release');
        response.json({});
      },
    }),
    route({
      ...doc,
      method: 'get',
      path: '/ask',
      operationId: 'ask',
      scope: 'read',
      handle: ({ response }) => void response.json({}),
    }),
  ]);
  const { origin, port } = await endpoint.listen(0);
  const sockets: Socket[] = [];
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await endpoint.close();
  });
  const open = async (head: string): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    await once(socket, 'connect');
    socket.on('error', () => undefined);
    socket.write(`${head}\r\nHost: localhost\r\n`);
    return socket;
  };
  const status = async (path: string, method = 'GET'): Promise<number> => {
    const init = method === 'GET' ? {} : { method, body: '{}' };
    return (await fetch(origin + path, { ...init, headers: { 'Content-Type': 'application/json' } })).status;
  };
  return { endpoint, gate, open, status };
}

test('bodies that arrive byte by byte block no other request, and are rejected', async (t) => {
  const { endpoint, open, status } = await serve(t, 2);
  const slow = await Promise.all(
    Array.from({ length: 50 }, () =>
      open('POST /send HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100000'),
    ),
  );
  const answers = slow.map(text);
  for (const socket of slow) socket.write('\r\n');
  const drip = setInterval(() => {
    for (const socket of slow) if (socket.writable) socket.write(' ');
  }, 100);
  t.after(() => clearInterval(drip));
  assert.equal(await status('/send', 'POST'), 200);
  assert.equal(await status('/ask'), 200);
  assert.equal(endpoint.active, 0);
  for (const answer of await Promise.all(answers))
    assert.match(answer, /^HTTP\/1.1 408 .*Connection: close/s);
});

test('unfinished bodies share a memory limit: the oldest is rejected, the newest is accepted', async (t) => {
  const { open } = await serve(t, 2);
  const half = Buffer.alloc(1_000_000, ' ');
  const sockets: Socket[] = [];
  for (let i = 0; i < 80; i++) {
    const socket = await open(
      'POST /send HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 1000001',
    );
    sockets.push(socket);
    socket.write('\r\n');
    await new Promise<void>((resolve) => socket.write(half, () => resolve()));
  }
  const [oldest] = sockets;
  const newest = sockets.at(-1);
  assert.ok(oldest !== undefined && newest !== undefined);
  assert.match(await text(oldest), /^HTTP\/1.1 503 .*problem:overloaded/s);
  newest.write(' ');
  assert.match(await text(newest), /^HTTP\/1.1 200 .*1000001$/s);
});

test('writes do not block queries', async (t) => {
  const { gate, status } = await serve(t, 1);
  const began = once(gate, 'began');
  const first = status('/wait', 'POST');
  await began;
  assert.equal(await status('/send', 'POST'), 503);
  assert.equal(await status('/ask'), 200);
  gate.emit('release');
  assert.equal(await first, 200);
});

test('unread answers share a memory limit: the oldest are dropped', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const connections = new Connections(100);
  const sockets = Array.from({ length: 8 }, () => {
    const socket = new Socket();
    Object.defineProperty(socket, 'writableLength', { value: 48 * 1024 * 1024 });
    const request = new IncomingMessage(socket);
    const response = new ServerResponse(request);
    Object.defineProperty(response, 'writableEnded', { value: true });
    connections.add(socket);
    connections.begin(request, response, true);
    return socket;
  });
  t.mock.timers.tick(1_000);
  assert.deepEqual(
    sockets.map(({ destroyed }) => destroyed),
    [true, true, true, false, false, false, false, false],
  );
});

test('connections leave descriptors for files', () => {
  assert.deepEqual(
    [64, 256, 1_024, 4_096, 65_536, Infinity].map(connectionLimit),
    [32, 128, 512, 3_072, 20_000, 20_000],
  );
  assert.ok(descriptorLimit() >= 64);
});
