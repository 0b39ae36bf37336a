/** What a view stores for one subject in one bucket. */

/** A stored sketch: sorted coupons while there are few people, later HLL_8 registers (2^lgK bytes). */
export type SketchView =
  | { readonly kind: 'coupons'; readonly coupons: Uint32Array }
  | { readonly kind: 'registers'; readonly registers: Uint8Array };

/** Target for the people of cells: an HllUnion, or a filter in front of one. All methods throw an HllError for invalid sketches. */
export interface PeopleSink {
  addCoupons(coupons: Uint32Array, from?: number, to?: number): unknown;
  /** Ascending coupons, as varints of their differences. */
  addDifferences(bytes: Uint8Array, count: number): unknown;
  addRegisters(registers: Uint8Array): unknown;
  /** A result of `packRegisters`. */
  addPacked(packed: Uint8Array): unknown;
}

/** One bucket of one subject. The sketch's memory is valid only during the callback that receives the cell. */
export interface BucketCell {
  /** Bucket number in its span (lib/time/buckets). */
  readonly bucket: number;
  readonly pageviews: number;
  readonly sketch: SketchView;
  /** Adds the cell's people to `people`. Cheaper than `sketch`, which may have to be decoded first. */
  addTo(people: PeopleSink): void;
}

/** Visits of a domain, counted in the bucket in which they began. */
export interface VisitCell {
  readonly bucket: number;
  readonly visits: number;
  /** Visits of one view. */
  readonly bounces: number;
  /** Of these visits, in whichever bucket each view lies. NaN in views of formats before 9, which do not know. */
  readonly pageviews: number;
  /** From the first to the last view of each, added: nothing for a bounce. NaN as above. */
  readonly durationMs: number;
}
