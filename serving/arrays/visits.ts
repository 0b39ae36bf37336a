/**
 * The value of a domain's visits: for each bucket that has some, ascending, varints: buckets since the one before, visits, bounces, and
 * where not all are bounces, the pageviews beyond the first of each visit and the milliseconds of all. Threads that sort write it, so nothing
 * here may load a database.
 */
import type { VisitCell } from '../../facts/views/cell.js';
import { ByteReader, type ByteWriter } from './bytes.js';

/** `buckets` ascending. */
export function encodeVisits(out: ByteWriter, buckets: Iterable<VisitCell>): void {
  let last = 0;
  for (const { bucket, visits, bounces, pageviews, durationMs } of buckets) {
    out.varint(bucket - last);
    out.varint(visits);
    out.varint(bounces);
    last = bucket;
    if (bounces === visits) continue;
    out.varint(pageviews - visits);
    out.varint(durationMs);
  }
}

/** @param hasLengths false: written before pageviews and durations were */
export function forEachVisitBucket(
  value: Uint8Array,
  { from, to }: { readonly from: number; readonly to: number },
  visit: (cell: VisitCell) => void,
  hasLengths = true,
): void {
  const reader = new ByteReader(value);
  let bucket = 0;
  while (!reader.done) {
    bucket += reader.varint();
    const visits = reader.varint();
    const bounces = reader.varint();
    let [pageviews, durationMs] = hasLengths ? [visits, 0] : [Number.NaN, Number.NaN];
    if (hasLengths && bounces < visits) {
      pageviews += reader.varint();
      durationMs = reader.varint();
    }
    if (bucket >= to) return;
    if (bucket >= from) visit({ bucket, visits, bounces, pageviews, durationMs });
  }
}
