/** What a view has of one subject in one bucket. */
import type { HllUnion } from 'hyperloglog-ts';

/** A sketch as stored: few people as sorted coupons, many as HLL_8 registers (2^lgK bytes). */
export type SketchView =
  | { readonly kind: 'coupons'; readonly coupons: Uint32Array }
  | { readonly kind: 'registers'; readonly registers: Uint8Array };

/** One bucket of one subject. The sketch's memory is valid only during the call that hands it out. */
export interface BucketCell {
  /** Number of the bucket in its span (lib/time/buckets). */
  readonly bucket: number;
  readonly pageviews: number;
  readonly sketch: SketchView;
  /** Adds the people to a union: cheaper than `sketch`, which may have to be made before it can be looked at. */
  addTo(union: HllUnion): void;
}

/** Visits of a domain by the hour they began in. */
export interface VisitCell {
  readonly bucket: number;
  readonly visits: number;
  readonly bounces: number;
}
