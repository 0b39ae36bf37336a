/**
 * Row `soak`: whether anything grows over time. `swa start`, in its own process, takes twice the nominal 2,000 facts/s for 20 minutes: pageviews on a
 * million URLs of 300,000 domains (each URL recurs), and a few edges. As with many clients, requests are sent on schedule, even if earlier ones are
 * unanswered. Meanwhile there are slow readers of answers, constant questions, and a batch run per minute. Every second the process's memory, open
 * files and threads are read from /proc, and the sizes of rooms of the data directory (soak-samples.ts).
 *
 * Resident memory has two parts. Anonymous memory belongs to the process. Mapped files (realtime stores, the views it reads) are pages that the
 * kernel keeps while memory is free: their size follows the data, not the process. So only the first part is judged; both are reported.
 *
 * Criteria: anonymous memory and descriptors may rise by 5 % over the cycles of the second half (soak-judgement.ts); if the machine is so busy that
 * there are too few hand-overs, nothing is proven and the target is not met. The log may hold two segments more than the views left by the last batch
 * run need. No answer may be an error, except 503 with a reason. At least nine tenths of the load must be taken. An event must be visible within a
 * second (p99). The system must stop within 10 s. A quick run only shows that the row works: caches are still filling, so memory is not judged.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { systemClock } from '../lib/time/clock.js';
import { listRuns } from '../serving/batch-runs.js';
import type { BenchOptions, BenchResult } from './row.js';
import { isLevel, judge, maxRise, sumOf, type Rises } from './soak-judgement.js';
import { Sampler, type Sample } from './soak-samples.js';
import { dayAround, startSystem } from './started-system.js';

const nominalPerSecond = 2_000;
const urls = 1_000_000;
const domains = 300_000;
const factsInRequest = 400;
/** With more unanswered requests than this, requests that are due are skipped: the system did not take the load. */
const maxUnanswered = 32;
const slowReaders = 8;
const runEveryMs = 60_000;
const probeEveryMs = 500;
const answerMs = 30_000;
const targetFreshMs = 1_000;
const targetStopMs = 10_000;
const withReason = ' with a reason';
const segmentBytes = 16 * 2 ** 20;
/** One segment for the part of it that is needed, and one because partitions differ. */
const maxLogExcessBytes = 2 * segmentBytes;
/**
 * Records per partition; up to twice as many are remembered. It is full before the second half. The default of a million fills for longer than the
 * row runs, which would look like a leak.
 */
const dedupWindow = 200_000;

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
  let sampler: Sampler | undefined;
  let seen: Seen;
  let stopMs: number;
  try {
    sampler = await Sampler.open(pid, dataDir, dedupWindow);
    const load = new Load(origin, ending.signal);
    const samples: Sample[] = [];
    const began = performance.now();
    const elapsed = (): number => (performance.now() - began) / 1_000;
    const work = Promise.all([load.send(), load.askForRuns(), load.probe(), load.readSlowly()]);
    work.catch(() => ending.abort()); // thrown below
    while (elapsed() < seconds && !ending.signal.aborted) {
      if (system.hasEnded()) throw new Error(`the system ended after ${Math.round(elapsed())} s`);
      samples.push(await sampler.take(elapsed()));
      await sleep(1_000);
    }
    ending.abort();
    await work;
    const runs = listRuns(dataDir).map(({ outcome }) => outcome);
    seen = { load, samples, runs, cpuSeconds: cpuSecondsOf(pid) };
  } finally {
    ending.abort();
    await sampler?.close();
    stopMs = await system.stop();
  }
  return resultOf(seen, stopMs, { seconds, quick });
}

/** The load: everything that is requested of the system, and the outcomes. */
class Load {
  /** Number of acknowledged facts. */
  taken = 0;
  /** Number of answers by status; for refused and unanswered requests also by path, with 503 split by whether it gives a reason. */
  readonly answers = new Map<string, number>();
  readonly freshMs: number[] = [];
  readonly #origin: string;
  readonly #signal: AbortSignal;
  #probes = 0;

  constructor(origin: string, signal: AbortSignal) {
    this.#origin = origin;
    this.#signal = signal;
  }

  /** Sends on schedule; requests that could not be sent in time are skipped. */
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

  /** Sends a fact on a page of its own and measures the time until an answer counts it; also asks for a listing, as a dashboard does. */
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

  /** Clients that request a long listing and read hardly any of it. The system may disconnect them; they reconnect. */
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

/** Fact `i`: URLs in an order that spreads them over all domains, 100,000 visitors, one edge in 200. */
function factOf(i: number): object {
  const visitor = `cookie:${(i * 7_919) % 100_000}`;
  if (i % 200 === 199) return { type: 'equiv', a: visitor, b: `user:${(i * 7_919) % 50_000}` };
  const page = (i * 611_953) % urls;
  return { type: 'pageview', visitor, url: `https://site${page % domains}.example/${page}` };
}

/** CPU time of a process and its ended children. */
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ', 2)[1]?.split(' ') ?? [];
  const ticksPerSecond = 100; // on every Linux
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / ticksPerSecond;
}

interface Seen {
  readonly load: Load;
  readonly samples: readonly Sample[];
  /** Outcomes of the batch runs. */
  readonly runs: readonly string[];
  readonly cpuSeconds: number;
}

function resultOf(
  { load, samples, runs, cpuSeconds }: Seen,
  stopMs: number,
  { seconds, quick }: { readonly seconds: number; readonly quick: boolean },
): BenchResult {
  const judgement = judge(samples, seconds);
  const { anonymous, descriptors } = judgement;
  const isFlat = quick || (judgement.isProven && isLevel(anonymous) && isLevel(descriptors));
  const fresh = load.freshMs.toSorted((a, b) => a - b);
  const p99 = fresh[Math.floor((fresh.length - 1) * 0.99)] ?? Infinity;
  const factsPerSecond = load.taken / seconds;
  const most = (value: (sample: Sample) => number): number => Math.max(...samples.map(value));
  const logExcess = most(({ logExcessBytes }) => logExcessBytes ?? 0);
  const errors = [...load.answers].filter(
    ([status]) => !status.startsWith('2') && !status.startsWith(`503${withReason}`),
  );
  const published = runs.filter((outcome) => outcome === 'published').length;
  return {
    target: `second half: anonymous memory and descriptors rise <= ${maxRise * 100} %, log within retention; no error but 503 with a reason; fresh p99 < ${targetFreshMs} ms; stops in ${targetStopMs / 1_000} s`,
    met:
      isFlat &&
      factsPerSecond >= 0.9 * 2 * nominalPerSecond &&
      logExcess <= maxLogExcessBytes &&
      errors.length === 0 &&
      published > 0 &&
      p99 < targetFreshMs &&
      stopMs <= targetStopMs,
    figures: {
      seconds,
      'facts/s': Math.round(factsPerSecond),
      'cores used': Math.round((cpuSeconds / seconds) * 100) / 100,
      'judged s': Math.round(judgement.judgedSeconds),
      'judged cycles': judgement.cycles,
      'enough to judge': judgement.isProven ? 'yes' : 'no: too few hand-overs in the second half',
      'anonymous memory MiB, first': mebibytes(samples[0]?.anonymousBytes ?? 0),
      'anonymous memory MiB, last': mebibytes(samples.at(-1)?.anonymousBytes ?? 0),
      'anonymous memory MiB, most': mebibytes(most(({ anonymousBytes }) => anonymousBytes)),
      'anonymous memory rise %': percent(anonymous),
      'mapped files MiB, most': mebibytes(most(({ mappedBytes }) => mappedBytes)),
      'mapped files rise %': percent(judgement.mapped),
      'descriptors, most': most(({ descriptors: numbers }) => sumOf(numbers)),
      'descriptors rise %': percent(descriptors),
      'descriptors that rose': listed(judgement.risenDescriptors),
      'threads, most': most(({ threads }) => threads),
      'rooms that grew, KiB': listed(judgement.risenRooms),
      'log MiB, most': mebibytes(most(({ diskBytes }) => diskBytes['log'] ?? 0)),
      'log not needed MiB, most': mebibytes(logExcess),
      'log not needed MiB, limit': mebibytes(maxLogExcessBytes),
      'batch runs published': published,
      'batch runs in all': runs.length,
      'hand-overs': most(({ handOvers }) => handOvers),
      'fresh p50 ms': Math.round(fresh[fresh.length >> 1] ?? Infinity),
      'fresh p99 ms': Math.round(p99),
      'stopped in ms': Math.round(stopMs),
      answers: [...load.answers].map(([status, count]) => `${status}: ${count}`).join(', '),
    },
  };
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

function percent(rises: Rises): string {
  const parts = Object.entries(rises).map(([state, rise]) =>
    rise === undefined ? `not compared (${state})` : `${Math.round(rise * 1_000) / 10} (${state})`,
  );
  return parts.join(', ');
}

function listed(parts: readonly string[]): string {
  return parts.length === 0 ? 'none' : parts.join(', ');
}
