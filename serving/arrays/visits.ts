/**
 * The value of a domain's visits: for each hour that has some, ascending, three varints: hours since the one before, visits,
 * bounces. Threads that sort write it, so nothing here may load a database.
 */
import type { VisitCell } from '../../facts/views/cell.js';
import { ByteReader, type ByteWriter } from './bytes.js';

/** `hours` ascending. */
export function encodeVisits(out: ByteWriter, hours: Iterable<VisitCell>): void {
  let last = 0;
  for (const { bucket, visits, bounces } of hours) {
    out.varint(bucket - last);
    out.varint(visits);
    out.varint(bounces);
    last = bucket;
  }
}

/** The hours in [fromHour, toHour). */
export function forEachVisitHour(
  value: Uint8Array,
  fromHour: number,
  toHour: number,
  visit: (cell: VisitCell) => void,
): void {
  const reader = new ByteReader(value);
  let bucket = 0;
  while (!reader.done) {
    bucket += reader.varint();
    const visits = reader.varint();
    const bounces = reader.varint();
    if (bucket >= toHour) return;
    if (bucket >= fromHour) visit({ bucket, visits, bounces });
  }
}
