/** Writes the index of subjects from what the sorts found: every page, domain and visit record, and the listings. */
import { SwaError } from '../lib/errors.js';
import type { FileSeal } from '../serving/meta.js';
import type { ViewWriter } from '../serving/view-writer.js';
import type { SortResult } from './sort-job.js';
import type { Names } from './sort-keys.js';

export interface SortResults {
  readonly pages: SortResult;
  readonly domains: SortResult;
  readonly visits: SortResult;
}

/** Returns the seals of the cell files. */
export function writeIndex(
  writer: ViewWriter,
  names: Names,
  results: SortResults,
  onRows: (rows: number) => void,
): { readonly pages: FileSeal; readonly domains: FileSeal } {
  const { pages, domains, visits } = results;
  pages.ranks.forEach((rank, i) => {
    writer.page(names.pages[rank] ?? '', placeOf(pages, i));
    if (i % 1024 === 1023) onRows(1024);
  });
  domains.ranks.forEach((rank, i) => writer.domain(names.domains[rank] ?? '', placeOf(domains, i)));
  visits.ranks.forEach((rank, i) => {
    writer.visits(
      names.domains[rank] ?? '',
      visits.visits.subarray(visits.visitEnds[i - 1] ?? 0, visits.visitEnds[i]),
    );
  });
  for (const i of byDomain(pages.ranks, names)) {
    const rank = pages.ranks[i] ?? 0;
    const domain = names.domains[names.domainOfPage[rank] ?? 0] ?? '';
    writer.listPage(domain, names.pages[rank] ?? '', pages.pageviews[i] ?? 0);
  }
  if (pages.seal === undefined || domains.seal === undefined) {
    throw new SwaError('internal.invariant', 'a bucket sort wrote no cell file');
  }
  return { pages: pages.seal, domains: domains.seal };
}

function placeOf(result: SortResult, i: number) {
  return {
    pageviews: result.pageviews[i] ?? 0,
    offset: result.offsets[i] ?? 0,
    length: result.lengths[i] ?? 0,
    tableLength: result.tableLengths[i] ?? 0,
  };
}

/** Indices of pages by (domain, page rank): a counting sort. */
function byDomain(ranks: Uint32Array, names: Names): Uint32Array {
  const starts = new Uint32Array(names.domains.length + 1);
  for (const rank of ranks) {
    const next = (names.domainOfPage[rank] ?? 0) + 1;
    starts[next] = (starts[next] ?? 0) + 1;
  }
  for (let d = 1; d < starts.length; d++) starts[d] = (starts[d] ?? 0) + (starts[d - 1] ?? 0);
  const order = new Uint32Array(ranks.length);
  ranks.forEach((rank, i) => {
    const domain = names.domainOfPage[rank] ?? 0;
    const at = starts[domain] ?? 0;
    order[at] = i;
    starts[domain] = at + 1;
  });
  return order;
}
