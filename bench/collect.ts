/**
 * Row `collect`: acknowledged single-fact requests over HTTP with 64 clients, each durable when it is answered. Clients share fsyncs; the ratio is
 * the cost of a request with a durable append against an empty route.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { pino } from 'pino';
import { makeCollector } from '../ingest/role.js';
import { systemClock } from '../lib/time/clock.js';
import { configWith } from '../lib/config/config.js';
import { HttpEndpoint } from '../lib/http/endpoint.js';
import { route } from '../lib/http/route.js';
import { post, type LoadOrder, type LoadResult } from './http-load.js';
import type { BenchOptions, BenchResult } from './row.js';

const clients = 64;

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const dir = mkdtempSync(join(tmpdir(), 'swa-bench-'));
  const context = {
    config: configWith({ dataDir: join(dir, 'data'), logLevel: 'error' }),
    clock: systemClock,
    logger: pino({ level: 'silent' }),
  };
  const collector = await makeCollector(context);
  const opened = await collector.open();
  const endpoint = new HttpEndpoint(context);
  endpoint.mount([...collector.routes, emptyRoute]);
  const worker = new Worker(new URL('./http-load.js', import.meta.url));
  try {
    const { port } = await endpoint.listen(0);
    const durationMs = quick ? 500 : 4_000;
    const empty = await rate(worker, { port, path: '/v1/nothing' }, durationMs);
    const durable = await rate(worker, { port, path: '/v1/events' }, durationMs);
    return {
      target: '>= 5,000 acknowledged single-fact requests/s with 64 clients',
      met: durable >= 5_000,
      ratio: durable / empty,
      figures: {
        'acknowledged requests/s': Math.round(durable),
        'empty route requests/s': Math.round(empty),
        clients,
      },
    };
  } finally {
    await worker.terminate();
    await endpoint.close();
    await opened.stop();
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

interface Target {
  readonly port: number;
  readonly path: string;
}

/** Measures requests per second from 64 connections of another thread, all answered 2xx. */
async function rate(worker: Worker, { port, path }: Target, durationMs: number): Promise<number> {
  const order: LoadOrder = { port, requests: bodies(path), connections: clients, durationMs };
  worker.postMessage(order);
  const [result] = (await once(worker, 'message')) as [LoadResult]; // http-load answers with this
  if (result.failures > 0) throw new Error(`${result.failures} requests to ${path} were not answered 2xx`);
  return result.answers / result.seconds;
}

/** Requests with one fact each; every fact has its own eventId. */
function bodies(path: string): string[] {
  return Array.from({ length: 20_000 }, (_, i) =>
    post(
      path,
      `{"type":"pageview","visitor":"cookie:${i}","url":"https://e.org/","timestamp":1,"eventId":"${i}"}`,
    ),
  );
}
