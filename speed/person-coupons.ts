/**
 * Visitor id -> coupon of its person, by the generation's mapping. The mapping is the one the batch view was built
 * with: an edge that came later changes nothing here until the next batch run (the answer says how many such edges there
 * are). Visitors come back within minutes, so the latest are remembered, in two tables that take turns.
 */
import { coupon } from 'hyperloglog-ts';
import type { BatchView } from '../lib/views/view.js';
import { HashTable } from '../lib/hash/hash-table.js';
import { StringHash } from '../lib/hash/string-hash.js';

const turnEntries = 200_000;

export class PersonCoupons {
  readonly #mapping: Pick<BatchView, 'personOf'>;
  readonly #hash = new StringHash();
  #young = new HashTable();
  #old = new HashTable();

  constructor(mapping: Pick<BatchView, 'personOf'>) {
    this.#mapping = mapping;
  }

  of(visitor: string): number {
    const hash = this.#hash;
    hash.of(visitor);
    const { hi, lo } = hash;
    const young = this.#young.get(hi, lo);
    if (young >= 0) return young;
    const old = this.#old.get(hi, lo);
    const found = old >= 0 ? old : coupon(this.#mapping.personOf(visitor));
    if (found > largestRemembered) return found;
    if (this.#young.size >= turnEntries) {
      this.#old = this.#young;
      this.#young = new HashTable();
    }
    this.#young.set(hi, lo, found);
    return found;
  }
}

/** Coupons are unsigned words, the table's values are not: the one coupon in 2^31 beyond is worked out each time. */
const largestRemembered = 2 ** 31 - 2;
