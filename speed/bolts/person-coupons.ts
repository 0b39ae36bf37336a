/**
 * Visitor id -> coupon of its person, by the generation's mapping. The mapping is the one the batch view was built
 * with: an edge that came later changes nothing here until the next batch run (the answer says how many such edges there
 * are). Visitors come back within minutes, so the latest are remembered by the hashes of their ids.
 */
import { coupon } from 'hyperloglog-ts';
import { RecentTable } from '../../lib/memory/recent-table.js';
import type { BatchView } from '../../facts/views/view.js';

const rememberedVisitors = 200_000;
/** Coupons are unsigned words, the table's values are not: the one coupon in 2^31 beyond is worked out each time. */
const largestRemembered = 2 ** 31 - 2;

export class PersonCoupons {
  readonly #mapping: Pick<BatchView, 'personOf'>;
  readonly #recent = new RecentTable(rememberedVisitors);

  constructor(mapping: Pick<BatchView, 'personOf'>) {
    this.#mapping = mapping;
  }

  /** Touches what `known` looks at for the hashes at `from`, `from + step`, ... */
  prefetch(words: Int32Array, from: number, step: number): void {
    this.#recent.prefetch(words, from, step);
  }

  /** The coupon of the visitor whose id's hash lies at `words[at]`; -1 when it is not remembered. */
  known(words: Int32Array, at: number): number {
    return this.#recent.get(words, at);
  }

  /** Works it out, and remembers it under the id's hash. */
  add(words: Int32Array, at: number, visitor: string): number {
    const found = coupon(this.#mapping.personOf(visitor));
    if (found <= largestRemembered) this.#recent.set(words, at, found);
    return found;
  }
}
