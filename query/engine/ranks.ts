/**
 * What is listed of a domain, by pageviews over a whole batch view: the order in which candidates for the top of a range are
 * tried. A batch view never changes, so its ranks are made once and kept: the lists asked for last, and as long as the
 * view itself is open.
 */
import type { BatchView } from '../../facts/views/view.js';
import type { Listed, Listing } from './listing.js';
import type { Pace } from './pace.js';
import { sortPaced } from './paced-sort.js';

const listsKept = 128;
/** Some 150 bytes each. */
const entriesKept = 2_000_000;
const entriesBetweenLooks = 1_000;

export interface Ranked {
  /** Most pageviews first, ties as listed. */
  readonly ranked: readonly Listed[];
  readonly pageviewsOf: ReadonlyMap<string, number>;
}

export class Ranks {
  readonly #kept = new WeakMap<BatchView, RanksOfView>();
  readonly #maxEntries: number;

  /** @param maxEntries kept of all lists of a view together; the list made last is kept whatever its length */
  constructor(maxEntries = entriesKept) {
    this.#maxEntries = maxEntries;
  }

  /** All of the listing in the batch view. */
  async of(batch: BatchView, listing: Listing, pace: Pace): Promise<Ranked> {
    const kept = this.#kept.get(batch) ?? new RanksOfView(this.#maxEntries);
    this.#kept.set(batch, kept);
    const known = kept.get(listing.key);
    if (known !== undefined) return known;
    const listed: Listed[] = [];
    const pageviewsOf = new Map<string, number>();
    for (const each of listing.ofBatch(batch)) {
      listed.push(each);
      pageviewsOf.set(each.name, each.pageviews);
      if (listed.length % entriesBetweenLooks === 0 && pace.due) await pace.rest();
    }
    // They come in order of their names, and the sort is stable.
    const ranked = await sortPaced(listed, (a, b) => b.pageviews - a.pageviews, pace);
    const made = { ranked, pageviewsOf };
    kept.add(listing.key, made);
    return made;
  }
}

/** The lists of one view, those asked for last at the end. */
class RanksOfView {
  readonly #lists = new Map<string, Ranked>();
  readonly #maxEntries: number;
  #entries = 0;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get(key: string): Ranked | undefined {
    const known = this.#lists.get(key);
    if (known === undefined) return undefined;
    this.#lists.delete(key);
    this.#lists.set(key, known);
    return known;
  }

  add(key: string, made: Ranked): void {
    this.#remove(key); // two who asked at once have both made it
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
