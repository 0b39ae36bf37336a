/**
 * The parts that all answer bodies share: accuracy, freshness, range and rules around `data`. They are made here once, so that they mean the same for
 * all endpoints.
 */
import { relativeStandardError } from 'hyperloglog-ts';
import type { RulesVersions } from '../../facts/rules-versions.js';
import type { BucketRange, BucketWidth } from '../../lib/time/buckets.js';
import { bucketCount, coverOf, type CoverRun } from '../engine/cover.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import type { Tally } from '../engine/tally.js';
import type { LiveIdentity } from '../identity/live-identity.js';
import type { AnsweredRange, Explain, Freshness, LayerName, UniquesAccuracy } from '../bodies.js';
import { freshnessOf, type AnswerSource } from './freshness.js';
import type { SeriesQuestion } from '../question/series.js';
import type { TimeRange } from '../question/time-range.js';
import type { Table } from '../formats/table.js';

/** Two-sided z-score for 95 % confidence. */
const sigmas95 = 1.96;

/** The parts of an answer body besides `data` and `accuracy`. */
export interface Envelope {
  readonly freshness: Freshness;
  /** Only if the answer is from one layer. */
  readonly layer?: LayerName;
  readonly rules: RulesVersions;
}

type AnyBody = Readonly<Record<string, unknown>> & { readonly data: Readonly<Record<string, unknown>> };

export interface Answer<Body extends AnyBody = AnyBody> {
  /** The JSON body: one of `bodies`. */
  readonly body: Body;
  /** The same data as rows, for CSV and Arrow. */
  readonly table: Table;
  /** Cursor of the next page, which the body contains as well. */
  readonly next?: string | undefined;
}

export interface Count {
  readonly visitors: number;
  readonly lower: number;
  readonly upper: number;
  readonly exact: boolean;
}

export type Waiting = Pick<UniquesAccuracy, 'waitingExclusions'>;

/** How waiting edges have changed a count already, and by how much they can still change it. */
export type EdgeLimits = Pick<UniquesAccuracy, 'rewritten' | 'maxOvercount' | 'maxUndercount'>;

/**
 * The number of people in a tally, its 95 % confidence interval, and the effect of waiting edges on it. Each person has at least one pageview, so the
 * count never exceeds the pageviews.
 */
export function countOf(tally: Tally, identity: LiveIdentity): Count & EdgeLimits {
  const people = tally.people();
  const { union } = people;
  const { pageviews } = tally;
  const visitors = Math.min(Math.round(union.estimate()), pageviews);
  if (visitors === 0) return zeroCount;
  const { overcount, undercount, rewritten, mistaken } = identity.effectOn(people);
  const bounds = union.isExact ? { lower: visitors, upper: visitors } : union.bounds(sigmas95);
  const lower = Math.max(1, Math.min(Math.floor(bounds.lower), pageviews) - overcount);
  const upper = Math.min(Math.ceil(bounds.upper) + undercount + mistaken, pageviews);
  return {
    visitors,
    lower,
    upper,
    exact: union.isExact && mistaken === 0 && lower === upper,
    rewritten,
    maxOvercount: Math.min(overcount, visitors - 1),
    maxUndercount: Math.min(undercount, pageviews - visitors),
  };
}

const zeroCount = {
  visitors: 0,
  lower: 0,
  upper: 0,
  exact: true,
  rewritten: 0,
  maxOvercount: 0,
  maxUndercount: 0,
};

/** What the next batch run will change, apart from identities. */
export function waitingIn({ realtime }: Pick<PinnedGeneration, 'realtime'>): Waiting {
  return { waitingExclusions: realtime?.exclusionsAfterBatchCut ?? 0 };
}

/** The counting method and its error. */
export function methodOf({
  batch,
  realtime,
}: PinnedGeneration): Omit<UniquesAccuracy, keyof Count | keyof EdgeLimits> {
  const { lgK } = batch.meta;
  return {
    method: 'hyperloglog',
    lgK,
    relativeStandardError: round(relativeStandardError(lgK), 6),
    confidence: 0.95,
    ...waitingIn({ realtime }),
  };
}

/** @param earlierToo range of the answer and its earlier period together, for freshness */
export function envelopeOf(engine: Engine, source: AnswerSource): Envelope;
export function envelopeOf(
  engine: Engine,
  source: AnswerSource,
  time: TimeRange & { interval?: string | undefined },
  earlierToo?: BucketRange,
): Envelope & { readonly range: AnsweredRange };
export function envelopeOf(
  engine: Engine,
  source: AnswerSource,
  time?: TimeRange & { interval?: string | undefined },
  earlierToo?: BucketRange,
): Envelope {
  return {
    freshness: freshnessOf(engine, source, time === undefined ? undefined : (earlierToo ?? time.range)),
    ...(time === undefined ? {} : { range: rangeOf(time, engine.width) }),
    ...(source.layer === undefined ? {} : { layer: source.layer }),
    rules: source.batch.meta.rules,
  };
}

function rangeOf(
  { range, zone, interval }: TimeRange & { interval?: string | undefined },
  width: BucketWidth,
): AnsweredRange {
  return {
    from: width.show(range.from),
    to: width.show(range.to),
    hours: ((range.to - range.from) * width.minutes) / 60,
    bucketMinutes: width.minutes,
    tz: zone,
    ...(interval === undefined ? {} : { interval }),
  };
}

/** The buckets read for the whole range. */
export function explainOf({ range, subjects }: SeriesQuestion, tally: Tally, width: BucketWidth): Explain {
  const cover = coverOf(range, width);
  return {
    cover: cover.map((run) => ({
      span: run.span === 'base' ? width.name : run.span,
      ...edgesOf(run, width),
      buckets: run.to - run.from,
    })),
    coverBuckets: bucketCount(cover),
    subjects: subjects.length,
    batchBucketsRead: tally.batchBuckets,
    realtimeBucketsRead: tally.realtimeBuckets,
  };
}

function edgesOf({ span, from, to }: CoverRun, width: BucketWidth): { from: string; to: string } {
  return { from: width.show(width.basesOf(span, from).from), to: width.show(width.basesOf(span, to).from) };
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
