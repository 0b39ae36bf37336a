/**
 * Row `soak`: whether anything grows. `swa start` as a process of its own takes twice the nominal 2,000 facts/s for 20 minutes:
 * pageviews on a million URLs of 300,000 domains (each URL comes round again), with an edge now and then. They come as from many
 * clients: a request is sent when it is due, whether or not the ones before have their answers. Beside that slow readers of
 * answers, questions all the time, and a batch run a minute. Every second the process's resident memory, open files and
 * threads are read from /proc, and the size of the log and of what lies in the data directory but is not kept forever.
 *
 * Resident memory is of two kinds. Anonymous memory is the process's own. Mapped files (realtime stores, the views it reads) are pages that the kernel
 * keeps as long as no one needs the room: they follow the size of the data, not of the process. So the first kind is judged, and both are reported.
 *
 * What is judged: by the least-squares line, anonymous memory and descriptors may rise by 5 % over the second half, as far as a second view was
 * published by then (before, a hand-over has not yet held all that it takes). On a machine so busy that this leaves less than a quarter of the
 * time, nothing is proven and the target is not met. The log may hold no more than its retention needs; no answer may be an error but 503 with a reason; at
 * least nine tenths of the load must have been taken; an event is to be visible within a second (p99). A quick run shows that the row
 * works: caches are still filling, so memory is not judged.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { systemClock } from '../lib/time/clock.js';
import { listRuns } from '../serving/batch-runs.js';
import type { BenchOptions, BenchResult } from './row.js';
import { dayAround, startSystem } from './started-system.js';

const nominalPerSecond = 2_000;
const urls = 1_000_000;
const domains = 300_000;
const factsInRequest = 400;
/** Above it requests that are due are not sent: the load was then not taken. */
const maxUnanswered = 32;
const slowReaders = 8;
const runEveryMs = 60_000;
const probeEveryMs = 500;
const answerMs = 30_000;
const maxRise = 0.05;
/** Of the whole time, at least; less than two hand-overs would not be judged. */
const minPartJudged = 0.25;
const publishedBeforeJudged = 2;
const targetFreshMs = 1_000;
const withReason = ' with a reason';
/** Of the log: what three views do not cover, as much again by which repeats are told, a run that takes long, and two segments. */
const logRunsKept = 8;
const bytesOfAFact = 400;
const segmentBytes = 16 * 2 ** 20;
/** Of each of four partitions, up to twice as many: full before the second half. The usual million fills for longer than the row lasts, which looks like a leak. */
const dedupWindow = 200_000;

interface Sample {
  readonly second: number;
  readonly anonymousBytes: number;
  readonly mappedBytes: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly logBytes: number;
  readonly scratchBytes: number;
  /** Batch runs that were published by then. */
  readonly published: number;
}

const uniquesSchema = z.object({ data: z.object({ pageviews: z.number() }) });

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const seconds = quick ? 180 : 1_200;
  const system = await startSystem({
    SWA_BATCH_SCHEDULE: 'off',
    SWA_SEGMENT_BYTES: String(segmentBytes),
    SWA_DEDUP_WINDOW: String(dedupWindow),
  });
  const { origin, dataDir, pid } = system;
  const ending = new AbortController();
  try {
    const load = new Load(origin, ending.signal);
    const samples: Sample[] = [];
    const began = performance.now();
    const elapsed = (): number => (performance.now() - began) / 1_000;
    const work = Promise.all([load.send(), load.askForRuns(), load.probe(), load.readSlowly()]);
    work.catch(() => ending.abort()); // thrown below
    while (elapsed() < seconds && !ending.signal.aborted) {
      if (system.hasEnded()) throw new Error(`the system ended after ${Math.round(elapsed())} s`);
      samples.push(sampleOf(pid, dataDir, elapsed()));
      await sleep(1_000);
    }
    ending.abort();
    await work;
    return resultOf(load, samples, { seconds, quick, dataDir, cpuSeconds: cpuSecondsOf(pid) });
  } finally {
    ending.abort();
    await system.stop();
  }
}

/** All that is asked of the system, and what came of it. */
class Load {
  /** Facts that were acknowledged. */
  taken = 0;
  /** By status; what was refused or not answered also by path, 503 with a reason and without one. */
  readonly answers = new Map<string, number>();
  readonly freshMs: number[] = [];
  readonly #origin: string;
  readonly #signal: AbortSignal;
  #probes = 0;

  constructor(origin: string, signal: AbortSignal) {
    this.#origin = origin;
    this.#signal = signal;
  }

  /** At its pace: what could not be sent in time is not made up for. */
  async send(): Promise<void> {
    const everyMs = (1_000 * factsInRequest) / (2 * nominalPerSecond);
    const began = performance.now();
    const unanswered = new Set<Promise<void>>();
    const failures: unknown[] = [];
    for (let i = 0; !this.#signal.aborted && failures.length === 0; i++) {
      await this.#pause(began + i * everyMs - performance.now());
      if (unanswered.size >= maxUnanswered) continue;
      const request = this.#sendFacts(i * factsInRequest)
        .catch((error: unknown) => void failures.push(error))
        .finally(() => unanswered.delete(request));
      unanswered.add(request);
    }
    await Promise.all(unanswered);
    if (failures.length > 0) throw failures[0];
  }

  async #sendFacts(first: number): Promise<void> {
    const lines = Array.from({ length: factsInRequest }, (_, i) => JSON.stringify(factOf(first + i)));
    const answer = await this.#fetch('/v1/events', lines.join('\n'));
    if (answer?.code === 202) this.taken += factsInRequest;
  }

  async askForRuns(): Promise<void> {
    while (!this.#signal.aborted) {
      await this.#fetch('/v1/batches', '');
      await this.#pause(runEveryMs);
    }
  }

  /** One fact on a page of its own, and how long until an answer has it; beside it a listing, as a dashboard asks for. */
  async probe(): Promise<void> {
    while (!this.#signal.aborted) {
      const url = `https://probe.example/${this.#probes++}`;
      const began = performance.now();
      const sent = await this.#fetch(
        '/v1/events',
        JSON.stringify({ type: 'pageview', visitor: 'cookie:probe', url }),
      );
      if (sent?.code === 202) {
        const range = dayAround(systemClock());
        while (!this.#signal.aborted && performance.now() < began + 30_000) {
          const answer = await this.#fetch(`/v1/pageviews?url=${encodeURIComponent(url)}&${range}`);
          if (answer?.code === 200 && uniquesSchema.parse(JSON.parse(answer.body)).data.pageviews > 0) break;
          await this.#pause(20);
        }
        if (!this.#signal.aborted) this.freshMs.push(performance.now() - began);
        await this.#fetch('/v1/domains?limit=10');
      }
      await this.#pause(probeEveryMs);
    }
  }

  /** Clients that ask for a long listing and read next to nothing of it: the system may cut them off, and they come again. */
  async readSlowly(): Promise<void> {
    const { hostname, port } = new URL(this.#origin);
    const sockets = new Set<Socket>();
    while (!this.#signal.aborted) {
      while (sockets.size < slowReaders) {
        const socket = connect(Number(port), hostname);
        sockets.add(socket);
        socket.pause();
        socket.on('error', () => undefined);
        socket.on('close', () => sockets.delete(socket));
        socket.write('GET /v1/domains?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n');
      }
      await this.#pause(1_000);
      for (const socket of sockets) socket.read(64);
    }
    for (const socket of sockets) socket.destroy();
  }

  async #fetch(path: string, body?: string): Promise<{ code: number; body: string } | undefined> {
    if (this.#signal.aborted) return undefined;
    const init =
      body === undefined ? {} : { method: 'POST', body, headers: { 'Content-Type': 'application/x-ndjson' } };
    const [route = ''] = path.split('?', 1);
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${this.#origin}${path}`, { ...init, signal: AbortSignal.timeout(answerMs) });
      text = await response.text();
    } catch (error) {
      if (!(error instanceof Error && error.name === 'TimeoutError')) throw error;
      this.#count(`none in ${answerMs / 1_000} s ${route}`);
      return undefined;
    }
    const reason = response.status === 503 && text.includes('"detail"') ? withReason : '';
    this.#count(response.ok ? `${response.status}` : `${response.status}${reason} ${route}`);
    return { code: response.status, body: text };
  }

  #count(answer: string): void {
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
  }

  async #pause(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#signal }).catch(() => undefined);
  }
}

/** Fact `i`: URLs in an order that spreads them over all domains, visitors of a hundred thousand, an edge in two hundred. */
function factOf(i: number): object {
  const visitor = `cookie:${(i * 7_919) % 100_000}`;
  if (i % 200 === 199) return { type: 'equiv', a: visitor, b: `user:${(i * 7_919) % 50_000}` };
  const page = (i * 611_953) % urls;
  return { type: 'pageview', visitor, url: `https://site${page % domains}.example/${page}` };
}

function sampleOf(pid: number, dataDir: string, second: number): Sample {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytesOf = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1_024;
  return {
    second,
    anonymousBytes: bytesOf('RssAnon'),
    mappedBytes: bytesOf('RssFile'),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
    logBytes: bytesIn(join(dataDir, 'log')),
    scratchBytes: ['status', 'jobs', 'locks', 'batch'].reduce(
      (sum, room) => sum + bytesIn(join(dataDir, room)),
      0,
    ),
    published: publishedIn(dataDir),
  };
}

function publishedIn(dataDir: string): number {
  return listRuns(dataDir).filter(({ outcome }) => outcome === 'published').length;
}

/** Of a process and its children that have ended. */
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ', 2)[1]?.split(' ') ?? [];
  const ticksPerSecond = 100; // of /proc on every Linux
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / ticksPerSecond;
}

/** Of all files in a folder; what goes meanwhile counts nothing. */
function bytesIn(dir: string): number {
  try {
    return readdirSync(dir, { withFileTypes: true }).reduce((sum, entry) => {
      const path = join(dir, entry.name);
      return (
        sum + (entry.isDirectory() ? bytesIn(path) : (statSync(path, { throwIfNoEntry: false })?.size ?? 0))
      );
    }, 0);
  } catch {
    return 0;
  }
}

/** By how much the least-squares line rises from its begin to its end, as a part of its mean; NaN of none. */
function riseOf(samples: readonly Sample[], value: (sample: Sample) => number): number {
  const meanOf = (of: (sample: Sample) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const at = meanOf(({ second }) => second);
  const mean = meanOf(value);
  const spread = samples.reduce((sum, { second }) => sum + (second - at) ** 2, 0);
  const slope =
    samples.reduce((sum, sample) => sum + (sample.second - at) * (value(sample) - mean), 0) / spread;
  return (slope * ((samples.at(-1)?.second ?? 0) - (samples[0]?.second ?? 0))) / mean;
}

function resultOf(
  load: Load,
  samples: readonly Sample[],
  {
    seconds,
    quick,
    dataDir,
    cpuSeconds,
  }: {
    readonly seconds: number;
    readonly quick: boolean;
    readonly dataDir: string;
    readonly cpuSeconds: number;
  },
): BenchResult {
  const half = samples.slice(samples.length >> 1);
  const judged = half.filter(({ published }) => published >= publishedBeforeJudged);
  const judgedSeconds = (judged.at(-1)?.second ?? 0) - (judged[0]?.second ?? 0);
  const rises = {
    anonymous: riseOf(judged, ({ anonymousBytes }) => anonymousBytes),
    mapped: riseOf(judged, ({ mappedBytes }) => mappedBytes),
    descriptors: riseOf(judged, ({ descriptors }) => descriptors),
    scratch: riseOf(judged, ({ scratchBytes }) => scratchBytes),
  };
  const fresh = load.freshMs.toSorted((a, b) => a - b);
  const p99 = fresh[Math.floor((fresh.length - 1) * 0.99)] ?? Infinity;
  const factsPerSecond = load.taken / seconds;
  const logLimit = logRunsKept * (runEveryMs / 1_000) * factsPerSecond * bytesOfAFact + 2 * segmentBytes;
  const logPeak = Math.max(...half.map(({ logBytes }) => logBytes));
  const errors = [...load.answers].filter(
    ([status]) => !status.startsWith('2') && !status.startsWith(`503${withReason}`),
  );
  const runs = listRuns(dataDir);
  const published = publishedIn(dataDir);
  const isProven = judgedSeconds >= minPartJudged * seconds;
  const isFlat = quick || (isProven && rises.anonymous <= maxRise && rises.descriptors <= maxRise);
  return {
    target: `second half: anonymous memory and descriptors rise <= ${maxRise * 100} %, log within retention; no error but 503 with a reason; fresh p99 < ${targetFreshMs} ms`,
    met:
      isFlat &&
      factsPerSecond >= 0.9 * 2 * nominalPerSecond &&
      logPeak <= logLimit &&
      errors.length === 0 &&
      published > 0 &&
      p99 < targetFreshMs,
    figures: {
      seconds,
      'facts/s': Math.round(factsPerSecond),
      'cores used': Math.round((cpuSeconds / seconds) * 100) / 100,
      'anonymous memory MiB, first': mebibytes(samples[0]?.anonymousBytes ?? 0),
      'anonymous memory MiB, last': mebibytes(samples.at(-1)?.anonymousBytes ?? 0),
      'anonymous memory MiB, most': mebibytes(
        Math.max(...samples.map(({ anonymousBytes }) => anonymousBytes)),
      ),
      'judged s': Math.round(judgedSeconds),
      'anonymous memory rise %': percent(rises.anonymous),
      'mapped files MiB, most': mebibytes(Math.max(...samples.map(({ mappedBytes }) => mappedBytes))),
      'mapped files rise %': percent(rises.mapped),
      'descriptors, most': Math.max(...samples.map(({ descriptors }) => descriptors)),
      'descriptors rise %': percent(rises.descriptors),
      'threads, most': Math.max(...samples.map(({ threads }) => threads)),
      'status, jobs, locks, batch rise %': percent(rises.scratch),
      'log MiB, most': mebibytes(logPeak),
      'log MiB, limit': mebibytes(logLimit),
      'batch runs published': published,
      'batch runs in all': runs.length,
      'fresh p50 ms': Math.round(fresh[fresh.length >> 1] ?? Infinity),
      'fresh p99 ms': Math.round(p99),
      answers: [...load.answers].map(([status, count]) => `${status}: ${count}`).join(', '),
    },
  };
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

function percent(part: number): number | string {
  return Number.isNaN(part) ? 'not judged' : Math.round(part * 1_000) / 10;
}
