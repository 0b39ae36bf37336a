/** Writes a view's index from the results of the sorts: every page, domain, value and visit record, and the listings. */
import type { RunDimension } from './dimensions.js';
import type { ViewWriter } from '../serving/view-writer.js';
import type { Buckets } from './sorts/buckets.js';
import type { Names } from './arrays/plan.js';

const rowsPerStep = 1024;

export function writeIndex(
  writer: ViewWriter,
  names: Names,
  buckets: Buckets,
  dimensions: readonly { readonly name: string; readonly text: RunDimension['text'] }[],
  onRows: (rows: number) => void,
): void {
  names.pagesByKey.forEach((rank, i) => {
    const block = buckets.pages.places.of(rank);
    if (block !== undefined) writer.page(names.page(rank), block);
    if (i % rowsPerStep === rowsPerStep - 1) onRows(rowsPerStep);
  });
  for (const [rank, domain] of names.domains.entries()) {
    const block = buckets.domains.places.of(rank);
    if (block !== undefined) writer.domain(domain, block);
    const visits = buckets.visits.get(rank);
    if (visits !== undefined) writer.visits(domain, visits);
    for (const [i, { name, text }] of dimensions.entries())
      for (const [value, ofValue] of buckets.dimensions[i]?.places.of(rank) ?? [])
        writer.value(name, domain, text(value), ofValue);
    const end = names.firstPage[rank + 1] ?? 0;
    for (let page = names.firstPage[rank] ?? 0; page < end; page++) {
      const listed = buckets.pages.places.of(page);
      if (listed !== undefined) writer.listPage(domain, names.page(page), listed.pageviews);
    }
  }
}
