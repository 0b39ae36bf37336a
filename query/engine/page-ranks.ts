/**
 * Pages of a domain by their pageviews over a whole batch view: the order in which candidates for "top pages of a range"
 * are tried. A batch view never changes, so its ranks are made once and kept, for a few domains and as long as the
 * view itself is open.
 */
import type { BatchView, PageCount } from '../../lib/views/view.js';
import type { Pace } from './pace.js';

const domainsKept = 16;
const pagesBetweenLooks = 1_000;

type Ranks = Map<string, readonly PageCount[]>;

export class PageRanks {
  readonly #kept = new WeakMap<BatchView, Ranks>();

  /** All pages of the domain in the batch view, busiest first, ties by URL. */
  async of(batch: BatchView, domain: string, pace: Pace): Promise<readonly PageCount[]> {
    const ofView: Ranks = this.#kept.get(batch) ?? new Map();
    this.#kept.set(batch, ofView);
    const known = ofView.get(domain);
    if (known !== undefined) return known;
    const pages: PageCount[] = [];
    for (const page of batch.pages(domain)) {
      pages.push(page);
      if (pages.length % pagesBetweenLooks === 0 && pace.due) await pace.rest();
    }
    const ranked = await rankByPageviews(pages, pace);
    if (ofView.size >= domainsKept) ofView.delete(ofView.keys().next().value ?? '');
    ofView.set(domain, ranked);
    return ranked;
  }
}

/** Busiest first, else as they come, in steps: pages of equal power-of-two classes are sorted class by class. */
async function rankByPageviews(pages: readonly PageCount[], pace: Pace): Promise<readonly PageCount[]> {
  const classes: PageCount[][] = [];
  for (const [i, page] of pages.entries()) {
    const order = 31 - Math.clz32(Math.min(page.pageviews, 2 ** 31));
    (classes[Math.max(0, order)] ??= []).push(page);
    if (i % pagesBetweenLooks === 0 && pace.due) await pace.rest();
  }
  const ranked: PageCount[] = [];
  for (const members of classes.toReversed()) {
    // The lowest classes hold single views, most of a large site's pages: equal, so there is nothing to sort.
    for (const page of members?.toSorted((a, b) => b.pageviews - a.pageviews) ?? []) ranked.push(page);
    if (pace.due) await pace.rest();
  }
  return ranked;
}
