/**
 * Row `http`: uniques over HTTP as in production (without keys; with limits, security headers, request log, metrics and both layers) against an empty
 * express route, at 32 connections. The two servers take turns, each on its own thread. Answers are not cached, so repeated questions cost the same
 * as new ones. Finally the same load runs while a view is built and published and the speed layer hands over, on the same machine.
 */
import { widthOf } from '../lib/time/buckets.js';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { pino } from 'pino';
import { systemClock } from '../lib/time/clock.js';
import { configWith, type Config } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import { encodeRecord } from '../facts/record.js';
import { makeRules } from '../facts/rules.js';
import { HttpEndpoint } from '../lib/http/endpoint.js';
import { openLogWriter } from '../log/open-log.js';
import { openQuery } from '../query/open.js';
import { startSpeed } from '../speed/role.js';
import { openRealtime } from '../speed/store/read-side.js';
import { get, type LoadOrder, type LoadResult } from './http-load.js';
import type { BenchOptions, BenchResult } from './row.js';
import { threadCpuMicros } from './thread-cpu.js';
import { publishYear, urlsOf, yearFromHour, yearToHour } from './view-of-a-year.js';

const { show } = widthOf(60);

const connections = 32;
const pages = 50;
const logger = pino({ level: 'info' }, pino.destination({ dest: '/dev/null', sync: true }));

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const dataDir = mkdtempSync(join(tmpdir(), 'swa-bench-http-'));
  const config = configWith({ dataDir, httpPort: 0, httpRatePerMinute: 1_000_000_000 });
  const worker = new Worker(new URL('./http-load.js', import.meta.url));
  const empty = new Worker(new URL('./http-empty.js', import.meta.url));
  const endpoint = new HttpEndpoint({ config, clock: systemClock, logger });
  try {
    const [emptyPort] = (await once(empty, 'message')) as [number]; // the first message of http-empty
    const busiestViews = quick ? 50_000 : 500_000;
    await prepare(config, quick, busiestViews);
    const query = await openQuery({ config, clock: systemClock, logger }, endpoint);
    const { port } = await endpoint.listen(0);
    const load: Load = { worker, empty, emptyPort, port, durationMs: quick ? 2_000 : 4_000 };
    const rates = await compare(load, quick ? 1 : 5);
    const publication = await duringPublication(load, dataDir, busiestViews);
    await endpoint.close();
    await query.close();
    return resultOf(rates, publication);
  } finally {
    await worker.terminate();
    await empty.terminate();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** Makes a batch view of a year, and realtime facts after its cut. */
async function prepare(config: Config, quick: boolean, busiestViews: number): Promise<void> {
  openDataDir(config);
  const log = await openLogWriter(config, systemClock);
  const cut = { logId: log.id, next: await log.latest() };
  await publishYear(config.dataDir, {
    number: 1,
    pages,
    busiestViews,
    people: 100_000,
    lgK: config.lgK,
    cut,
  });
  const rules = makeRules({ urlQueryAllow: [], bots: 'exclude' });
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
  /** Answers per second. */
  readonly empty: number;
  readonly uniques: number;
  /** CPU time of the serving thread per answer, which does not depend on other load of the machine. */
  readonly emptyMicros: number;
  readonly uniquesMicros: number;
  readonly p99: number;
  readonly failures: number;
}

interface Load {
  readonly worker: Worker;
  readonly empty: Worker;
  readonly emptyPort: number;
  readonly port: number;
  readonly durationMs: number;
}

async function compare(load: Load, rounds: number): Promise<readonly Rates[]> {
  await drive(load, 'uniques', load.durationMs / 2);
  await drive(load, 'empty', load.durationMs / 2);
  const rates: Rates[] = [];
  for (let round = 0; round < rounds; round++) {
    const emptyAt = await cpuOf(load.empty);
    const empty = await drive(load, 'empty', load.durationMs);
    const emptyMicros = (await cpuOf(load.empty)) - emptyAt;
    const startedAt = threadCpuMicros();
    const uniques = await drive(load, 'uniques', load.durationMs);
    rates.push({
      empty: empty.answers / empty.seconds,
      emptyMicros: emptyMicros / empty.answers,
      uniques: uniques.answers / uniques.seconds,
      uniquesMicros: (threadCpuMicros() - startedAt) / uniques.answers,
      p99: quantile(uniques, 0.99),
      failures: uniques.failures,
    });
  }
  return rates;
}

/** Measures the same load during a publication. Fails if the new view does not serve by its end. */
async function duringPublication(
  load: Load,
  dataDir: string,
  busiestViews: number,
): Promise<Readonly<Record<string, number | string>>> {
  const child = fork(new URL('./http-publication.js', import.meta.url), [
    dataDir,
    String(pages),
    String(busiestViews),
  ]);
  const results: LoadResult[] = [];
  try {
    while (child.exitCode === null && results.length < 20)
      results.push(await drive(load, 'uniques', load.durationMs / 2));
    if (child.exitCode !== 0) throw new Error(`the hand-over did not come, or failed: ${child.exitCode}`);
  } finally {
    child.kill();
  }
  const all = Float64Array.from(results.flatMap(({ latencies }) => [...latencies])).toSorted();
  const answers = results.reduce((sum, result) => sum + result.answers, 0);
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0);
  return {
    'during a publication, uniques requests/s': Math.round(answers / seconds),
    'during a publication, p99 ms': (all[Math.floor(all.length * 0.99)] ?? Number.NaN).toFixed(2),
    'during a publication, longest ms': (all.at(-1) ?? Number.NaN).toFixed(2),
    'during a publication, failures': results.reduce((sum, result) => sum + result.failures, 0),
  };
}

async function drive(load: Load, what: 'empty' | 'uniques', durationMs: number): Promise<LoadResult> {
  const order: LoadOrder =
    what === 'empty'
      ? { port: load.emptyPort, requests: [get('/')], connections, durationMs }
      : { port: load.port, requests: questions(), connections, durationMs };
  load.worker.postMessage(order);
  const [result] = (await once(load.worker, 'message')) as [LoadResult]; // http-load answers with this
  return result;
}

async function cpuOf(worker: Worker): Promise<number> {
  worker.postMessage('cpu');
  const [micros] = (await once(worker, 'message')) as [number]; // http-empty answers with this
  return micros;
}

function resultOf(
  rates: readonly Rates[],
  publication: Readonly<Record<string, number | string>>,
): BenchResult {
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
      ...publication,
    },
  };
}

/** Typical questions for uniques: an hour, six hours, a day, a month, a year; over all pages in turn. */
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

function quantile({ latencies }: LoadResult, share: number): number {
  return latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
