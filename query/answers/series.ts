/**
 * A range counted once as a whole and once by its intervals: what the answers of uniques and pageviews have in common.
 * The total is counted by itself, never added up: people of two days may be the same.
 */
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import type { Pace } from '../engine/pace.js';
import type { BucketRange, BucketWidth } from '../../lib/time/buckets.js';
import type { Tally } from '../engine/tally.js';
import type { LiveIdentity } from '../identity/live-identity.js';
import type { Period } from '../engine/zone.js';
import { column, type Cell, type Column } from '../formats/table.js';
import type { SeriesQuestion } from '../question.js';
import { explainOf, frameOf } from './answer.js';
import { emptinessOf } from './empty.js';

/** Who asks what of which generation. */
export interface Asking {
  readonly engine: Engine;
  readonly generation: PinnedGeneration;
  readonly question: SeriesQuestion;
  readonly pace: Pace;
}

/** Figures by the names of the columns they stand in. */
type Figures<T> = Readonly<Record<keyof T, Cell>>;

export interface Counting<T extends Figures<T>, Data, Accuracy> {
  readonly what: 'pageviews' | 'uniques';
  /** How people are told apart. */
  readonly identity?: LiveIdentity;
  /** Besides from, to and label. */
  readonly columns: readonly Column<keyof T & string>[];
  /** The figures of an interval, once everything is in the tally. */
  readonly read: (tally: Tally) => T;
  /** Those of the whole range, which of them are the answer itself, and how sure it is. */
  readonly sumUp: (tally: Tally) => {
    readonly figures: T;
    readonly data: Data;
    readonly accuracy: Accuracy;
  };
}

export function seriesAnswer<T extends Figures<T>, Data, Accuracy>(
  asking: Asking,
  counting: Counting<T, Data, Accuracy>,
) {
  const { engine, generation, question, pace } = asking;
  const { columns, read, sumUp, identity } = counting;
  const { width } = engine;
  return engine.tallied(async (tally) => {
    await generation.realtime?.prefetch?.(question.subjects, question.range.from, question.range.to);
    const series: Counted<T>[] = [];
    for (const period of question.periods) {
      await tallyUp(tally, asking, period, counting.what);
      series.push({ period, figures: read(tally) });
      if (pace.due) await pace.rest();
    }
    await tallyUp(tally, asking, question.range, counting.what);
    const { figures: total, data, accuracy } = sumUp(tally);
    const hasSeries = question.interval !== undefined;
    const counted = hasSeries ? series : [{ period: { ...question.range, label: '' }, figures: total }];
    return {
      body: {
        data: {
          ...question.asked,
          ...data,
          ...(tally.pageviews === 0 ? await emptinessOf(engine, generation, question.subjects, pace) : {}),
          ...(hasSeries ? { series: series.map((each) => entryOf(each, width)) } : {}),
        },
        accuracy,
        ...frameOf(engine, generation, question),
        ...(question.explain ? { explain: explainOf(question, tally, width) } : {}),
      },
      table: {
        columns: [column('from', 'time'), column('to', 'time'), column('label', 'text'), ...columns],
        rows: counted.map(({ period, figures }) => [
          period.from * width.ms,
          period.to * width.ms,
          period.label,
          ...columns.map(({ name }) => figures[name]),
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
}

function entryOf<T>({ period, figures }: Counted<T>, width: BucketWidth): T & Interval {
  return { from: width.show(period.from), to: width.show(period.to), label: period.label, ...figures };
}

/** Leaves in the tally every subject's facts of a range and nothing else: the union over pages. */
export async function tallyUp(
  tally: Tally,
  { generation, question, pace }: Omit<Asking, 'engine'>,
  range: BucketRange,
  what: 'pageviews' | 'uniques',
): Promise<void> {
  tally.reset();
  for (const subject of question.subjects) await tally.add(generation, subject, range, what, pace);
}
