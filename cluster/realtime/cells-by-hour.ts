/**
 * Merges what the partitions of a worker have of one subject, hour by hour. Coupons stay coupons: where they get too many for one sketch
 * they go as several, for who reads them may have to rewrite them (query/identity/), which registers do not allow.
 */
import { maxCoupons } from 'hyperloglog-ts';
import type { BucketCell, SketchView } from '../../facts/views/view.js';
import { encodeCell } from './wire.js';

interface Gathered {
  pageviews: number;
  readonly coupons: Uint32Array[];
  registers: Uint8Array | undefined;
}

export class CellsByHour {
  readonly #maxCoupons: number;
  readonly #hours = new Map<number, Gathered>();

  constructor(lgK: number) {
    this.#maxCoupons = maxCoupons(lgK);
  }

  add({ bucket, pageviews, sketch }: BucketCell): void {
    let hour = this.#hours.get(bucket);
    if (hour === undefined)
      this.#hours.set(bucket, (hour = { pageviews: 0, coupons: [], registers: undefined }));
    hour.pageviews += pageviews;
    if (sketch.kind === 'registers') {
      if (hour.registers === undefined) hour.registers = sketch.registers.slice();
      else raise(hour.registers, sketch.registers);
      return;
    }
    const last = hour.coupons.at(-1);
    const merged = last === undefined ? sketch.coupons.slice() : merge(last, sketch.coupons);
    if (last === undefined || merged.length > this.#maxCoupons) hour.coupons.push(sketch.coupons.slice());
    else hour.coupons[hour.coupons.length - 1] = merged;
  }

  /** All cells that were added, encoded, ascending by hour; then there are none. */
  *take(place: number): Generator<Buffer> {
    const hours = [...this.#hours].toSorted(([a], [b]) => a - b);
    this.#hours.clear();
    for (const [hour, { pageviews, coupons, registers }] of hours) {
      const sketches: SketchView[] = coupons.map((list) => ({ kind: 'coupons', coupons: list }));
      if (registers !== undefined) sketches.push({ kind: 'registers', registers });
      for (const [i, sketch] of sketches.entries())
        yield encodeCell(place, hour, i === 0 ? pageviews : 0, sketch);
    }
  }
}

/** The greater of each two registers. */
function raise(registers: Uint8Array, others: Uint8Array): void {
  for (const [i, other] of others.entries()) if (other > (registers[i] ?? 0)) registers[i] = other;
}

/** Two ascending lists as one, each coupon once. */
function merge(a: Uint32Array, b: Uint32Array): Uint32Array {
  const merged = new Uint32Array(a.length + b.length);
  let length = 0;
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    const x = a[i] ?? Infinity;
    const y = b[j] ?? Infinity;
    merged[length++] = Math.min(x, y);
    if (x <= y) i++;
    if (y <= x) j++;
  }
  return merged.subarray(0, length);
}
