/**
 * Row `collect`: acknowledged single-fact requests over HTTP with 64 clients, each durable when it is answered. Many
 * clients share one fsync; the ratio says what a request with a durable append costs against an empty route.
 */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { pino } from 'pino';
import { openCollector } from '../ingest/collector-role.js';
import { systemClock } from '../lib/clock.js';
import { configWith } from '../lib/config/config.js';
import { HttpEndpoint } from '../lib/http/endpoint.js';
import { route } from '../lib/http/route.js';
import type { BenchOptions, BenchResult } from './run.js';

const clients = 64;

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const dir = mkdtempSync(join(tmpdir(), 'swa-bench-'));
  const context = {
    config: configWith({ dataDir: join(dir, 'data'), logLevel: 'error' }),
    clock: systemClock,
    logger: pino({ level: 'silent' }),
  };
  const collector = await openCollector(context);
  const endpoint = new HttpEndpoint(context);
  endpoint.mount([...collector.routes, emptyRoute]);
  try {
    const { origin } = await endpoint.listen(0);
    const requests = quick ? 2_000 : 40_000;
    const empty = await load(`${origin}/v1/nothing`, requests);
    const durable = await load(`${origin}/v1/events`, requests);
    return {
      target: '>= 5,000 acknowledged single-fact requests/s with 64 clients',
      met: durable >= 5_000,
      ratio: durable / empty,
      figures: {
        'acknowledged requests/s': Math.round(durable),
        'empty route requests/s': Math.round(empty),
        clients,
        requests,
      },
    };
  } finally {
    await endpoint.close();
    await collector.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

const emptyRoute = route({
  method: 'post',
  path: '/v1/nothing',
  operationId: 'nothing',
  summary: 'answers at once',
  scope: 'write',
  responses: [],
  problems: [],
  handle: ({ request: incoming, response }) => {
    incoming.resume();
    response.status(202).json({ accepted: 1, rejected: [] });
  },
});

/** Requests a second, sent by a thread of its own. */
async function load(target: string, requests: number): Promise<number> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { target, requests } });
  const [rate] = (await once(worker, 'message')) as [number];
  return rate;
}

async function send({ target, requests }: { target: string; requests: number }): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  let left = requests;
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      while (left-- > 0) await post(agent, target, `${client}-${left}`);
    }),
  );
  agent.destroy();
  return (requests / (performance.now() - begun)) * 1000;
}

function post(agent: Agent, target: string, id: string): Promise<void> {
  const body = `{"type":"pageview","visitor":"cookie:${id}","url":"https://e.org/","timestamp":1,"eventId":"${id}"}`;
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length };
    const call = request(target, { method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.once('end', () => {
        if (response.statusCode === 202) resolve();
        else reject(new Error(`answered ${response.statusCode}`));
      });
    });
    call.once('error', reject);
    call.end(body);
  });
}

if (!isMainThread && parentPort !== null) {
  const rate = await send(workerData as { target: string; requests: number }); // set by load above
  parentPort.postMessage(rate);
}
