// Public API of hyperloglog-ts. See README.md.
export { CouponHasher, coupon, coupons, couponsOfUtf8 } from './coupon.js';
export type { BulkValues, HllValue, Offsets } from './coupon.js';
export { HllError, HllFormatError } from './errors.js';
export type { HllErrorCode } from './errors.js';
export {
  boundsFromCoupons,
  boundsFromRegisters,
  estimateFromCoupons,
  estimateFromHistogram,
  hiddenByCoupons,
  maxCoupons,
  maxPairs,
  relativeStandardError,
} from './estimate.js';
export type { Bounds } from './estimate.js';
export type { Backend } from './kernels.js';
export type { HllType } from './layout.js';
export { packRegisters, unpackRegisters } from './packed.js';
export { HllSketch, defaultLgK } from './sketch.js';
export type { HllMode, SketchSink } from './sketch.js';
export { HllUnion } from './union.js';
export type { WriteOptions } from './write-bytes.js';
