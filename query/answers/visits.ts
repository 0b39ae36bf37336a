/**
 * Visits of a domain, counted in the bucket in which they began. From the batch layer alone; the speed layer does not know visits. All figures are
 * sums, or sums divided by the number of visits, so the sums of adjacent ranges can be added.
 */
import type { BatchView, VisitCell } from '../../facts/views/view.js';
import type { BucketRange } from '../../lib/time/buckets.js';
import type { Bodies } from '../bodies.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import type { Period } from '../engine/zone.js';
import { column } from '../formats/table.js';
import type { SeriesQuestion } from '../question/series.js';
import { envelopeOf, round, waitingIn, type Answer } from './answer.js';
import { Comparing, type Before, type Compared } from './comparison.js';

export interface VisitsQuestion extends Pick<
  SeriesQuestion,
  'range' | 'zone' | 'interval' | 'periods' | 'earlier'
> {
  readonly domain: string;
}

export type VisitSums = Omit<VisitCell, 'bucket'>;

export function visits(
  engine: Engine,
  { batch, realtime }: PinnedGeneration,
  question: VisitsQuestion,
): Answer<Bodies['visits']> {
  const { domain, range, interval, periods, earlier } = question;
  const { width } = engine;
  const comparing = earlier === undefined ? undefined : new Comparing<Figures>(figureColumns, isEqual, width);
  const earlierRange = earlier?.(range);
  const cells = cellsIn(batch, domain, range);
  const earlierCells = earlierRange === undefined ? [] : cellsIn(batch, domain, earlierRange);
  const counted = (period: Period): Counted => {
    const before = earlier?.(period);
    return {
      period,
      figures: figuresIn(cells, period),
      before: before && { period: before, figures: figuresIn(earlierCells, before) },
    };
  };
  const whole = counted({ ...range, label: '' });
  const series = periods.map(counted);
  const compareOf = ({ figures, before }: Counted): { compare?: Compared<Figures> | null } =>
    comparing === undefined ? {} : { compare: comparing.body(figures, before) };
  const entries = series.map((entry) => ({
    from: width.show(entry.period.from),
    to: width.show(entry.period.to),
    label: entry.period.label,
    ...entry.figures,
    ...compareOf(entry),
  }));
  return {
    body: {
      data: {
        domain,
        ...whole.figures,
        ...compareOf(whole),
        ...throughOf(batch, whole.figures),
        ...(interval === undefined ? {} : { series: entries }),
      },
      accuracy: { method: 'count', exact: true, ...waitingIn({ realtime }) },
      ...envelopeOf(engine, { batch, realtime: undefined }, question, {
        from: Math.min(range.from, earlierRange?.from ?? Infinity),
        to: range.to,
      }),
    },
    table: {
      columns: [
        column('from', 'time'),
        column('to', 'time'),
        column('label', 'text'),
        ...figureColumns,
        ...(comparing?.columns ?? []),
      ],
      rows: (interval === undefined ? [whole] : series).map(({ period, figures, before }) => [
        period.from * width.ms,
        period.to * width.ms,
        period.label,
        ...figureColumns.map(({ name }) => figures[name]),
        ...(comparing?.cells(figures, before) ?? []),
      ]),
    },
  };
}

interface Counted {
  readonly period: Period;
  readonly figures: Figures;
  readonly before: Before<Figures> | undefined;
}

/** Sums over the visits of a domain that began in a range. */
export function visitsIn(batch: BatchView, domain: string, range: BucketRange): VisitSums {
  return sumOf(cellsIn(batch, domain, range));
}

/** Until when visits are known, and why there are none. */
export function throughOf(
  batch: BatchView,
  { visits: count }: Pick<VisitSums, 'visits'>,
): { readonly through: string; readonly emptyReason?: string } {
  const through = new Date(batch.meta.createdAt).toISOString();
  return count === 0 ? { through, emptyReason: 'no-visits-in-range' } : { through };
}

/** `part` divided by the number of visits; null if there are none. */
export function rateOf(part: number, { visits: count }: Pick<VisitSums, 'visits'>): number | null {
  return count === 0 ? null : round(part / count, 6);
}

function cellsIn(batch: BatchView, domain: string, { from, to }: BucketRange): VisitCell[] {
  const cells: VisitCell[] = [];
  batch.forEachVisitBucket(domain, from, to, (cell) => void cells.push(cell));
  return cells;
}

function sumOf(cells: Iterable<VisitCell>): VisitSums {
  const sum = { visits: 0, bounces: 0, pageviews: 0, durationMs: 0 };
  for (const cell of cells) {
    sum.visits += cell.visits;
    sum.bounces += cell.bounces;
    sum.pageviews += cell.pageviews;
    sum.durationMs += cell.durationMs;
  }
  return sum;
}

type Figures = ReturnType<typeof figuresOf>;

const figureColumns = [
  column('visits', 'count'),
  column('bounces', 'count'),
  column('pageviews', 'count'),
  column('duration', 'number'),
  column('bounceRate', 'number'),
  column('pageviewsPerVisit', 'number'),
  column('meanDuration', 'number'),
] as const;

function figuresOf(sums: VisitSums) {
  const { visits: count, bounces } = sums;
  // NaN: the view was made by a version that did not count them.
  const pageviews = Number.isNaN(sums.pageviews) ? null : sums.pageviews;
  const seconds = Number.isNaN(sums.durationMs) ? null : sums.durationMs / 1_000;
  return {
    visits: count,
    bounces,
    pageviews,
    duration: seconds === null ? null : round(seconds, 3),
    bounceRate: rateOf(bounces, sums),
    pageviewsPerVisit: pageviews === null ? null : rateOf(pageviews, sums),
    meanDuration: seconds === null || count === 0 ? null : round(seconds / count, 3),
  };
}

/** @param cells ascending */
function figuresIn(cells: readonly VisitCell[], { from, to }: BucketRange): Figures {
  return figuresOf(sumOf(cells.slice(firstFrom(cells, from), firstFrom(cells, to))));
}

/** Index of the first cell at or after a bucket. */
function firstFrom(cells: readonly VisitCell[], bucket: number): number {
  let [low, high] = [0, cells.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((cells[middle]?.bucket ?? Infinity) < bucket) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Visits are counted, not estimated: figures that differ are different. */
function isEqual(a: Figures, b: Figures): boolean {
  return figureColumns.every(({ name }) => a[name] === b[name]);
}
