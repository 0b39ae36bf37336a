/**
 * The body of every answer: `data` and, around it, how sure and how fresh it is. The blocks are made here once, so that
 * all endpoints mean the same by them.
 */
import { relativeStandardError } from 'hyperloglog-ts';
import { z } from 'zod';
import { sameRules, type RulesVersions } from '../../facts/rules.js';
import type { Cut } from '../../log/log.js';
import { hoursOf } from '../../lib/time/buckets.js';
import { bucketCount, coverOf, type CoverRun } from '../engine/cover.js';
import type { Engine } from '../engine/engine.js';
import type { Generation } from '../engine/generations.js';
import type { Tally } from '../engine/tally.js';
import type { EdgeBounds } from '../identity/edge-bounds.js';
import { show, type SeriesQuestion, type TimeRange } from '../question.js';
import type { Table } from '../formats/table.js';

/** z for 95 % of a normal distribution, both sides. */
const sigmas95 = 1.96;
/** An answer whose cut reached the log's end this long ago still counts as complete. */
const completeWithinMs = 5_000;

const cutSchema = z.record(z.string(), z.number()).describe('Next offset of every topic partition.');
const instantSchema = z.string().describe('RFC 3339, UTC.');

export const uniquesAccuracySchema = z.object({
  method: z.literal('hyperloglog'),
  lgK: z.number(),
  relativeStandardError: z.number(),
  confidence: z.literal(0.95),
  lower: z.number(),
  upper: z.number(),
  exact: z
    .boolean()
    .describe(
      'The number is the count itself, but for odds below 1 in 10,000: no more than 201 people, and no edge after the batch cut can change it.',
    ),
  maxOvercount: z
    .number()
    .describe(
      'By how much equiv facts after the batch cut can lower this number at most: people it may count who may turn out to be one. `lower` allows for it.',
    ),
  maxUndercount: z
    .number()
    .describe(
      'By how much retractions after the batch cut can raise this number at most: people it may count who may turn out to be several. `upper` allows for it.',
    ),
});

export const countAccuracySchema = z.object({
  method: z.literal('count'),
  exact: z
    .literal(true)
    .describe(
      'Counted, not estimated. A repeat that comes more than SWA_DEDUP_WINDOW records of its log partition after what it repeats counts again until the next batch run.',
    ),
});

export const freshnessSchema = z.object({
  generation: z.string(),
  batch: z.object({ cut: cutSchema, createdAt: instantSchema }),
  realtime: z
    .object({
      cut: cutSchema,
      lastReceivedAt: instantSchema.nullable(),
      deadLetters: z.number(),
      lagRecords: z.number().nullable(),
      lagMs: z.number().nullable().describe('Every fact durable this long ago is in the answer.'),
    })
    .nullable()
    .describe(
      'null where the answer is the batch view alone: always that of the bounce rate, others while the speed layer does not serve, or the batch view was made by other rules.',
    ),
  complete: z
    .boolean()
    .describe(`Every fact durable ${completeWithinMs} ms ago is in the answer, counted by the rules of now.`),
  incompleteReason: z
    .enum(['other-rules', 'behind'])
    .nullable()
    .describe(
      'other-rules: the batch view was made by other rules than new facts are counted by (an upgrade, SWA_URL_QUERY_ALLOW, SWA_BOTS), so it answers alone until the run that makes a new one has ended. behind: facts are missing, or how many is not known. null when complete.',
    ),
});

export const rangeSchema = z.object({
  from: instantSchema,
  to: instantSchema,
  hours: z.number(),
  tz: z.string(),
  interval: z.string().optional(),
});

export const explainSchema = z.object({
  cover: z.array(z.object({ span: z.string(), from: instantSchema, to: instantSchema, buckets: z.number() })),
  coverBuckets: z.number(),
  subjects: z.number(),
  batchBucketsRead: z.number(),
  realtimeHoursRead: z.number(),
});

export type UniquesAccuracy = z.infer<typeof uniquesAccuracySchema>;
export type Freshness = z.infer<typeof freshnessSchema>;
export type Explain = z.infer<typeof explainSchema>;

/** What an endpoint says about itself besides data. */
export interface Frame {
  readonly freshness: Freshness;
  readonly range?: z.infer<typeof rangeSchema>;
  readonly rules: RulesVersions;
}

export interface Answer {
  /** As JSON. */
  readonly body: Readonly<Record<string, unknown>> & { readonly data: Readonly<Record<string, unknown>> };
  /** The same as rows, for CSV and Arrow. */
  readonly table: Table;
}

export interface Count {
  readonly visitors: number;
  readonly lower: number;
  readonly upper: number;
  readonly exact: boolean;
}

/** By how much edges that wait can change a number. */
export type EdgeLimits = Pick<UniquesAccuracy, 'maxOvercount' | 'maxUndercount'>;

/**
 * The number of people in a tally, the interval that holds the truth with 95 % confidence, and the part that edges have
 * in it. Whoever counts has viewed a page, so there are never more people than pageviews, whatever is estimated.
 */
export function countOf({ union, pageviews }: Tally, edges: EdgeBounds): Count & EdgeLimits {
  const people = union.estimate();
  const visitors = Math.min(Math.round(people), pageviews);
  if (visitors === 0) return nobody;
  const { overcount, undercount } = edges.slackOf(union, people);
  const bounds = union.isExact ? { lower: visitors, upper: visitors } : union.bounds(sigmas95);
  const lower = Math.max(1, Math.min(Math.floor(bounds.lower), pageviews) - overcount);
  const upper = Math.min(Math.ceil(bounds.upper) + undercount, pageviews);
  return {
    visitors,
    lower,
    upper,
    exact: union.isExact && lower === upper,
    maxOvercount: Math.min(overcount, visitors - 1),
    maxUndercount: Math.min(undercount, pageviews - visitors),
  };
}

const nobody = { visitors: 0, lower: 0, upper: 0, exact: true, maxOvercount: 0, maxUndercount: 0 };

/** How people are counted. */
export function methodOf({
  batch,
}: Generation): Pick<UniquesAccuracy, 'confidence' | 'lgK' | 'method' | 'relativeStandardError'> {
  const { lgK } = batch.meta;
  return {
    method: 'hyperloglog',
    lgK,
    relativeStandardError: round(relativeStandardError(lgK), 6),
    confidence: 0.95,
  };
}

/** What an answer was computed from: without a realtime view, the batch view alone. */
type Used = Pick<Generation, 'batch' | 'realtime'>;

export function frameOf(
  engine: Engine,
  used: Used,
  time?: TimeRange & { interval?: string | undefined },
): Frame {
  return {
    freshness: freshnessOf(engine, used),
    ...(time === undefined ? {} : { range: rangeOf(time) }),
    rules: used.batch.meta.rules,
  };
}

export function freshnessOf(engine: Engine, { batch, realtime }: Used): Freshness {
  const base = {
    generation: batch.meta.id,
    batch: { cut: cutOf(batch.meta.cut), createdAt: instant(batch.meta.createdAt) },
  };
  const lag = engine.lag.lagOf(realtime?.cut ?? batch.meta.cut);
  const lagMs = lag?.throughAgoMs === undefined ? null : Math.round(lag.throughAgoMs);
  const isBehind = lagMs === null || lagMs > completeWithinMs;
  const isOfOtherRules = !sameRules(batch.meta.rules, engine.rules);
  const incompleteReason = isOfOtherRules ? 'other-rules' : isBehind ? 'behind' : null;
  return {
    ...base,
    realtime:
      realtime === undefined
        ? null
        : {
            cut: cutOf(realtime.cut),
            lastReceivedAt: realtime.lastReceivedAt === undefined ? null : instant(realtime.lastReceivedAt),
            deadLetters: realtime.deadLetters,
            lagRecords: lag?.records ?? null,
            lagMs,
          },
    complete: incompleteReason === null,
    incompleteReason,
  };
}

function rangeOf({
  range,
  zone,
  interval,
}: TimeRange & { interval?: string | undefined }): z.infer<typeof rangeSchema> {
  return {
    from: show(range.from),
    to: show(range.to),
    hours: range.to - range.from,
    tz: zone,
    ...(interval === undefined ? {} : { interval }),
  };
}

/** Which buckets the whole range took. */
export function explainOf(question: SeriesQuestion, tally: Tally): Explain {
  const cover = coverOf(question.range.from, question.range.to);
  return {
    cover: cover.map((run) => ({ span: run.span, ...edgesOf(run), buckets: run.to - run.from })),
    coverBuckets: bucketCount(cover),
    subjects: question.subjects.length,
    batchBucketsRead: tally.batchBuckets,
    realtimeHoursRead: tally.realtimeHours,
  };
}

function edgesOf(run: CoverRun): { from: string; to: string } {
  return { from: show(hoursOf(run.span, run.from).from), to: show(hoursOf(run.span, run.to).from) };
}

function cutOf(cut: Cut): Record<string, number> {
  return { ...cut.next };
}

function instant(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
