/** A cell with a decoded sketch. */
import type { BucketCell, PeopleSink, SketchView } from './cell.js';

export class SketchCell implements BucketCell {
  readonly bucket: number;
  readonly pageviews: number;
  readonly sketch: SketchView;

  constructor(bucket: number, pageviews: number, sketch: SketchView) {
    this.bucket = bucket;
    this.pageviews = pageviews;
    this.sketch = sketch;
  }

  addTo(people: PeopleSink): void {
    const { sketch } = this;
    if (sketch.kind === 'coupons') people.addCoupons(sketch.coupons);
    else people.addRegisters(sketch.registers);
  }
}
