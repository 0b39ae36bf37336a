/**
 * The range cover: the fewest stored buckets that together are exactly a range of hours. Buckets nest (hours in days, days
 * in UTC months), so the greedy cover is the smallest one: whole months in the middle, whole days up to them on both
 * sides, hours up to those.
 */
import { dayOfHour, firstHourOfMonth, monthOfHour, type Span } from '../../lib/time/buckets.js';

/** Consecutive buckets [from, to) of one span. Never empty. */
export interface CoverRun {
  readonly span: Span;
  readonly from: number;
  readonly to: number;
}

/** The cover of hours [fromHour, toHour), ascending in time: at most five runs. */
export function coverOf(fromHour: number, toHour: number): readonly CoverRun[] {
  const runs: CoverRun[] = [];
  const add = (span: Span, from: number, to: number): void => {
    if (from < to) runs.push({ span, from, to });
  };
  const firstDay = dayOfHour(fromHour + 23);
  const lastDay = dayOfHour(toHour);
  if (firstDay >= lastDay) {
    // At most one day boundary inside, and no whole day.
    add('hour', fromHour, toHour);
    return runs;
  }
  add('hour', fromHour, firstDay * 24);
  const firstMonth = monthOfHour(firstDay * 24 - 1) + 1;
  const lastMonth = monthOfHour(lastDay * 24);
  if (firstMonth >= lastMonth) {
    add('day', firstDay, lastDay);
  } else {
    add('day', firstDay, firstHourOfMonth(firstMonth) / 24);
    add('month', firstMonth, lastMonth);
    add('day', firstHourOfMonth(lastMonth) / 24, lastDay);
  }
  add('hour', lastDay * 24, toHour);
  return runs;
}

export function bucketCount(runs: readonly CoverRun[]): number {
  return runs.reduce((sum, run) => sum + run.to - run.from, 0);
}
