/** A bucket whose sketch lies there as it is. */
import type { HllUnion } from 'hyperloglog-ts';
import type { BucketCell, SketchView } from './view.js';

export class SketchCell implements BucketCell {
  readonly bucket: number;
  readonly pageviews: number;
  readonly sketch: SketchView;

  constructor(bucket: number, pageviews: number, sketch: SketchView) {
    this.bucket = bucket;
    this.pageviews = pageviews;
    this.sketch = sketch;
  }

  addTo(union: HllUnion): void {
    const { sketch } = this;
    if (sketch.kind === 'coupons') union.addCoupons(sketch.coupons);
    else union.addRegisters(sketch.registers);
  }
}
