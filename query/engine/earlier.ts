/**
 * The earlier period that a range is compared with, by the local time of a zone: the one of the same length that ends where the range begins, or
 * the same dates a year before. Edges are moved one by one, so that adjacent intervals of a range become adjacent intervals.
 */
import type { BucketRange } from '../../lib/time/buckets.js';
import type { Comparison } from '../bodies.js';
import type { Zones } from './zone.js';

/**
 * Maps a part of the range (the range itself, or an interval of it) to the earlier period. The result is empty for an hour that the clocks
 * skipped then. Buckets before 1970 are negative.
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
    // 29 February becomes 28 February of the year before. As the end of whole days it becomes 1 March, so that the number of days stays the
    // same.
    if (isLeapDay && isEnd && local % width.perDay === 0)
      at.setUTCDate(30); // March 1
    else if (isLeapDay) at.setUTCDate(28);
    at.setUTCFullYear(at.getUTCFullYear() - 1);
    return zones.startOf(zone, at.getTime() / width.ms);
  };
  return { from: moved(part.from, false), to: moved(part.to, true) };
}
