/** The cells that an epoch changes, as numbers in flat arrays. */
import { sumUp } from '../../lib/memory/counting-sort.js';

export interface CellNumbers {
  /** Where each cell's key ends; keys lie one after the other. */
  readonly keyEnds: Uint32Array<ArrayBuffer>;
  /** By number of a page's cell: the cell of the domain that it counts for too. -1 for a domain's cell. */
  readonly siteCells: Int32Array<ArrayBuffer>;
  /** Two words for each pageview: the number of the page's cell, and the person's coupon. */
  readonly views: Uint32Array<ArrayBuffer>;
}

/**
 * Calls `visit` for cell after cell with where its key lies and the coupons of its pageviews, by counting sort. A pageview counts in
 * the cell of its page and in that of the page's domain.
 */
export function forEachCell(
  { keyEnds, siteCells, views }: CellNumbers,
  visit: (cell: number, keyFrom: number, keyEnd: number, coupons: Uint32Array) => void,
): void {
  const starts = new Uint32Array(siteCells.length + 1);
  for (let i = 0; i < views.length; i += 2) {
    const cell = views[i];
    starts[cell + 1]++;
    starts[siteCells[cell] + 1]++;
  }
  sumUp(starts);
  const coupons = new Uint32Array(views.length);
  const next = starts.slice();
  for (let i = 0; i < views.length; i += 2) {
    const cell = views[i];
    coupons[next[cell]++] = views[i + 1];
    coupons[next[siteCells[cell]]++] = views[i + 1];
  }
  let keyFrom = 0;
  for (let cell = 0; cell < keyEnds.length; cell++) {
    const keyEnd = keyEnds[cell];
    visit(cell, keyFrom, keyEnd, coupons.subarray(starts[cell], starts[cell + 1]));
    keyFrom = keyEnd;
  }
}
