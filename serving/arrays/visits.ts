/**
 * The value of a domain's visits: for each bucket that has some, ascending, three varints: buckets since the one before, visits,
 * bounces. Threads that sort write it, so nothing here may load a database.
 */
import type { VisitCell } from '../../facts/views/cell.js';
import { ByteReader, type ByteWriter } from './bytes.js';

/** `buckets` ascending. */
export function encodeVisits(out: ByteWriter, buckets: Iterable<VisitCell>): void {
  let last = 0;
  for (const { bucket, visits, bounces } of buckets) {
    out.varint(bucket - last);
    out.varint(visits);
    out.varint(bounces);
    last = bucket;
  }
}

/** The buckets in [fromBucket, toBucket). */
export function forEachVisitBucket(
  value: Uint8Array,
  fromBucket: number,
  toBucket: number,
  visit: (cell: VisitCell) => void,
): void {
  const reader = new ByteReader(value);
  let bucket = 0;
  while (!reader.done) {
    bucket += reader.varint();
    const visits = reader.varint();
    const bounces = reader.varint();
    if (bucket >= toBucket) return;
    if (bucket >= fromBucket) visit({ bucket, visits, bounces });
  }
}
