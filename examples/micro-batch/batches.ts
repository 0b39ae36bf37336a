/**
 * Compares one-at-a-time processing with micro-batches, using real durable commits: a worker counts views of pages and
 * commits its counts with its position after every batch. A batch's events share the cost of one commit, but each event
 * waits for the rest of its batch.
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

export interface BatchRule {
  readonly maxEvents: number;
  /**
   * A batch that is not full is closed this long after its first event; 0 takes what is waiting without further delay.
   */
  readonly maxWaitMs: number;
}

interface Event {
  readonly page: string;
  readonly arrivedMs: number;
}

/** The worker's counts and the file it commits them to. */
class Counter {
  readonly counts = new Map<string, number>();
  readonly #fd: number;
  #position = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'w');
  }

  /** Counts a batch, then commits counts and position together. */
  apply(batch: readonly Event[]): void {
    const changed = new Set<string>();
    for (const { page } of batch) {
      this.counts.set(page, (this.counts.get(page) ?? 0) + 1);
      changed.add(page);
    }
    this.#position += batch.length;
    const record = {
      position: this.#position,
      counts: [...changed].map((page) => [page, this.counts.get(page)]),
    };
    writeSync(this.#fd, `${JSON.stringify(record)}\n`);
    fdatasyncSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Events per second under full load, measured over `durationMs`. */
export function throughputOf(rule: BatchRule, path: string, durationMs: number): number {
  const counter = new Counter(path);
  const startedMs = performance.now();
  let done = 0;
  while (performance.now() - startedMs < durationMs) {
    counter.apply(Array.from({ length: rule.maxEvents }, (_, i) => eventAt(done + i)));
    done += rule.maxEvents;
  }
  const seconds = (performance.now() - startedMs) / 1000;
  counter.close();
  return done / seconds;
}

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Measures the time from an event's arrival to its commit, with one event arriving every `everyMs`. */
export async function latencyOf(
  rule: BatchRule,
  path: string,
  events: number,
  everyMs: number,
): Promise<Latency> {
  const counter = new Counter(path);
  const latencies: number[] = [];
  const startedMs = performance.now();
  let arrived = 0;
  let waiting: Event[] = [];
  while (latencies.length < events) {
    const due = Math.min(events, Math.floor((performance.now() - startedMs) / everyMs) + 1);
    for (; arrived < due; arrived++)
      waiting.push({ ...eventAt(arrived), arrivedMs: startedMs + arrived * everyMs });
    const [first] = waiting;
    const isDue =
      first !== undefined &&
      (waiting.length >= rule.maxEvents ||
        arrived === events ||
        performance.now() - first.arrivedMs >= rule.maxWaitMs);
    if (isDue) {
      const batch = waiting.slice(0, rule.maxEvents);
      waiting = waiting.slice(rule.maxEvents);
      counter.apply(batch);
      for (const { arrivedMs } of batch) latencies.push(performance.now() - arrivedMs);
    } else {
      await setTimeout(1);
    }
  }
  counter.close();
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}

function eventAt(i: number): Event {
  return { page: `/page-${(i * 7) % 50}`, arrivedMs: performance.now() };
}
