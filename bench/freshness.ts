/**
 * Row `freshness`: the time from the POST of a fact until an answer over HTTP counts it, while 20,000 facts per second arrive over HTTP. The system
 * runs in its own process. Requests are sent on schedule, even if earlier ones are unanswered. Every 100 ms a request carries a fact on a page of its
 * own, which is then queried until it is counted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { TrafficModel, trafficDefaults } from '../ingest/traffic-model.js';
import { systemClock } from '../lib/time/clock.js';
import type { BenchOptions, BenchResult } from './row.js';
import { dayAround, startSystem } from './started-system.js';

const targetMs = 1_000;
const factsPerSecond = 20_000;
const everyMs = 20;
const factsInRequest = (factsPerSecond * everyMs) / 1_000;
/** One in this many requests carries a fact to query. */
const probeEvery = 5;
/** With more unanswered requests than this, requests that are due are skipped: the system did not take the load. */
const maxUnanswered = 64;
const seenWithinMs = 30_000;

const answerSchema = z.object({ data: z.object({ pageviews: z.number() }) });

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const seconds = quick ? 3 : 20;
  const bodies = trafficBodies(Math.min(200, (seconds * 1_000) / everyMs));
  const system = await startSystem({ SWA_BATCH_SCHEDULE: 'off', SWA_HTTP_RATE_PER_MINUTE: '1000000000' });
  try {
    const requests = new Set<Promise<void>>();
    const latencies: number[] = [];
    const failures: unknown[] = [];
    let taken = 0;
    const takeOne = async (body: string, page: string | undefined): Promise<void> => {
      const ms = await sendAndAsk(system.origin, body, page);
      taken += factsInRequest;
      if (ms !== undefined) latencies.push(ms);
    };
    const began = performance.now();
    for (let i = 0; i < (seconds * 1_000) / everyMs && failures.length === 0; i++) {
      const waitMs = began + i * everyMs - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      if (requests.size >= maxUnanswered) continue;
      const page = i % probeEvery === 0 ? `https://probe.example/${i}` : undefined;
      const request = takeOne(bodies[i % bodies.length] ?? '', page)
        .catch((error: unknown) => void failures.push(error))
        .finally(() => requests.delete(request));
      requests.add(request);
    }
    await Promise.all(requests);
    if (failures.length > 0) throw failures[0];
    const rate = taken / ((performance.now() - began) / 1_000);
    const sorted = latencies.toSorted((a, b) => a - b);
    const at = (share: number): number => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
    return {
      target: `p99 < ${targetMs} ms at ${factsPerSecond} facts/s`,
      met: at(0.99) < targetMs && rate > factsPerSecond * 0.95,
      figures: {
        'facts asked about': sorted.length,
        'facts/s': Math.round(rate),
        p50Ms: at(0.5),
        p99Ms: at(0.99),
        maxMs: at(1),
      },
    };
  } finally {
    await system.stop();
  }
}

/** Sends the facts, with one more on `page` if given. Returns the ms until an answer counts that one. */
async function sendAndAsk(
  origin: string,
  body: string,
  page: string | undefined,
): Promise<number | undefined> {
  const probe = { type: 'pageview', visitor: 'cookie:probe', url: page };
  const sentAt = performance.now();
  const sent = await fetch(`${origin}/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson' },
    body: page === undefined ? body : `${body}\n${JSON.stringify(probe)}`,
  });
  const text = await sent.text();
  if (sent.status !== 202) throw new Error(`facts were answered with ${sent.status}: ${text}`);
  if (page === undefined) return undefined;
  const question = `${origin}/v1/pageviews?url=${encodeURIComponent(page)}&${dayAround(systemClock())}`;
  while (performance.now() < sentAt + seenWithinMs) {
    const answer = answerSchema.parse(await (await fetch(question)).json());
    if (answer.data.pageviews > 0) return performance.now() - sentAt;
    await sleep(5);
  }
  throw new Error(`a fact was not in the answers within ${seenWithinMs} ms`);
}

function trafficBodies(count: number): string[] {
  const model = new TrafficModel({
    ...trafficDefaults,
    people: 100_000,
    pages: 1_000,
    viewsPerSecond: factsPerSecond,
  });
  const lines: string[] = [];
  for (let at = systemClock() - 3_600_000; lines.length < count * factsInRequest; at += 1_000)
    for (const fact of model.step(at)) if (fact.type === 'pageview') lines.push(JSON.stringify(fact));
  return Array.from({ length: count }, (_, i) =>
    lines.slice(i * factsInRequest, (i + 1) * factsInRequest).join('\n'),
  );
}
