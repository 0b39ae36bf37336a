/**
 * Follows the end of the log for queries about people now. It costs nothing without queries: the first one starts it some records before the end
 * of the log, far enough back to cover the last minutes, and it stops some time after the last query. So nothing is stored, and a restart loses
 * nothing.
 *
 * Most records of an import are old: their times are read without decoding them (facts/plain-pageview.ts).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { hashedFields, PlainPageview, recordsFrom } from '../../facts/plain-pageview.js';
import { decodeRecord } from '../../facts/record.js';
import type { Clock } from '../../lib/time/clock.js';
import { HttpProblem } from '../../lib/http/problem.js';
import { hashBytes, KeyedHash, slackBytes, type HashKernels } from '../../lib/memory/keyed-hash.js';
import { namesOf, reaches, readableEnd } from '../../log/cut.js';
import {
  offset,
  parsePartitionName,
  type Log,
  type LogId,
  type LogReader,
  type Offset,
  type Offsets,
  type PartitionName,
  type RecordBatch,
} from '../../log/log.js';
import { maxMinutes, RecentPageviews, type CountingRules } from './recent-pageviews.js';

/** The state of the tail at one moment. */
export interface Recent {
  readonly views: RecentPageviews;
  readonly logId: LogId;
  /** The pageviews before these positions have been read. */
  readonly next: Partial<Offsets>;
  /** Latest `receivedAt` read, UTC ms; undefined if none. */
  readonly lastReceivedAt: number | undefined;
}

export interface RecentSource {
  /**
   * Waits until everything that was in the log at the start has been read, but only for a limited time. Throws `not-ready` if the log cannot be
   * read.
   */
  recent(): Promise<Recent>;
}

/** For use without a log. */
export const nothingRecent: RecentSource = {
  recent: () => Promise.reject(new HttpProblem('not-ready', 'the log is not read here')),
};

export interface LogTailOptions {
  readonly open: () => Promise<Log>;
  readonly rules: CountingRules;
  readonly clock: Clock;
  /** Time after the last query at which it stops, in milliseconds. */
  readonly idleMs?: number;
  readonly maxViews?: number;
}

/** Numbers of records before the end of each partition at which to start: the first one that goes back far enough, otherwise the last one. */
const stepsBack = [4_096, 32_768, 262_144];
/** Maximum disorder of arrival times: several collectors have different clocks. */
const disorderMs = 60_000;
const recordsAtOnce = 2_048;
/** Maximum time that a query waits for the first records to be read. */
const patienceMs = 2_000;
/** Longer records are decoded. */
const longestPlain = 16_384;

export class LogTail implements RecentSource {
  readonly #options: LogTailOptions;
  readonly #idleMs: number;
  #run: Run | undefined;
  #isClosed = false;

  constructor(options: LogTailOptions) {
    this.#options = options;
    this.#idleMs = options.idleMs ?? 600_000;
  }

  async recent(): Promise<Recent> {
    const run = (this.#run ??= this.#begin());
    run.askedAt = performance.now();
    if (!run.hasCaughtUp) await Promise.race([run.ready, delay(patienceMs, undefined, { ref: false })]);
    const { views, logId, next, lastReceivedAt, failure } = run;
    if (failure !== undefined || logId === undefined) {
      throw new HttpProblem('not-ready', 'the log cannot be read right now; try again', {
        cause: failure?.error,
        headers: { 'Retry-After': '1' },
      });
    }
    views.prune(this.#options.clock());
    return { views, logId, next: { ...next }, lastReceivedAt };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#run?.ending.abort();
    await this.#run?.done;
  }

  #begin(): Run {
    const run = new Run(this.#options);
    run.done = this.#follow(run);
    return run;
  }

  /** Resolves when the run has ended, for whatever reason; the next query starts a new one. */
  async #follow(run: Run): Promise<void> {
    try {
      await run.follow(() => this.#isClosed || performance.now() - run.askedAt > this.#idleMs);
    } catch (error) {
      run.failure = { error };
    }
    if (this.#run === run) this.#run = undefined;
    run.isReady();
  }
}

/** One run, from start to stop. */
class Run {
  readonly views: RecentPageviews;
  readonly ending = new AbortController();
  readonly next: Partial<Record<PartitionName, Offset>> = {};
  /** Resolves when it has caught up, or ended. */
  readonly ready: Promise<void>;
  isReady: () => void = () => undefined;
  askedAt = performance.now();
  logId: LogId | undefined;
  hasCaughtUp = false;
  lastReceivedAt: number | undefined;
  failure: { readonly error: unknown } | undefined;
  done: Promise<void> = Promise.resolve();
  readonly #options: LogTailOptions;
  readonly #times = new RecordTimes();

  constructor(options: LogTailOptions) {
    this.#options = options;
    this.views = new RecentPageviews(options.rules, options.maxViews);
    this.ready = new Promise((resolve) => (this.isReady = resolve));
  }

  /** Throws errors of the log. */
  async follow(isOver: () => boolean): Promise<void> {
    const log = await this.#options.open();
    try {
      const end = await readableEnd(log);
      const reader = await this.#openReader(log, end);
      try {
        this.logId = log.id;
        const pageviewsEnd = onlyPageviews(end);
        while (!isOver()) {
          if (!this.hasCaughtUp && reaches(this.next, pageviewsEnd)) {
            this.hasCaughtUp = true;
            this.isReady();
          }
          const batches = await reader.next({
            maxRecords: recordsAtOnce,
            timeoutMs: 1_000,
            signal: this.ending.signal,
          });
          const nowMs = this.#options.clock();
          for (const batch of batches) this.#take(batch, nowMs);
          this.views.prune(nowMs);
          await nextTurn();
        }
      } finally {
        await reader.close();
      }
    } finally {
      await log.close();
    }
  }

  /** Opens a reader that starts far enough back, and sets the time from which everything is covered. */
  async #openReader(log: Log, end: Offsets): Promise<LogReader> {
    const earliest = await log.earliest();
    const since = this.#options.clock() - maxMinutes * 60_000 - disorderMs;
    for (const [i, step] of stepsBack.entries()) {
      const isLast = i === stepsBack.length - 1;
      const from = Object.fromEntries(
        namesOf(onlyPageviews(end)).map((name) => [
          name,
          offset(Math.max(earliest[name] ?? 0, (end[name] ?? 0) - step)),
        ]),
      ) as Partial<Offsets>; // the partitions of `end`
      const coveredFrom = await this.#coveredFrom(log, from, end);
      const isAtStart = reaches(earliest, from);
      if (coveredFrom > since && !isAtStart && !isLast) continue;
      this.views.startAt(coveredFrom <= since ? -Infinity : coveredFrom + disorderMs);
      Object.assign(this.next, from);
      return log.openReader({ from, consumer: 'people now' });
    }
    throw new Error('the last step back is taken');
  }

  /** Arrival of the first record read in each partition, the latest of them; -Infinity if whole partitions are read. */
  async #coveredFrom(log: Log, from: Partial<Offsets>, end: Offsets): Promise<number> {
    let latest = -Infinity;
    for (const name of namesOf(from)) {
      const first = from[name] ?? offset(0);
      if (first === 0 || first >= (end[name] ?? 0)) continue;
      const reader = await log.openReader({ from: { [name]: first }, consumer: 'people now, start' });
      try {
        const batches = await reader.next({
          maxRecords: recordsAtOnce,
          timeoutMs: 1_000,
          signal: this.ending.signal,
        });
        latest = Math.max(latest, this.#arrivalIn(batches));
      } finally {
        await reader.close();
      }
    }
    return latest;
  }

  /** Arrival time of the first valid record; Infinity if all are erased or were written by a foreign producer and are not facts. */
  #arrivalIn(batches: readonly RecordBatch[]): number {
    for (const { topic, values } of batches) {
      for (const value of values) {
        const fact = decodeRecord(value, topic);
        if (fact.type !== 'invalid') return fact.receivedAt;
      }
    }
    return Infinity;
  }

  #take({ topic, name, values, nextOffset }: RecordBatch, nowMs: number): void {
    const since = nowMs - maxMinutes * 60_000;
    for (const value of values) {
      const times = this.#times;
      if (times.read(value)) {
        this.#received(times.receivedAt);
        if (times.timestamp < since || times.receivedAt < since) continue;
      }
      const fact = decodeRecord(value, topic);
      if (fact.type === 'invalid') continue;
      this.#received(fact.receivedAt);
      if (fact.type === 'pageview') this.views.add(fact, nowMs);
    }
    this.next[name] = nextOffset;
  }

  #received(at: number): void {
    if (at > (this.lastReceivedAt ?? -1)) this.lastReceivedAt = at;
  }
}

/** Reads the times of a record in our own encoder's form, without decoding it. */
class RecordTimes {
  readonly #kernels: HashKernels = new KeyedHash().kernels(recordAt + longestPlain + slackBytes);
  readonly #plain = new PlainPageview(this.#kernels);

  /** False says nothing about the record. */
  read(value: Uint8Array): boolean {
    if (value.length > longestPlain) return false;
    this.#kernels.bytes.set(value, recordAt);
    return this.#plain.read(recordAt, recordAt + value.length, recordsFrom);
  }

  get timestamp(): number {
    return this.#plain.timestamp;
  }

  get receivedAt(): number {
    return this.#plain.receivedAt;
  }
}

/** After the hashes, which are not used here. */
const recordAt = recordsFrom + hashedFields.length * hashBytes;

function onlyPageviews(offsets: Offsets): Partial<Offsets> {
  const entries = Object.entries(offsets) as [PartitionName, Offsets[PartitionName]][];
  return Object.fromEntries(entries.filter(([name]) => parsePartitionName(name).topic === 'pageviews'));
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
