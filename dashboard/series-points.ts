/** Converts answers to chart data: every bucket with its layer, its phase, and the same bucket of the period before. */
import type { Bucket, Pageviews, Uniques } from './answers.js';
import { spanName } from './format.js';
import { isEmptyCut } from './freshness-line.js';
import { hasBefore } from './figures.js';
import type { ChartData, ChartPoint } from './series-chart.js';

/** @param views answer for the same range: tells whether there is a period before */
export function uniquesChart(people: Uniques, views: Pageviews, nowMs: number): ChartData {
  return {
    liveFrom: liveStart(people),
    points: people.data.series.map((bucket) => {
      const { visitors: value, lower, upper, exact, compare } = bucket;
      return {
        ...placeOf(bucket, people, nowMs),
        value,
        lower,
        upper,
        exact,
        before: beforeOf(compare, compare?.visitors, people, views),
      };
    }),
  };
}

/** @param people answer for the same range: tells where the layers meet */
export function pageviewsChart(people: Uniques, views: Pageviews, nowMs: number): ChartData {
  return {
    liveFrom: liveStart(people),
    points: views.data.series.map((bucket) => {
      const { pageviews: value, compare } = bucket;
      return {
        ...placeOf(bucket, people, nowMs),
        value,
        lower: value,
        upper: value,
        exact: true,
        before: beforeOf(compare, compare?.pageviews, people, views),
      };
    }),
  };
}

/** Undefined without such a bucket, or without views in the whole period before. */
function beforeOf(
  span: { readonly from: number; readonly to: number } | undefined,
  value: number | undefined,
  { range }: Uniques,
  views: Pageviews,
): ChartPoint['before'] {
  if (span === undefined || value === undefined || !hasBefore(views)) return undefined;
  return { when: spanName(span, range.tz), value };
}

function placeOf(
  { from, to, label }: Bucket,
  people: Uniques,
  nowMs: number,
): Pick<ChartPoint, 'label' | 'live' | 'phase'> {
  return {
    label,
    live: isLive(to, people),
    phase: to <= nowMs ? 'past' : from <= nowMs ? 'present' : 'ahead',
  };
}

/** Whether a bucket ends after the facts of the batch view. */
function isLive(bucketEnd: number, { freshness }: Uniques): boolean {
  return (
    freshness.realtime !== undefined &&
    (isEmptyCut(freshness.batch.cut) || bucketEnd > freshness.batch.createdAt)
  );
}

/** Position of the batch run, in buckets from the left edge; undefined if the whole range is before it. */
function liveStart(people: Uniques): number | undefined {
  const { series } = people.data;
  const { batch } = people.freshness;
  const index = series.findIndex((bucket) => isLive(bucket.to, people));
  const bucket = series[index];
  if (bucket === undefined) return undefined;
  if (isEmptyCut(batch.cut)) return 0;
  return index + Math.max(0, (batch.createdAt - bucket.from) / (bucket.to - bucket.from));
}
