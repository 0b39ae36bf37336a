/** A day or month without a stored cell, united from its buckets. Reused for the next one. */
import type { BucketCell, PeopleSink, SketchView } from '../../facts/views/cell.js';
import { deriveLimitOf, orCorrupt, type CellReader } from './cells.js';
import { sortUnique } from './union.js';

export class DerivedCell implements BucketCell {
  bucket = -1;
  pageviews = 0;
  /** Coupons of all buckets: unsorted, with duplicates, until `sketch` is read. */
  readonly #coupons: Uint32Array;
  #length = 0;

  constructor(lgK: number) {
    this.#coupons = new Uint32Array(deriveLimitOf('day', lgK)); // a month of a flat subject can be as large as a day
  }

  begin(bucket: number): void {
    this.bucket = bucket;
    this.pageviews = 0;
    this.#length = 0;
  }

  /** Adds a bucket; false if there is no room, which means that the view is corrupt. */
  add(bucket: CellReader): boolean {
    if (!bucket.copyCoupons(this.#coupons, this.#length)) return false;
    this.#length += bucket.couponCount;
    this.pageviews += bucket.pageviews;
    return true;
  }

  get sketch(): SketchView {
    this.#length = sortUnique(this.#coupons, this.#length);
    return { kind: 'coupons', coupons: this.#coupons.subarray(0, this.#length) };
  }

  addTo(people: PeopleSink): void {
    orCorrupt(() => people.addCoupons(this.#coupons, 0, this.#length));
  }
}
