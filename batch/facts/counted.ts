/** Which rows of the star's pageviews count, and which are repeats of others that do. */
import { timeEnd, timeStart } from '../../facts/fact.js';
import { readGroup } from '../../master-data/star/read-facts.js';
import type { Star, StarFacts } from '../../master-data/star/star.js';
import { nobody, type People } from '../persons/people.js';

/** The columns of a row group of pageviews, times as pairs of words, the low one first. */
export interface PageviewColumns {
  readonly url: Int32Array;
  readonly visitor: Int32Array;
  readonly agent: Int32Array;
  readonly timestamp: Int32Array;
}

export function readPageviews(facts: StarFacts, group: number): PageviewColumns {
  const found = facts.groups[group];
  if (found === undefined) throw new RangeError(`${facts.path} has no row group ${group}`);
  return readGroup(facts.path, 'pageviews', found, ['url', 'visitor', 'agent', 'timestamp']);
}

/** What decides whether a row counts. */
export interface Deciding extends Pick<Star, 'pageOfUrl' | 'bots'> {
  /** By visitor number two words, of which the first is `nobody` for a placeholder. */
  readonly ofVisitor: Uint32Array;
}

/** Why a row does not count; `counts` where it does. Invalid ones are of earlier versions' files: `decodeRecord` refuses them today. */
export const verdicts = { counts: 0, noFact: 1, refusedUrl: 2, bot: 3, invalid: 4, repeat: 5 } as const;

export function verdictOf(
  { pageOfUrl, bots, ofVisitor }: Deciding,
  columns: PageviewColumns,
  row: number,
): number {
  const url = columns.url[row] ?? 0;
  if (url === 0) return verdicts.noFact;
  if (pageOfUrl[url] === 0) return verdicts.refusedUrl;
  if (bots[columns.agent[row] ?? 0] === 1) return verdicts.bot;
  const time = timeOf(columns.timestamp, row);
  if (time < timeStart || time >= timeEnd || ofVisitor[2 * (columns.visitor[row] ?? 0)] === nobody)
    return verdicts.invalid;
  return verdicts.counts;
}

export function timeOf(times: Int32Array, row: number): number {
  return ((times[2 * row] ?? 0) >>> 0) + (times[2 * row + 1] ?? 0) * 2 ** 32;
}

/** By file of pageviews in the star's order: a bit for each of its rows, set for repeats; undefined for a file without any. */
export type RepeatBits = readonly (Uint8Array | undefined)[];

export interface Repeats {
  /** Rows of each file below the cut. */
  readonly rowsOf: readonly number[];
  readonly bits: RepeatBits;
  readonly count: number;
}

export function isRepeat(bits: Uint8Array | undefined, row: number): boolean {
  return bits !== undefined && (((bits[row >>> 3] ?? 0) >>> (row & 7)) & 1) === 1;
}

/**
 * Of each group that the star has found, and each page in it, all that count but the first.
 *
 * @param rowsOf how many rows of each file lie below the cut
 */
export function findRepeats(star: Star, { ofVisitor }: People, rowsOf: readonly number[]): Repeats {
  const groups = star.repeats();
  const files = star.factsOf('pageviews');
  const { pageOfUrl, bots } = star;
  const deciding = { pageOfUrl, bots, ofVisitor };
  const pages: (Uint32Array | undefined)[] = [];
  const bits: (Uint8Array | undefined)[] = [];
  const pageOf = (file: number, row: number): number => {
    const facts = files[file];
    if (facts === undefined || row >= (rowsOf[file] ?? 0)) return 0;
    return (pages[file] ??= countedPages(deciding, facts, rowsOf[file] ?? 0))[row] ?? 0;
  };
  let count = 0;
  let seen: number[] = [];
  for (let i = 0; i < groups.length; i += 2) {
    const packed = groups[i] ?? 0;
    const [file, row] = [packed >>> 1, groups[i + 1] ?? 0];
    if (packed % 2 === 1) seen = [];
    const page = pageOf(file, row);
    if (page === 0) continue;
    if (!seen.includes(page)) {
      seen.push(page);
      continue;
    }
    const own = (bits[file] ??= new Uint8Array(new SharedArrayBuffer(Math.ceil((rowsOf[file] ?? 0) / 8))));
    own[row >>> 3] = (own[row >>> 3] ?? 0) | (1 << (row & 7));
    count++;
  }
  return { rowsOf, bits, count };
}

/** Of each row 1 + its page where it counts, else 0. */
function countedPages(deciding: Deciding, facts: StarFacts, rows: number): Uint32Array {
  const pages = new Uint32Array(rows);
  let before = 0;
  for (let group = 0; group < facts.groups.length && before < rows; group++) {
    const columns = readPageviews(facts, group);
    const until = Math.min(columns.url.length, rows - before);
    for (let row = 0; row < until; row++)
      if (verdictOf(deciding, columns, row) === verdicts.counts)
        pages[before + row] = deciding.pageOfUrl[columns.url[row] ?? 0] ?? 0;
    before += columns.url.length;
  }
  return pages;
}
