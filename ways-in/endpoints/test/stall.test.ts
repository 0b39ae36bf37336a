/**
 * Hostile requests to the collector, the door of sites and the endpoints of other trackers do not stall other requests. Measures the CPU time of
 * the longest synchronous piece of work, because wall time would include other programs on the machine.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { noon, serveSites, shop } from '../../sites/test/serving.js';
import { longestPiece, noMainThreadTime } from '../../../test/main-thread-time.js';

const maxPieceMs = 100;

/** Clients in a thread of their own, so that their CPU time does not count for the server. */
const client = `
  const { parentPort } = require('node:worker_threads');
  const { request } = require('node:http');
  parentPort.on('message', ({ url, headers, body }) => {
    const asked = request(url, { method: 'POST', headers }, (response) => {
      response.resume();
      response.on('end', () => parentPort.postMessage(response.statusCode));
      response.on('error', () => parentPort.postMessage(0));
    });
    asked.on('error', () => parentPort.postMessage(0)); // a body that is refused before its end
    asked.end(Buffer.from(body));
  });
`;

const site = { ...shop, fromServers: true, eventsPerMinute: 1_000_000_000, requireProof: false };
const sites = [{ ...site, trackers: { plausible: ['w'], umami: ['w'], goatcounter: true, segment: ['w'] } }];

const page = 'https://www.shop.example/';
const view = (change: object): object => ({ type: 'pageview', visitor: 'cookie:1', url: page, ...change });
const repeated = (text: string, bytes: number): string => text.repeat(Math.floor(bytes / text.length));
const listOf = <T>(count: number, of: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => of(i));
const megabyte = 1_000_000;

/** Texts on which a bad regular expression or loop would take long. */
const hostileTexts = [
  repeated('a.', 60_000),
  repeated('{', 256),
  `${repeated('%7B', 250)}x`,
  repeated(';sid=', 60_000),
  repeated('/..', 60_000),
  repeated('%', 60_000),
  repeated('\\ud800', 60_000),
  repeated('Mozilla/5.0 (bot; ', 500_000),
  repeated(' ', 500_000),
  repeated('xn--', 60_000),
  repeated('\u00e9', 60_000),
];

const core: readonly (readonly [name: string, body: string | Buffer, type?: string])[] = [
  ['10 MB', repeated('x', 10 * megabyte)],
  ['a bomb of 200 MB', gzipSync(Buffer.alloc(200 * megabyte, ' '))],
  ['a bomb of a list', gzipSync(`[${repeated('1,', 900_000)}1]`)],
  ['300,000 values', `[${repeated('1,', 600_000)}1]`],
  ['300,000 lists', `[${repeated('[],', 900_000)}1]`],
  ['300,000 lines', repeated('1\n', 600_000), 'application/x-ndjson'],
  ['500,000 empty lines', repeated('\n', 500_000), 'application/x-ndjson'],
  ['lists 500,000 deep', `${'['.repeat(500_000)}${']'.repeat(500_000)}`],
  ['a line 500,000 deep', `{"a":1}\n${'['.repeat(500_000)}${']'.repeat(500_000)}`, 'application/x-ndjson'],
  ['objects 150,000 deep', `${'{"a":'.repeat(150_000)}1${'}'.repeat(150_000)}`],
  ['an object of 100,000 names', JSON.stringify(Object.fromEntries(listOf(90_000, (i) => [`n${i}`, 1])))],
  ['a fact of 90,000 fields', JSON.stringify(view(Object.fromEntries(listOf(80_000, (i) => [`n${i}`, 1]))))],
  ['a number of a million digits', `[${repeated('9', megabyte)}]`],
  ['a text of escapes', `["${repeated('\\u00e9', megabyte)}"]`],
  ['5,000 facts of new pages', JSON.stringify(listOf(5_000, (i) => view({ url: `${page}${i}` })))],
  [
    '5,000 facts that are refused',
    JSON.stringify(listOf(5_000, (i) => view({ url: i, visitor: 'x'.repeat(80) }))),
  ],
  ['5,000 facts with warnings', JSON.stringify(listOf(5_000, () => view({ eventId: 'null', a: 1, b: 2 })))],
  ...hostileTexts.flatMap((text, i) =>
    ['visitor', 'url', 'userAgent', 'referrer', 'eventId', 'timestamp', 'country'].map(
      (field) =>
        [
          `text ${i} as ${field}`,
          JSON.stringify(view({ [field]: field === 'url' ? `${page}${text}` : text })),
        ] as const,
    ),
  ),
  ['hosts', JSON.stringify(view({ url: `https://${hostileTexts[0]}` }))],
];

const segmentEvents = listOf(2_500, (i) => ({
  type: 'page',
  anonymousId: `a${i}`,
  properties: { url: `${page}${i}` },
}));
const elsewhere: readonly (readonly [path: string, body: unknown])[] = [
  ['/v1/batch', { writeKey: 'w', batch: segmentEvents }],
  ['/v1/batch', { writeKey: 'w', batch: listOf(100_000, () => 1) }],
  ['/v1/batch', `{"writeKey":"w","batch":${'['.repeat(240_000)}${']'.repeat(240_000)}}`],
  ['/v1/batch', { writeKey: 'w', batch: listOf(2_500, () => ({ type: 'x'.repeat(100) })) }],
  [
    '/v1/batch',
    { writeKey: 'w', batch: listOf(2_500, (i) => ({ type: 'track', event: `e${i}`.repeat(20) })) },
  ],
  [
    '/api/batch',
    listOf(2_500, (i) => ({ type: 'event', payload: { website: 'w', url: `${page}${i}`, ip: '192.0.2.1' } })),
  ],
  ['/api/batch', listOf(100_000, () => 1)],
  ['/api/v0/count', { hits: listOf(500, (i) => ({ path: repeated(`/${i}`, 900), ip: '192.0.2.1' })) }],
  ['/api/v0/count', { hits: listOf(100_000, () => 1) }],
  ['/api/event', { n: 'pageview', d: repeated('w,', 60_000), u: page }],
  ['/api/event', { n: 'pageview', d: 'w', u: `${page}#${repeated('/', 60_000)}`, h: 1 }],
  ['/api/send', { type: 'event', payload: { website: 'w', hostname: repeated('a.', 60_000), url: '/' } }],
];

test(
  'no hostile request stalls the others for 100 ms of processor time',
  { timeout: 300_000, skip: noMainThreadTime },
  async (t) => {
    const swa = await serveSites(t, sites);
    const worker = new Worker(client, { eval: true });
    t.after(() => worker.terminate());
    const send = async (path: string, body: string | Buffer, headers: object): Promise<number> => {
      worker.postMessage({ url: `${swa.origin}${path}`, headers, body: Buffer.from(body) });
      const [status] = (await once(worker, 'message')) as [number];
      return status;
    };
    const browser = { Origin: 'https://www.shop.example', 'User-Agent': 'Mozilla/5.0 Firefox/140.0' };
    const asked: (readonly [name: string, path: string, body: string | Buffer, headers: object])[] = [
      ...core.flatMap(([name, body, type = 'application/json']) => {
        const packed = Buffer.isBuffer(body) ? { 'Content-Encoding': 'gzip' } : {};
        return [
          [name, '/v1/events', body, { 'Content-Type': type, ...packed }],
          [
            `${name}, of a page`,
            `/v1/events?key=${site.key}`,
            body,
            { ...browser, 'Content-Type': 'text/plain', ...packed },
          ],
        ] as const;
      }),
      ...elsewhere.map(([path, value]) => {
        const body = typeof value === 'string' ? value : JSON.stringify(value);
        const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${site.key}` };
        return [`${path} ${body.slice(0, 60)}`, path, body, headers] as const;
      }),
    ];
    await send('/v1/events', JSON.stringify([view({ timestamp: noon })]), {
      'Content-Type': 'application/json',
    });
    const slow: string[] = [];
    let longestMs = 0;
    for (const [name, path, body, headers] of asked) {
      const measuring = longestPiece();
      const status = await send(path, body, headers);
      const ms = measuring.stop();
      assert.ok(status < 500, `${name}: ${status}`);
      longestMs = Math.max(longestMs, ms);
      if (ms > maxPieceMs) slow.push(`${name}: ${ms.toFixed(0)} ms, ${status}`);
      swa.facts();
    }
    t.diagnostic(`${asked.length} requests, the longest piece took ${longestMs.toFixed(0)} ms`);
    assert.deepEqual(slow, []);
  },
);
