/**
 * Feeds made-up traffic into a sink. Simulated time starts in the past and runs `speedup` times as fast as the clock until it
 * has caught up with it, then at the clock's pace: so a newcomer gets hours of history in seconds and live events after.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../lib/clock.js';
import { SwaError } from '../lib/errors.js';
import { admit } from '../lib/facts/door.js';
import type { Fact } from '../lib/facts/fact.js';
import type { UrlRules } from '../lib/url/normalize.js';
import type { FactSink } from './fact-sinks.js';
import type { TrafficModel } from './traffic-model.js';

export interface GenerateOptions {
  readonly model: TrafficModel;
  readonly sink: FactSink;
  readonly urls: UrlRules;
  readonly clock: Clock;
  /** Simulated time to start at, UTC ms, not after the clock. */
  readonly startMs: number;
  /** Simulated seconds per second while behind the clock; Infinity for as fast as it goes. */
  readonly speedup: number;
  /** Ends after this many facts. */
  readonly maxFacts: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (facts: number, simulatedMs: number) => void;
}

const turnMs = 100;
const maxBatch = 2_000;

/** Resolves with the number of facts, all durable, when `maxFacts` is reached or `signal` aborts. */
export async function generate(options: GenerateOptions): Promise<number> {
  const begun = options.clock();
  let simulated = Math.floor(options.startMs / 1000) * 1000;
  let total = 0;
  while (total < options.maxFacts && !options.signal.aborted) {
    const now = options.clock();
    const until = Math.min(now, options.startMs + (now - begun) * options.speedup);
    while (simulated + 1000 <= until && total < options.maxFacts && !options.signal.aborted) {
      const facts: Fact[] = [];
      while (simulated + 1000 <= until && facts.length < maxBatch) {
        admitAll(options, simulated, facts);
        simulated += 1000;
      }
      const batch = facts.slice(0, options.maxFacts - total);
      await options.sink.append(batch);
      total += batch.length;
      options.onProgress?.(total, simulated);
    }
    if (total < options.maxFacts)
      await delay(turnMs, undefined, { signal: options.signal }).catch(() => undefined);
  }
  return total;
}

function admitAll(options: GenerateOptions, second: number, into: Fact[]): void {
  for (const candidate of options.model.step(second)) {
    const admission = admit(candidate, options.clock(), options.urls);
    if (!admission.ok)
      throw new SwaError('internal.invariant', `the generator made a bad fact: ${admission.reason}`);
    into.push(admission.fact);
  }
}
