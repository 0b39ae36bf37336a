/** Decides which rows of pageviews count, and which are repeats of others that do. */
import { timeEnd, timeStart } from '../../facts/fact.js';
import { isExcluded, type ExcludedNumbers } from './excluded.js';
import { noPerson } from './people.js';

/** The columns of a row group of pageviews; times are pairs of words, the low one first. */
export interface PageviewColumns {
  readonly url: Int32Array;
  readonly visitor: Int32Array;
  readonly agent: Int32Array;
  /** Undefined if no exclusion is by import. */
  readonly import: Int32Array | undefined;
  readonly timestamp: Int32Array;
  /** Numbers of the texts that dimensions read; only the columns that the run needs. */
  readonly texts: readonly Int32Array[];
}

/** The tables that decide whether a row counts. */
export interface VerdictTables {
  /** By URL number: 1 + the page number; 0 if the rules refuse the URL. */
  readonly pageOfUrl: Uint32Array;
  /** By agent number: 1 for bots. */
  readonly bots: Uint8Array;
  /** By visitor number: two words, of which the first is `noPerson` for a placeholder. */
  readonly ofVisitor: Uint32Array;
  /** Undefined if nothing is excluded. */
  readonly excluded: ExcludedNumbers | undefined;
}

/** Why a row does not count; `counts` if it does. `invalid` rows are in files of earlier versions: `decodeRecord` refuses them today. */
export const verdicts = {
  counts: 0,
  noFact: 1,
  refusedUrl: 2,
  bot: 3,
  invalid: 4,
  repeat: 5,
  excluded: 6,
} as const;

export function verdictOf(
  { pageOfUrl, bots, ofVisitor, excluded }: VerdictTables,
  columns: PageviewColumns,
  row: number,
): number {
  const url = columns.url[row];
  if (url === 0) return verdicts.noFact;
  if (pageOfUrl[url] === 0) return verdicts.refusedUrl;
  if (bots[columns.agent[row]] === 1) return verdicts.bot;
  const time = timeOf(columns.timestamp, row);
  if (time < timeStart || time >= timeEnd || ofVisitor[2 * columns.visitor[row]] === noPerson)
    return verdicts.invalid;
  if (excluded !== undefined && isExcluded(excluded, columns, row, pageOfUrl[url], time))
    return verdicts.excluded;
  return verdicts.counts;
}

export function timeOf(times: Int32Array, row: number): number {
  return (times[2 * row] >>> 0) + times[2 * row + 1] * 2 ** 32;
}

/** For each of the first `pages.length` rows, writes 1 + its page if it counts, otherwise 0. */
export function writeCountedPages(
  deciding: VerdictTables,
  columns: PageviewColumns,
  pages: Uint32Array,
): void {
  for (let row = 0; row < pages.length; row++)
    pages[row] =
      verdictOf(deciding, columns, row) === verdicts.counts ? deciding.pageOfUrl[columns.url[row]] : 0;
}

/** For each file of pageviews, in the star's order: a bitmap of its rows, set for repeats; undefined for a file without repeats. */
export type RepeatBits = readonly (Uint8Array | undefined)[];

export interface Repeats {
  /** Number of rows before the cut, by file. */
  readonly rowsOf: readonly number[];
  readonly bits: RepeatBits;
  readonly count: number;
}

export function isRepeat(bits: Uint8Array | undefined, row: number): boolean {
  return bits !== undefined && ((bits[row >>> 3] >>> (row & 7)) & 1) === 1;
}

/**
 * Marks as repeats all rows that count except the first, for each page in each group of rows.
 *
 * @param groups two words per row: twice its file, plus 1 if a group begins; its index in the file
 * @param rowsOf number of rows before the cut, by file
 * @param pageOf 1 + the page of a row that counts and is before the cut, otherwise 0
 */
export function markRepeats(
  groups: Uint32Array,
  rowsOf: readonly number[],
  pageOf: (file: number, row: number) => number,
): Repeats {
  const bits: (Uint8Array | undefined)[] = [];
  let count = 0;
  let seen: number[] = [];
  for (let i = 0; i < groups.length; i += 2) {
    const [file, row] = [groups[i] >>> 1, groups[i + 1]];
    if (groups[i] % 2 === 1) seen = [];
    const page = pageOf(file, row);
    if (page === 0) continue;
    if (!seen.includes(page)) {
      seen.push(page);
      continue;
    }
    const own = (bits[file] ??= new Uint8Array(new SharedArrayBuffer(Math.ceil(rowsOf[file] / 8))));
    own[row >>> 3] |= 1 << (row & 7);
    count++;
  }
  return { rowsOf, bits, count };
}
