/** Writes the index of subjects from what the sorts found: every page, domain and visit record, and the listings. */
import type { ViewWriter } from '../serving/view-writer.js';
import type { Buckets } from './sorts/buckets.js';
import type { Names } from './arrays/plan.js';

const rowsPerStep = 1024;

export function writeIndex(
  writer: ViewWriter,
  names: Names,
  buckets: Buckets,
  onRows: (rows: number) => void,
): void {
  names.pagesByKey.forEach((rank, i) => {
    const place = buckets.pages.placeOf(rank);
    if (place !== undefined) writer.page(names.page(rank), place);
    if (i % rowsPerStep === rowsPerStep - 1) onRows(rowsPerStep);
  });
  for (const rank of names.domainsByKey) {
    const domain = names.domains[rank] ?? '';
    const place = buckets.domains.placeOf(rank);
    if (place !== undefined) writer.domain(domain, place);
    const visits = buckets.visits.get(rank);
    if (visits !== undefined) writer.visits(domain, visits);
    const end = names.firstPage[rank + 1] ?? 0;
    for (let page = names.firstPage[rank] ?? 0; page < end; page++) {
      const listed = buckets.pages.placeOf(page);
      if (listed !== undefined) writer.listPage(domain, names.page(page), listed.pageviews);
    }
  }
}
