/**
 * The range cover: the smallest set of stored buckets that is exactly a range of base buckets. Buckets nest (base buckets in days, days in UTC
 * months), so the greedy cover is optimal: whole months in the middle, whole days up to them on both sides, base buckets up to those.
 */
import type { BucketRange, BucketWidth, Span } from '../../lib/time/buckets.js';

/** Consecutive buckets [from, to) of one span. Never empty. */
export interface CoverRun {
  readonly span: Span;
  readonly from: number;
  readonly to: number;
}

/** The cover of a range, ascending in time: at most five runs. */
export function coverOf({ from: first, to: end }: BucketRange, width: BucketWidth): readonly CoverRun[] {
  const { perDay } = width;
  const runs: CoverRun[] = [];
  const add = (span: Span, from: number, to: number): void => {
    if (from < to) runs.push({ span, from, to });
  };
  const firstDay = width.dayOf(first + perDay - 1);
  const lastDay = width.dayOf(end);
  if (firstDay >= lastDay) {
    // No whole day, and at most one day boundary inside.
    add('base', first, end);
    return runs;
  }
  add('base', first, firstDay * perDay);
  const firstMonth = width.monthOf(firstDay * perDay - 1) + 1;
  const lastMonth = width.monthOf(lastDay * perDay);
  if (firstMonth >= lastMonth) {
    add('day', firstDay, lastDay);
  } else {
    add('day', firstDay, width.firstOfMonth(firstMonth) / perDay);
    add('month', firstMonth, lastMonth);
    add('day', width.firstOfMonth(lastMonth) / perDay, lastDay);
  }
  add('base', lastDay * perDay, end);
  return runs;
}

export function bucketCount(runs: readonly CoverRun[]): number {
  return runs.reduce((sum, run) => sum + run.to - run.from, 0);
}
