/**
 * What the answers of uniques and pageviews have in common: a range counted as a whole and by intervals. The total is counted separately, not added
 * up, since the people of two days may be the same.
 */
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import type { Pace } from '../engine/pace.js';
import type { BucketRange, BucketWidth } from '../../lib/time/buckets.js';
import type { Tally } from '../engine/tally.js';
import type { LiveIdentity } from '../identity/live-identity.js';
import type { Period } from '../engine/zone.js';
import { column, type Column } from '../formats/table.js';
import type { SeriesQuestion } from '../question/series.js';
import { explainOf, envelopeOf } from './answer.js';
import { Comparing, type Before, type Compared, type Figures } from './comparison.js';
import { emptinessOf } from './empty.js';

/** A question, and what it is answered with. */
export interface SeriesContext {
  readonly engine: Engine;
  readonly generation: PinnedGeneration;
  readonly question: SeriesQuestion;
  readonly pace: Pace;
}

export interface SeriesMeasure<T extends Figures<T>, Data, Accuracy> {
  readonly what: 'pageviews' | 'uniques';
  /** Joins visitor ids to people; only for `uniques`. */
  readonly identity?: LiveIdentity;
  /** Columns besides from, to and label. */
  readonly columns: readonly Column<keyof T & string>[];
  /** Whether the difference of two figures may be only error. */
  readonly overlap: (a: T, b: T) => boolean;
  /** Reads the figures of an interval from its tally. */
  readonly read: (tally: Tally) => T;
  /** Reads the whole range: its figures, the data of the answer, and its accuracy. */
  readonly summarize: (tally: Tally) => {
    readonly figures: T;
    readonly data: Data;
    readonly accuracy: Accuracy;
  };
}

export function seriesAnswer<T extends Figures<T>, Data, Accuracy>(
  context: SeriesContext,
  measure: SeriesMeasure<T, Data, Accuracy>,
) {
  const { engine, generation, question, pace } = context;
  const { columns, read, summarize, identity } = measure;
  const { width } = engine;
  const { earlier } = question;
  const earlierRange = earlier?.(question.range);
  const comparing = earlier === undefined ? undefined : new Comparing<T>(columns, measure.overlap, width);
  return engine.tallied(async (tally) => {
    for (const { from, to } of [question.range, earlierRange ?? question.range])
      await generation.realtime?.prefetch?.(question.subjects, from, to);
    /** The figures of the earlier period for a part of the range. */
    const before = async (part: BucketRange): Promise<Before<T> | undefined> => {
      const period = earlier?.(part);
      if (period === undefined) return undefined;
      await tallyUp(tally, context, period, measure.what);
      return { period, figures: read(tally) };
    };
    const series: Counted<T>[] = [];
    for (const period of question.periods) {
      await tallyUp(tally, context, period, measure.what);
      series.push({ period, figures: read(tally), before: await before(period) });
      if (pace.due) await pace.rest();
    }
    const beforeAll = await before(question.range);
    await tallyUp(tally, context, question.range, measure.what);
    const { figures: total, data, accuracy } = summarize(tally);
    const hasSeries = question.interval !== undefined;
    const whole = { period: { ...question.range, label: '' }, figures: total, before: beforeAll };
    const counted = hasSeries ? series : [whole];
    const compareOf = ({ figures, before: other }: Counted<T>): { compare?: Compared<T> | null } =>
      comparing === undefined ? {} : { compare: comparing.body(figures, other) };
    return {
      body: {
        data: {
          ...question.names,
          ...data,
          ...compareOf(whole),
          ...(tally.pageviews === 0 ? await emptinessOf(engine, generation, question.subjects, pace) : {}),
          ...(hasSeries
            ? { series: series.map((each) => ({ ...entryOf(each, width), ...compareOf(each) })) }
            : {}),
        },
        accuracy,
        ...envelopeOf(engine, generation, question, {
          from: Math.min(question.range.from, earlierRange?.from ?? Infinity),
          to: question.range.to,
        }),
        ...(question.explain ? { explain: explainOf(question, tally, width) } : {}),
      },
      table: {
        columns: [
          column('from', 'time'),
          column('to', 'time'),
          column('label', 'text'),
          ...columns,
          ...(comparing?.columns ?? []),
        ],
        rows: counted.map(({ period, figures, before: other }) => [
          period.from * width.ms,
          period.to * width.ms,
          period.label,
          ...columns.map(({ name }) => figures[name]),
          ...(comparing?.cells(figures, other) ?? []),
        ]),
      },
    };
  }, identity);
}

interface Interval {
  readonly from: string;
  readonly to: string;
  readonly label: string;
}

interface Counted<T> {
  readonly period: Period;
  readonly figures: T;
  readonly before: Before<T> | undefined;
}

function entryOf<T>({ period, figures }: Counted<T>, width: BucketWidth): T & Interval {
  return { from: width.show(period.from), to: width.show(period.to), label: period.label, ...figures };
}

/** Resets the tally and fills it with the facts of all subjects in a range: their union. */
export async function tallyUp(
  tally: Tally,
  { generation, question, pace }: Omit<SeriesContext, 'engine'>,
  range: BucketRange,
  what: 'pageviews' | 'uniques',
): Promise<void> {
  tally.reset();
  for (const subject of question.subjects) await tally.add(generation, subject, range, what, pace);
}
