/**
 * Lists of a domain that can be ranked: its pages, or its values of a dimension. A pageview of the domain counts for at most one entry, which is
 * all that ranking needs to know.
 */
import type { BatchView, RealtimeView, Subject } from '../../facts/views/view.js';
import type { BucketRange } from '../../lib/time/buckets.js';

export interface Listed {
  /** URL of the page, or the value. */
  readonly name: string;
  readonly pageviews: number;
}

export interface Listing {
  /** Unique for each listing. */
  readonly key: string;
  readonly domain: string;
  subjectOf(name: string): Subject;
  /** All entries in a batch view, with their pageviews over the whole view, ascending. */
  ofBatch(batch: BatchView): Iterable<Listed>;
  /** Entries with realtime pageviews in the range; in blocks and with duplicates, like `RealtimeView.pages`. */
  ofRealtime(realtime: RealtimeView, range: BucketRange): AsyncIterable<readonly Listed[]>;
}

export function pagesOf(domain: string): Listing {
  return {
    key: `pages ${domain}`,
    domain,
    subjectOf: (url) => ({ kind: 'page', url }),
    *ofBatch(batch) {
      for (const { url, pageviews } of batch.pages(domain)) yield { name: url, pageviews };
    },
    async *ofRealtime(realtime, { from, to }) {
      for await (const block of realtime.pages(domain, from, to))
        yield block.map(({ url: name, pageviews }) => ({ name, pageviews }));
    },
  };
}

export function valuesOf(dimension: string, domain: string): Listing {
  return {
    key: `${dimension} ${domain}`,
    domain,
    subjectOf: (value) => ({ kind: 'value', dimension, domain, value }),
    *ofBatch(batch) {
      for (const { value, pageviews } of batch.values(dimension, domain)) yield { name: value, pageviews };
    },
    async *ofRealtime(realtime, { from, to }) {
      for await (const block of realtime.values(dimension, domain, from, to))
        yield block.map(({ value: name, pageviews }) => ({ name, pageviews }));
    },
  };
}
