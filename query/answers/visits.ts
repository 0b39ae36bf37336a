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

export interface VisitsQuestion extends Pick<SeriesQuestion, 'range' | 'zone' | 'interval' | 'periods'> {
  readonly domain: string;
}

export type VisitSums = Omit<VisitCell, 'bucket'>;

export function visits(
  engine: Engine,
  { batch, realtime }: PinnedGeneration,
  question: VisitsQuestion,
): Answer<Bodies['visits']> {
  const { domain, range, interval, periods } = question;
  const { width } = engine;
  const cells = cellsIn(batch, domain, range);
  const total = figuresOf(sumOf(cells));
  const series = seriesOf(cells, periods);
  const rows = interval === undefined ? [{ ...range, label: '', figures: total }] : series;
  return {
    body: {
      data: {
        domain,
        ...total,
        ...throughOf(batch, total),
        ...(interval === undefined
          ? {}
          : {
              series: series.map(({ from, to, label, figures }) => ({
                from: width.show(from),
                to: width.show(to),
                label,
                ...figures,
              })),
            }),
      },
      accuracy: { method: 'count', exact: true, ...waitingIn({ realtime }) },
      ...envelopeOf(engine, { batch, realtime: undefined }, question),
    },
    table: {
      columns: [column('from', 'time'), column('to', 'time'), column('label', 'text'), ...figureColumns],
      rows: rows.map(({ from, to, label, figures }) => [
        from * width.ms,
        to * width.ms,
        label,
        ...figureColumns.map(({ name }) => figures[name]),
      ]),
    },
  };
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

/** @param cells ascending, like the periods */
function seriesOf(
  cells: readonly VisitCell[],
  periods: readonly Period[],
): (Period & { readonly figures: Figures })[] {
  let next = 0;
  return periods.map((period) => {
    const first = next;
    while ((cells[next]?.bucket ?? Number.POSITIVE_INFINITY) < period.to) next++;
    return { ...period, figures: figuresOf(sumOf(cells.slice(first, next))) };
  });
}
