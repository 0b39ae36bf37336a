/**
 * Visitor id -> coupon of its person, by the generation's mapping. The mapping is the one the batch view was built
 * with: an edge that came later changes nothing here until the next batch run (the answer says how many such edges there
 * are). Visitors come back within minutes, so the latest are remembered, in two maps that take turns.
 */
import { coupon } from 'hyperloglog-ts';
import type { BatchView } from '../lib/views/view.js';

const turnEntries = 200_000;

export class PersonCoupons {
  readonly #mapping: Pick<BatchView, 'personOf'>;
  #young = new Map<string, number>();
  #old = new Map<string, number>();

  constructor(mapping: Pick<BatchView, 'personOf'>) {
    this.#mapping = mapping;
  }

  of(visitor: string): number {
    const young = this.#young.get(visitor);
    if (young !== undefined) return young;
    const found = this.#old.get(visitor) ?? coupon(this.#mapping.personOf(visitor));
    if (this.#young.size >= turnEntries) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(visitor, found);
    return found;
  }
}
