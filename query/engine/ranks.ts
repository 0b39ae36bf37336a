/**
 * Ranks the entries of a listing by pageviews over a whole batch view: the order in which candidates for the top of a range are tried. A batch
 * view never changes, so its ranks are computed once and cached: the most recently used lists, as long as the view is open.
 */
import type { BatchView } from '../../facts/views/view.js';
import type { Listed, Listing } from './listing.js';
import type { Pace } from './pace.js';
import { sortPaced } from './paced-sort.js';

const listsKept = 128;
/** About 150 bytes each. */
const entriesKept = 2_000_000;
const entriesBetweenLooks = 1_000;

export interface Ranked {
  /** Most pageviews first, ties in list order. */
  readonly ranked: readonly Listed[];
  readonly pageviewsOf: ReadonlyMap<string, number>;
  /** False if there was no time to read the whole list: then nothing is ranked, and the next query continues reading. */
  readonly isWhole: boolean;
}

const readingsKept = 4;
/** Maximum fraction of a query's time for reading a list. */
const maxShare = 0.4;

/** A partly read list, to be continued by the next query. */
interface Reading {
  readonly rest: Iterator<Listed>;
  readonly listed: Listed[];
  readonly pageviewsOf: Map<string, number>;
}

export class Ranks {
  readonly #kept = new WeakMap<BatchView, RanksOfView>();
  readonly #maxEntries: number;

  /** @param maxEntries limit for all lists of a view together; the latest list is kept whatever its length */
  constructor(maxEntries = entriesKept) {
    this.#maxEntries = maxEntries;
  }

  /** The whole listing in the batch view. */
  async of(batch: BatchView, listing: Listing, pace: Pace): Promise<Ranked> {
    const kept = this.#kept.get(batch) ?? new RanksOfView(this.#maxEntries);
    this.#kept.set(batch, kept);
    const known = kept.get(listing.key);
    if (known !== undefined) return known;
    const reading = kept.takeReading(listing.key) ?? beginning(listing, batch);
    const { listed, pageviewsOf, rest } = reading;
    for (;;) {
      const { done = false, value } = rest.next();
      if (done) break;
      listed.push(value);
      pageviewsOf.set(value.name, value.pageviews);
      if (listed.length % entriesBetweenLooks !== 0) continue;
      if (pace.used > maxShare) {
        kept.keepReading(listing.key, reading);
        return { ranked: [], pageviewsOf, isWhole: false };
      }
      if (pace.due) await pace.rest();
    }
    // Entries come in name order, and the sort is stable.
    const ranked = await sortPaced(listed, (a, b) => b.pageviews - a.pageviews, pace);
    const made = { ranked, pageviewsOf, isWhole: true };
    kept.add(listing.key, made);
    return made;
  }
}

function beginning(listing: Listing, batch: BatchView): Reading {
  return {
    rest: listing.ofBatch(batch)[Symbol.iterator](),
    listed: [],
    pageviewsOf: new Map<string, number>(),
  };
}

/** The lists of one view, most recently used last. */
class RanksOfView {
  readonly #readings = new Map<string, Reading>();
  readonly #lists = new Map<string, Ranked>();
  readonly #maxEntries: number;
  #entries = 0;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  /** Used by one query at a time: if reading fails, the list is read again from the start. */
  takeReading(key: string): Reading | undefined {
    const reading = this.#readings.get(key);
    this.#readings.delete(key);
    return reading;
  }

  keepReading(key: string, reading: Reading): void {
    this.#readings.set(key, reading);
    const [oldest] = this.#readings.keys();
    if (this.#readings.size > readingsKept && oldest !== undefined) this.#readings.delete(oldest);
  }

  get(key: string): Ranked | undefined {
    const known = this.#lists.get(key);
    if (known === undefined) return undefined;
    this.#lists.delete(key);
    this.#lists.set(key, known);
    return known;
  }

  add(key: string, made: Ranked): void {
    this.#remove(key); // two concurrent queries may both have made it
    this.#entries += made.ranked.length;
    for (const first of this.#lists.keys()) {
      if (this.#lists.size < listsKept && this.#entries <= this.#maxEntries) break;
      this.#remove(first);
    }
    this.#lists.set(key, made);
  }

  #remove(key: string): void {
    this.#entries -= this.#lists.get(key)?.ranked.length ?? 0;
    this.#lists.delete(key);
  }
}
