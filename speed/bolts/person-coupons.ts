/**
 * Cache from visitor ids to the coupons of their persons, by the generation's mapping. That is the mapping of its batch view: later edges change
 * nothing here until the next batch run (answers state how many there are). Visitors come back within minutes, so recent ones are cached by the
 * hashes of their ids.
 */
import { coupon } from 'hyperloglog-ts';
import { RecentTable } from '../../lib/memory/recent-table.js';
import type { BatchView } from '../../facts/views/view.js';

const rememberedVisitors = 200_000;
/** Coupons are unsigned words, but the table's values are signed: larger coupons (one in 2^31) are not cached. */
const largestRemembered = 2 ** 31 - 2;

export class PersonCoupons {
  readonly #mapping: Pick<BatchView, 'personOf'>;
  readonly #recent = new RecentTable(rememberedVisitors);

  constructor(mapping: Pick<BatchView, 'personOf'>) {
    this.#mapping = mapping;
  }

  /** Prefetches the slots that `known` will read for the hashes at `from`, `from + step`, ... */
  prefetch(words: Int32Array, from: number, step: number): void {
    this.#recent.prefetch(words, from, step);
  }

  /** The coupon of the visitor whose id has its hash at `words[at]`; -1 if it is not cached. */
  known(words: Int32Array, at: number): number {
    return this.#recent.get(words, at);
  }

  /** Looks the person up, and caches the coupon under the id's hash. */
  add(words: Int32Array, at: number, visitor: string): number {
    const found = coupon(this.#mapping.personOf(visitor));
    if (found <= largestRemembered) this.#recent.set(words, at, found);
    return found;
  }
}
