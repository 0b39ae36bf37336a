import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { Fact } from '../../facts/fact.js';
import { collectorSink } from '../fact-sinks.js';

const fact: Fact = {
  type: 'pageview',
  visitor: 'cookie:1',
  url: 'https://e.org/',
  timestamp: 1,
  eventId: 'mine',
  receivedAt: 2,
};

test('facts whose answer is cut off are sent again, under the same eventIds', async (t) => {
  const bodies: string[] = [];
  const answer = '{"accepted":1,"rejected":[]}';
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    bodies.push(await text(request));
    response.writeHead(202, { 'Content-Length': answer.length });
    if (bodies.length > 1) response.end(answer);
    else response.write(answer.slice(0, 5), () => response.destroy());
  };
  const server = createServer((...exchange) => void take(...exchange)).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on TCP
  await collectorSink({ baseUrl }).append([fact]);
  const { receivedAt: _, ...sent } = fact;
  assert.deepEqual(bodies, [JSON.stringify(sent), JSON.stringify(sent)]);
});
