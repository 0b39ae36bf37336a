/**
 * Pages of a domain by their pageviews over a whole batch view: the order in which candidates for "top pages of a range"
 * are tried. A batch view never changes, so its ranks are made once and kept, for a few domains and as long as the
 * view itself is open.
 */
import type { BatchView, PageCount } from '../../facts/views/view.js';
import type { Pace } from './pace.js';
import { sortPaced } from './paced-sort.js';

const domainsKept = 16;
const pagesBetweenLooks = 1_000;

export interface RankedPages {
  /** Busiest first, ties by URL. */
  readonly ranked: readonly PageCount[];
  readonly pageviewsOf: ReadonlyMap<string, number>;
}

export class PageRanks {
  readonly #kept = new WeakMap<BatchView, Map<string, RankedPages>>();

  /** All pages of the domain in the batch view. */
  async of(batch: BatchView, domain: string, pace: Pace): Promise<RankedPages> {
    const ofView = this.#kept.get(batch) ?? new Map<string, RankedPages>();
    this.#kept.set(batch, ofView);
    const known = ofView.get(domain);
    if (known !== undefined) return known;
    const pages: PageCount[] = [];
    const pageviewsOf = new Map<string, number>();
    for (const page of batch.pages(domain)) {
      pages.push(page);
      pageviewsOf.set(page.url, page.pageviews);
      if (pages.length % pagesBetweenLooks === 0 && pace.due) await pace.rest();
    }
    // They come in order of their URLs, and the sort is stable.
    const ranked = await sortPaced(pages, (a, b) => b.pageviews - a.pageviews, pace);
    if (ofView.size >= domainsKept) ofView.delete(ofView.keys().next().value ?? '');
    const made = { ranked, pageviewsOf };
    ofView.set(domain, made);
    return made;
  }
}
