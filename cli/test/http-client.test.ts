import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { hasCode } from '../../lib/errors/errors.js';
import { askRunning } from '../http-client.js';

test('an answer that is cut off, or is no JSON, is none', async (t) => {
  const server = createServer((request, response) => {
    response.writeHead(200, { 'Content-Length': 10 });
    if (request.url === '/cut') response.write('{', () => response.destroy());
    else response.end('<p>no</p>\n');
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on TCP
  for (const path of ['/cut', '/html']) {
    await assert.rejects(askRunning({ apiToken: '' }, baseUrl, path), (error: unknown) => {
      assert.ok(hasCode(error, 'request.failed') && error.retryable);
      assert.match(error.message, /^no answer from http:.*: /);
      return true;
    });
  }
});
