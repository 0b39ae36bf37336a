/**
 * Visitor id -> coupon of its person, by the generation's mapping. The mapping is the one the batch view was built
 * with: an edge that came later changes nothing here until the next batch run (the answer says how many such edges there
 * are). Visitors come back within minutes, so the latest are remembered.
 */
import { coupon } from 'hyperloglog-ts';
import type { BatchView } from '../lib/views/view.js';
import { TurningMap } from './turning-map.js';

const rememberedVisitors = 200_000;

export class PersonCoupons {
  readonly #mapping: Pick<BatchView, 'personOf'>;
  readonly #known = new TurningMap<string, number>(rememberedVisitors);

  constructor(mapping: Pick<BatchView, 'personOf'>) {
    this.#mapping = mapping;
  }

  of(visitor: string): number {
    const known = this.#known.get(visitor);
    if (known !== undefined) return known;
    const found = coupon(this.#mapping.personOf(visitor));
    this.#known.set(visitor, found);
    return found;
  }
}
