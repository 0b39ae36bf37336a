/**
 * The word count topology with three delivery guarantees and four kinds of failure, in simulated time: the same
 * arguments always give the same run, to the last tuple.
 *
 *   sentences --shuffle--> split --fields(word)--> count --global--> latest
 *
 * A sentence of six words is a tree of thirteen tuples: the sentence, six words, six counts.
 */
import { seededRandom, TopologyBuilder } from '../../topology/index.js';
import type { Bolt, MetricsSnapshot } from '../../topology/index.js';
import { CountBolt } from './count-bolt.js';
import { FaultyBolt } from './faulty-bolt.js';
import type { Faults, SimulatedTime } from './faulty-bolt.js';
import { IdempotentCountBolt } from './idempotent-count-bolt.js';
import { LatestBolt } from './latest-bolt.js';
import { SentenceSpout } from './sentence-spout.js';
import { sentences, trueCounts } from './sentences.js';
import { SplitBolt } from './split-bolt.js';

export const deliveries = ['at-most-once', 'at-least-once', 'exactly-once'] as const;
export type Delivery = (typeof deliveries)[number];

export const failures = ['none', 'crash', 'fail', 'slow'] as const;
export type Failure = (typeof failures)[number];

export interface WordCountOptions {
  readonly delivery: Delivery;
  readonly failure: Failure;
  readonly sentences: number;
  readonly seed: number;
}

export interface WordCountResult {
  readonly counts: ReadonlyMap<string, number>;
  readonly trueCounts: ReadonlyMap<string, number>;
  /** Counters by component. */
  readonly metrics: ReadonlyMap<string, MetricsSnapshot>;
  readonly simulatedMs: number;
}

const healthy: Faults = { workMs: 0, slowUntilMs: 0, crashOneIn: 0, failOneIn: 0 };
const working: Faults = { ...healthy, workMs: 1 };

/** Faults of the split bolt and the count bolt for each kind of failure. */
const faultsOf: Readonly<Record<Failure, { readonly split: Faults; readonly count: Faults }>> = {
  none: { split: healthy, count: working },
  crash: { split: { ...healthy, crashOneIn: 50 }, count: working },
  fail: { split: healthy, count: { ...working, failOneIn: 50 } },
  slow: { split: healthy, count: { ...working, slowUntilMs: 10_000 } },
};

const messageTimeoutMs = 1000;
/** At most 150 pending words: they take 0.15 s to count, well within the timeout, but 1.5 s while counting is slow. */
const maxSpoutPending = 25;

export function runWordCount(options: WordCountOptions): WordCountResult {
  const { delivery, failure, seed } = options;
  const input = sentences(options.sentences);
  const tracked = delivery !== 'at-most-once';
  const random = seededRandom(seed);
  const faults = faultsOf[failure];
  const latest = new LatestBolt();
  const time: SimulatedTime = { nowMs: 0 };
  const faulty = (bolt: Bolt, kind: Faults): Bolt => new FaultyBolt(bolt, kind, random, time);
  const counter = (): Bolt => (delivery === 'exactly-once' ? new IdempotentCountBolt() : new CountBolt());

  const builder = new TopologyBuilder();
  builder.setSpout('sentences', () => new SentenceSpout(input, tracked));
  builder.setBolt('split', () => faulty(new SplitBolt(), faults.split), 2).shuffleGrouping('sentences');
  builder.setBolt('count', () => faulty(counter(), faults.count), 2).fieldsGrouping('split', ['word']);
  builder.setBolt('latest', () => latest).globalGrouping('count');
  const topology = builder.build({
    clock: () => time.nowMs,
    random,
    // Expected: the injected crashes. The engine has failed the tuple and counted the error.
    onError: () => {},
    messageTimeoutMs,
    maxSpoutPending,
    batch: 16,
  });
  topology.runUntilIdle();
  const metrics = topology.metrics();
  topology.close();
  return { counts: latest.counts, trueCounts: trueCounts(input), metrics, simulatedMs: time.nowMs };
}
