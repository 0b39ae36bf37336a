/**
 * Merges the cells that a worker's partitions have for one subject, by bucket. Coupons stay coupons: if there are too many for one sketch they are
 * sent as several, because the reader may have to rewrite them (query/identity/), which is not possible with registers.
 */
import { maxCoupons } from 'hyperloglog-ts';
import type { BucketCell, SketchView } from '../../facts/views/view.js';
import { encodeCell } from './wire.js';

interface Gathered {
  pageviews: number;
  readonly coupons: Uint32Array[];
  registers: Uint8Array | undefined;
}

export class CellsByBucket {
  readonly #maxCoupons: number;
  readonly #buckets = new Map<number, Gathered>();

  constructor(lgK: number) {
    this.#maxCoupons = maxCoupons(lgK);
  }

  add({ bucket, pageviews, sketch }: BucketCell): void {
    let gathered = this.#buckets.get(bucket);
    if (gathered === undefined)
      this.#buckets.set(bucket, (gathered = { pageviews: 0, coupons: [], registers: undefined }));
    gathered.pageviews += pageviews;
    if (sketch.kind === 'registers') {
      if (gathered.registers === undefined) gathered.registers = sketch.registers.slice();
      else raise(gathered.registers, sketch.registers);
      return;
    }
    const last = gathered.coupons.at(-1);
    const merged = last === undefined ? sketch.coupons.slice() : merge(last, sketch.coupons);
    if (last === undefined || merged.length > this.#maxCoupons) gathered.coupons.push(sketch.coupons.slice());
    else gathered.coupons[gathered.coupons.length - 1] = merged;
  }

  /** Encodes all cells added so far, ascending by bucket, and forgets them. @param place of the subject in the request */
  *take(subjectIndex: number): Generator<Buffer> {
    const buckets = [...this.#buckets].toSorted(([a], [b]) => a - b);
    this.#buckets.clear();
    for (const [bucket, { pageviews, coupons, registers }] of buckets) {
      const sketches: SketchView[] = coupons.map((list) => ({ kind: 'coupons', coupons: list }));
      if (registers !== undefined) sketches.push({ kind: 'registers', registers });
      for (const [i, sketch] of sketches.entries())
        yield encodeCell(subjectIndex, bucket, i === 0 ? pageviews : 0, sketch);
    }
  }
}

/** Sets each register to the greater of the two. */
function raise(registers: Uint8Array, others: Uint8Array): void {
  for (const [i, other] of others.entries()) if (other > (registers[i] ?? 0)) registers[i] = other;
}

/** Merges two ascending lists without duplicates. */
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
