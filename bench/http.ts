/**
 * Row `http`: uniques over HTTP as it runs in production (keys off, everything else on: limits, security headers,
 * request log, metrics, both layers) against an empty express route, at 32 connections. The two servers take turns.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import express from 'express';
import { pino } from 'pino';
import { systemClock } from '../lib/clock.js';
import { configWith, type Config } from '../lib/config/config.js';
import { openDataDir } from '../lib/data-dir.js';
import { encodeRecord } from '../lib/facts/record.js';
import { makeRules } from '../lib/facts/rules.js';
import { HttpEndpoint } from '../lib/http/endpoint.js';
import { openLogWriter } from '../lib/log/open-log.js';
import { openQuery } from '../query/open.js';
import { show } from '../query/question.js';
import { startSpeed } from '../speed/speed.js';
import { openRealtime } from '../speed/read-side.js';
import { get, type LoadOrder, type LoadResult } from './http-load.js';
import type { BenchOptions, BenchResult } from './row.js';
import { publishYear, urlsOf, yearFromHour, yearToHour } from './view-of-a-year.js';

const connections = 32;
const pages = 50;
const logger = pino({ level: 'info' }, pino.destination({ dest: '/dev/null', sync: true }));

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const dataDir = mkdtempSync(join(tmpdir(), 'swa-bench-http-'));
  const config = configWith({ dataDir, httpPort: 0, httpRatePerMinute: 1_000_000_000 });
  const worker = new Worker(new URL('./http-load.js', import.meta.url));
  const empty = createServer(express().get('/', (_request, response) => void response.end()));
  const endpoint = new HttpEndpoint({ config, clock: systemClock, logger });
  try {
    await prepare(config, quick);
    const query = await openQuery({ config, clock: systemClock, logger }, endpoint);
    const { port } = await endpoint.listen(0);
    await new Promise<void>((resolve) => empty.listen(0, '127.0.0.1', resolve));
    const emptyPort = (empty.address() as AddressInfo).port; // it listens on TCP
    const result = await compare(worker, emptyPort, port, quick ? 2_000 : 4_000, quick ? 1 : 5);
    await endpoint.close();
    await query.close();
    return result;
  } finally {
    await worker.terminate();
    empty.closeAllConnections();
    empty.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** A year of batch view, and facts after its cut in the realtime view. */
async function prepare(config: Config, quick: boolean): Promise<void> {
  openDataDir(config);
  const log = await openLogWriter(config, systemClock);
  const cut = { logId: log.id, next: await log.latest() };
  const busiestViews = quick ? 50_000 : 500_000;
  await publishYear(config.dataDir, { pages, busiestViews, people: 100_000, lgK: config.lgK, cut });
  const rules = makeRules({ queryAllow: [], bots: 'exclude' });
  const facts = Array.from({ length: quick ? 2_000 : 20_000 }, (_, i) =>
    encodeRecord(
      {
        type: 'pageview',
        visitor: `cookie:${i % 7_000}`,
        url: urlsOf(pages)[i % pages] ?? '',
        timestamp: (yearToHour - 1 - (i % 24)) * 3_600_000,
        eventId: `bench-${i}`,
        receivedAt: yearToHour * 3_600_000,
      },
      rules.url,
    ),
  );
  await log.append(facts);
  const end = await log.latest();
  const speed = await startSpeed({ config, clock: systemClock, logger });
  const realtime = openRealtime(config.dataDir);
  for (let done = false; !done;) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const snapshot = realtime.snapshot();
    done = snapshot !== undefined && JSON.stringify(snapshot.cut.next) === JSON.stringify(end);
    snapshot?.release();
  }
  await realtime.close();
  await speed.stop();
  await log.close();
}

interface Rates {
  /** Answers a second. */
  readonly empty: number;
  readonly uniques: number;
  /** CPU time of the serving thread for each answer: does not depend on who else uses the machine. */
  readonly emptyMicros: number;
  readonly uniquesMicros: number;
  readonly p99: number;
  readonly failures: number;
}

async function compare(
  worker: Worker,
  emptyPort: number,
  port: number,
  durationMs: number,
  rounds: number,
): Promise<BenchResult> {
  const requests = questions();
  const drive = (order: Pick<LoadOrder, 'port' | 'requests' | 'durationMs'>): Promise<LoadResult> =>
    new Promise((resolve) => {
      worker.once('message', resolve); // its failure ends the process
      worker.postMessage({ ...order, connections });
    });
  await drive({ port, requests, durationMs: durationMs / 2 });
  await drive({ port: emptyPort, requests: [get('/')], durationMs: durationMs / 2 });
  const rates: Rates[] = [];
  for (let round = 0; round < rounds; round++) {
    const startedAt = threadCpuMicros();
    const empty = await drive({ port: emptyPort, requests: [get('/')], durationMs });
    const betweenAt = threadCpuMicros();
    const uniques = await drive({ port, requests, durationMs });
    rates.push({
      empty: empty.answers / empty.seconds,
      emptyMicros: (betweenAt - startedAt) / empty.answers,
      uniques: uniques.answers / uniques.seconds,
      uniquesMicros: (threadCpuMicros() - betweenAt) / uniques.answers,
      p99: uniques.latencies[Math.floor(uniques.latencies.length * 0.99)] ?? Number.NaN,
      failures: uniques.failures,
    });
  }
  const failures = rates.reduce((sum, rate) => sum + rate.failures, 0);
  const ratio = median(rates.map((rate) => rate.uniques / rate.empty));
  return {
    target: '>= 50 % of an empty express route',
    met: ratio >= 0.5 && failures === 0,
    ratio,
    figures: {
      'uniques requests/s': Math.round(median(rates.map((rate) => rate.uniques))),
      'empty route requests/s': Math.round(median(rates.map((rate) => rate.empty))),
      'uniques, µs of its thread': Math.round(median(rates.map((rate) => rate.uniquesMicros))),
      'empty route, µs of its thread': Math.round(median(rates.map((rate) => rate.emptyMicros))),
      'uniques p99 ms': median(rates.map((rate) => rate.p99)).toFixed(2),
      failures,
      connections,
    },
  };
}

/** The product's first question, as people ask it: an hour, six hours, a day, a month, a year; over all pages in turn. */
function questions(): LoadOrder['requests'] {
  const day = 24;
  return Array.from({ length: 1_000 }, (_, i) => {
    const start = yearFromHour + (i % 300) * day;
    const january = { from: yearFromHour, to: yearFromHour + 31 * day };
    const ranges = [
      { from: start + (i % day), to: start + (i % day) + 1 },
      { from: start + 6, to: start + 12 },
      { from: start, to: start + day },
      january,
      { from: yearFromHour, to: yearToHour },
    ];
    const { from, to } = ranges[i % ranges.length] ?? january;
    const url = encodeURIComponent(urlsOf(pages)[Math.floor(i / ranges.length) % pages] ?? '');
    return get(
      `/v1/uniques?url=${url}&from=${encodeURIComponent(show(from))}&to=${encodeURIComponent(show(to))}`,
    );
  });
}

/** CPU time of this process's main thread, where the system tells. */
function threadCpuMicros(): number {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1000;
  } catch {
    return Number.NaN;
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
