/** What a view has of one subject in one bucket. */

/** A sketch as stored: few people as sorted coupons, many as HLL_8 registers (2^lgK bytes). */
export type SketchView =
  | { readonly kind: 'coupons'; readonly coupons: Uint32Array }
  | { readonly kind: 'registers'; readonly registers: Uint8Array };

/** Where the people of cells are united: an HllUnion, or what stands before one. Each throws an HllError for what is not a sketch. */
export interface PeopleSink {
  addCoupons(coupons: Uint32Array, from?: number, to?: number): unknown;
  /** Ascending coupons, as varints of their differences. */
  addDifferences(bytes: Uint8Array, count: number): unknown;
  addRegisters(registers: Uint8Array): unknown;
  /** What `packRegisters` made. */
  addPacked(packed: Uint8Array): unknown;
}

/** One bucket of one subject. The sketch's memory is valid only during the call that hands it out. */
export interface BucketCell {
  /** Number of the bucket in its span (lib/time/buckets). */
  readonly bucket: number;
  readonly pageviews: number;
  readonly sketch: SketchView;
  /** Adds the people: cheaper than `sketch`, which may have to be made before it can be looked at. */
  addTo(people: PeopleSink): void;
}

/** Visits of a domain by the bucket they began in. */
export interface VisitCell {
  readonly bucket: number;
  readonly visits: number;
  readonly bounces: number;
}
