/** Converts answers to chart data: every bucket with its layer, its phase, and the same bucket of the period before. */
import type { Bucket, Pageviews, Uniques } from './answers.js';
import { isEmptyCut } from './freshness-line.js';
import type { PeriodBefore } from './period-before.js';
import type { ChartData, ChartPoint } from './series-chart.js';

export function uniquesChart(people: Uniques, before: PeriodBefore | undefined, nowMs: number): ChartData {
  return {
    liveFrom: liveStart(people),
    points: people.data.series.map((bucket, i) => {
      const { visitors: value, lower, upper, exact } = bucket;
      const old = before?.people.data.series[i];
      return {
        ...placeOf(bucket, people, nowMs),
        value,
        lower,
        upper,
        exact,
        before: old && { label: old.label, value: old.visitors },
      };
    }),
  };
}

/** @param people answer for the same range: tells where the layers meet */
export function pageviewsChart(
  people: Uniques,
  views: Pageviews,
  before: PeriodBefore | undefined,
  nowMs: number,
): ChartData {
  return {
    liveFrom: liveStart(people),
    points: views.data.series.map((bucket, i) => {
      const { pageviews: value } = bucket;
      const old = before?.views.data.series[i];
      return {
        ...placeOf(bucket, people, nowMs),
        value,
        lower: value,
        upper: value,
        exact: true,
        before: old && { label: old.label, value: old.pageviews },
      };
    }),
  };
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
