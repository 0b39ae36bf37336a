/**
 * The earlier period that a range is compared with, by the clocks of a zone: the one of the same length that ends where the range begins, or the
 * same dates a year before. Edges are moved one by one, so that the intervals of a range become intervals that lie side by side as well.
 */
import type { BucketRange } from '../../lib/time/buckets.js';
import type { Comparison } from '../bodies.js';
import type { Zones } from './zone.js';

/**
 * Where a part of the range (the range itself, or an interval of it) lies in the earlier period. It may be empty: the hour that clocks skipped then.
 * Buckets may be below 0, before 1970.
 */
export function earlierOf(
  comparison: Comparison,
  range: BucketRange,
  part: BucketRange,
  zone: string,
  zones: Zones,
): BucketRange {
  if (comparison === 'previous') {
    const length = zones.local(zone, range.to) - zones.local(zone, range.from);
    const moved = (edge: number): number => zones.startOf(zone, zones.local(zone, edge) - length);
    return { from: moved(part.from), to: part.to === range.to ? range.from : moved(part.to) };
  }
  const { width } = zones;
  const moved = (edge: number, isEnd: boolean): number => {
    const local = zones.local(zone, edge);
    const at = new Date(local * width.ms);
    const isLeapDay = at.getUTCMonth() === 1 && at.getUTCDate() === 29;
    // 29 February is 28 February of the year before; as the end of a range, whole days of it are whole days there.
    if (isLeapDay && isEnd && local % width.perDay === 0)
      at.setUTCDate(30); // March 1
    else if (isLeapDay) at.setUTCDate(28);
    at.setUTCFullYear(at.getUTCFullYear() - 1);
    return zones.startOf(zone, at.getTime() / width.ms);
  };
  return { from: moved(part.from, false), to: moved(part.to, true) };
}
