/** The cells that an epoch changes, as numbers in flat arrays. */
import { prefixSums } from '../../lib/memory/counting-sort.js';

export interface CellNumbers {
  /** End of each cell's key; the keys are concatenated. */
  readonly keyEnds: Uint32Array<ArrayBuffer>;
  /** By number of a page's cell: the cell of its domain, where its pageviews count too. -1 for other cells. */
  readonly siteCells: Int32Array<ArrayBuffer>;
  /** Two words per pageview: the number of the page's cell, and the person's coupon. */
  readonly views: Uint32Array<ArrayBuffer>;
  /** Number of dimensions that are kept. */
  readonly dimensions: number;
  /** The number of each pageview's combination of values; empty if no dimension is kept. */
  readonly combinations: Uint32Array<ArrayBuffer>;
  /** By number of the combination, `dimensions` words: the cells where its pageviews count too; -1 for no value. */
  readonly combinationCells: Int32Array<ArrayBuffer>;
}

/**
 * Groups the pageviews by cell with a counting sort, and calls `visit` for each cell with the range of its key and its coupons. A pageview
 * counts in the cells of its page, of the page's domain, and of its values.
 */
export function forEachCell(
  cells: CellNumbers,
  visit: (cell: number, keyFrom: number, keyEnd: number, coupons: Uint32Array) => void,
): void {
  const { keyEnds, siteCells, views, dimensions, combinations, combinationCells } = cells;
  const starts = new Uint32Array(siteCells.length + 1);
  for (let i = 0; i < views.length; i += 2) {
    const cell = views[i];
    starts[cell + 1]++;
    starts[siteCells[cell] + 1]++;
  }
  for (let i = 0; i < combinations.length; i++) {
    const from = dimensions * combinations[i];
    for (let at = from; at < from + dimensions; at++)
      if (combinationCells[at] >= 0) starts[combinationCells[at] + 1]++;
  }
  prefixSums(starts);
  const coupons = new Uint32Array(starts[siteCells.length]);
  const next = starts.slice();
  for (let i = 0; i < views.length; i += 2) {
    const cell = views[i];
    coupons[next[cell]++] = views[i + 1];
    coupons[next[siteCells[cell]]++] = views[i + 1];
  }
  for (let i = 0; i < combinations.length; i++) {
    const from = dimensions * combinations[i];
    for (let at = from; at < from + dimensions; at++)
      if (combinationCells[at] >= 0) coupons[next[combinationCells[at]]++] = views[2 * i + 1];
  }
  let keyFrom = 0;
  for (let cell = 0; cell < keyEnds.length; cell++) {
    const keyEnd = keyEnds[cell];
    visit(cell, keyFrom, keyEnd, coupons.subarray(starts[cell], starts[cell + 1]));
    keyFrom = keyEnd;
  }
}
