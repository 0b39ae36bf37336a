/** Reads the star's pageviews for a run, and finds the repeats among them. */
import { readGroup } from '../../master-data/star/read-facts.js';
import type { Star, StarFacts } from '../../master-data/star/star.js';
import type { ExcludedNumbers } from '../arrays/excluded.js';
import type { People } from '../arrays/people.js';
import {
  markRepeats,
  writeCountedPages,
  type VerdictTables,
  type PageviewColumns,
  type Repeats,
} from '../arrays/verdict.js';

/** Columns of the texts that dimensions may read. */
export type TextColumnName = 'agent' | 'referrer' | 'tags' | 'country';

/**
 * Reads a row group. Throws `StarDamaged`.
 *
 * @param readsImports whether an exclusion is by import
 */
export function readPageviews(
  facts: StarFacts,
  group: number,
  texts: readonly TextColumnName[],
  readsImports: boolean,
): PageviewColumns {
  const found = facts.groups[group];
  if (found === undefined) throw new RangeError(`${facts.path} has no row group ${group}`);
  const ofImports = readsImports ? (['import'] as const) : [];
  const names = [...new Set(['url', 'visitor', 'agent', 'timestamp', ...ofImports, ...texts] as const)];
  const columns = readGroup(facts.path, 'pageviews', found, names);
  return {
    ...columns,
    import: readsImports ? columns.import : undefined,
    texts: texts.map((name) => columns[name]),
  };
}

/**
 * Finds the repeats in the candidate groups of the star.
 *
 * @param rowsOf number of rows before the cut, by file
 */
export function findRepeats(
  star: Star,
  { ofVisitor }: People,
  excluded: ExcludedNumbers | undefined,
  rowsOf: readonly number[],
): Repeats {
  const files = star.factsOf('pageviews');
  const { pageOfUrl, bots } = star;
  const deciding = { pageOfUrl, bots, ofVisitor, excluded };
  const pages: (Uint32Array | undefined)[] = [];
  return markRepeats(star.repeats(), rowsOf, (file, row) => {
    const facts = files[file];
    const rows = rowsOf[file] ?? 0; // 0 if the whole file is beyond the cut
    if (facts === undefined || row >= rows) return 0;
    return (pages[file] ??= countedPages(deciding, facts, rows))[row] ?? 0;
  });
}

/** For each row: 1 + its page if it counts, otherwise 0. */
function countedPages(deciding: VerdictTables, facts: StarFacts, rows: number): Uint32Array {
  const pages = new Uint32Array(rows);
  let before = 0;
  for (let group = 0; group < facts.groups.length && before < rows; group++) {
    const columns = readPageviews(facts, group, [], deciding.excluded?.imports !== undefined);
    writeCountedPages(deciding, columns, pages.subarray(before, before + columns.url.length));
    before += columns.url.length;
  }
  return pages;
}
