/**
 * Appends generated traffic to a sink. Simulated time starts in the past, runs `speedup` times as fast as the clock until it
 * has caught up, and then runs in real time. So a new system gets hours of history in seconds, followed by live events.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../lib/time/clock.js';
import { SwaError } from '../lib/errors/errors.js';
import { admit, type Warning } from '../facts/door.js';
import type { Fact } from '../facts/fact.js';
import type { UrlRules } from '../facts/url/normalize.js';
import { Appender } from './appender.js';
import type { FactSink } from './fact-sinks.js';
import type { TrafficModel } from './traffic-model.js';

export interface GenerateOptions {
  readonly model: TrafficModel;
  readonly sink: FactSink;
  readonly urls: UrlRules;
  readonly clock: Clock;
  /** Simulated time to start at, UTC ms, not after the clock. */
  readonly startMs: number;
  /** Simulated seconds per second while behind the clock; Infinity for as fast as possible. */
  readonly speedup: number;
  /** Ends after this many facts. */
  readonly maxFacts: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (facts: number, simulatedMs: number) => void;
  readonly onWarning?: (warning: Warning) => void;
}

const turnMs = 100;
/** Maximum number of facts between two checks of the signal. */
const maxSlice = 2_000;

/** Resolves with the number of facts when `maxFacts` is reached or `signal` aborts; all of them are durable. Throws the sink's errors. */
export async function generate(options: GenerateOptions): Promise<number> {
  const { clock, maxFacts, signal, startMs } = options;
  const begun = clock();
  let simulated = Math.floor(startMs / 1000) * 1000;
  let made = 0;
  let durable = 0;
  const appender = new Appender(options.sink, (facts) => (durable += facts));
  while (made < maxFacts && !signal.aborted) {
    const now = clock();
    const until = Math.min(now, startMs + (now - begun) * options.speedup);
    while (simulated + 1000 <= until && made < maxFacts && !signal.aborted) {
      const facts: Fact[] = [];
      while (simulated + 1000 <= until && facts.length < maxSlice) {
        admitAll(options, simulated, facts);
        simulated += 1000;
      }
      for (const fact of facts.slice(0, maxFacts - made)) {
        made++;
        if (appender.add(fact)) await appender.flush();
      }
      options.onProgress?.(durable, simulated);
    }
    await appender.drain();
    if (made < maxFacts) await delay(turnMs, undefined, { signal }).catch(() => undefined);
  }
  return durable;
}

function admitAll(options: GenerateOptions, second: number, into: Fact[]): void {
  for (const candidate of options.model.step(second)) {
    const admission = admit(candidate, options.clock(), options.urls);
    if (!admission.ok)
      throw new SwaError('internal.invariant', `the generator produced an invalid fact: ${admission.reason}`);
    for (const warning of admission.warnings) options.onWarning?.(warning);
    into.push(admission.fact);
  }
}
