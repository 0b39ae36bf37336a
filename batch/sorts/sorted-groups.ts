/**
 * Groups the facts of a shard by two numbers, major and minor, and hands the groups out in order. How many rows each major key
 * has is known, so one pass over the facts deals every row to its place among the rows of its major key; these rows are then
 * sorted by the minor key, unless they are in order already, as hours mostly are.
 *
 * The key space is cut into ranges of at most about `rowsPerRange` rows, one pass over the facts each. So memory is
 * bounded by the range, not by the facts, and no key can be too busy: a major key with more rows than that is cut by its
 * minor key.
 */
import { factWords, readFacts, wordsPerFact, type FactShard } from '../facts/fact-store.js';

export interface GroupKeys {
  /** Major key of a page. */
  readonly majorOfPage: Uint32Array;
  /** Rows of each major key. */
  readonly majorRows: Float64Array;
  /** The shard's major keys: [majorFrom, majorTo). */
  readonly majorFrom: number;
  readonly majorTo: number;
  /** The word of a fact that is the minor key. */
  readonly minor: number;
  /** Order of the minor column's numbers, where they are not in order themselves. */
  readonly minorRank?: Uint32Array;
  /** Minor keys are below this; as major keys, below 2^31. */
  readonly minorCount: number;
  /** The words that a row carries besides: one or two. */
  readonly payload: readonly [number, number?];
}

/**
 * The rows of one (major, minor): [from, to) of `rows`, whose i-th begins at word `i * (1 + payload words)` with the
 * minor key. In no order; valid during the call.
 */
export type OnGroup = (major: number, minor: number, rows: Uint32Array, from: number, to: number) => void;

interface Range {
  readonly majorFrom: number;
  readonly majorTo: number;
  readonly minorFrom: number;
  readonly minorTo: number;
  readonly rows: number;
}

const coarseSlots = 1 << 16;
const digitBits = 11;
const fewRows = 32;

/** Groups facts again and again in the same memory. */
export class Grouper {
  readonly #rowsPerRange: number;
  readonly #sorter = new RowSorter();
  #rows = new Uint32Array(0);

  constructor(rowsPerRange: number) {
    this.#rowsPerRange = rowsPerRange;
  }

  /** Calls `onGroup` for every group, ascending by (major, minor); `onRows` hears of progress. */
  forEachGroup(facts: FactShard, keys: GroupKeys, onGroup: OnGroup, onRows: (rows: number) => void): void {
    const stride = 1 + keys.payload.length;
    for (const range of planRanges(facts, keys, this.#rowsPerRange)) {
      if (this.#rows.length < stride * range.rows) this.#rows = new Uint32Array(stride * range.rows);
      const rows = this.#rows;
      const ends = deal(facts, keys, range, rows);
      let from = 0;
      for (let i = 0; i < ends.length; i++) {
        const to = ends[i] ?? from;
        if (to > from) {
          this.#sorter.sort(rows, stride, from, to, range.minorFrom, range.minorTo);
          emitGroups(rows, stride, from, to, range.majorFrom + i, onGroup);
        }
        from = to;
      }
      onRows(range.rows);
    }
  }
}

function planRanges(facts: FactShard, keys: GroupKeys, rowsPerRange: number): Range[] {
  const ranges: Range[] = [];
  const { majorRows, majorFrom, majorTo, minorCount } = keys;
  let from = majorFrom;
  let rows = 0;
  const close = (to: number): void => {
    if (rows > 0) ranges.push({ majorFrom: from, majorTo: to, minorFrom: 0, minorTo: minorCount, rows });
    from = to;
    rows = 0;
  };
  for (let major = majorFrom; major < majorTo; major++) {
    const more = majorRows[major] ?? 0;
    if (rows + more > rowsPerRange) close(major);
    if (more > rowsPerRange) {
      ranges.push(...splitByMinor(facts, keys, major, rowsPerRange));
      from = major + 1;
    } else {
      rows += more;
    }
  }
  close(majorTo);
  return ranges;
}

/** Ranges of minor keys of one busy major key, by a coarse histogram. */
function splitByMinor(facts: FactShard, keys: GroupKeys, major: number, rowsPerRange: number): Range[] {
  const width = Math.max(1, Math.ceil(keys.minorCount / coarseSlots));
  const histogram = new Float64Array(Math.ceil(keys.minorCount / width));
  for (const words of readFacts(facts)) {
    for (let at = 0; at < words.length; at += wordsPerFact) {
      if (keys.majorOfPage[words[at + factWords.page] ?? 0] !== major) continue;
      const minor = words[at + keys.minor] ?? 0;
      const slot = Math.floor((keys.minorRank?.[minor] ?? minor) / width);
      histogram[slot] = (histogram[slot] ?? 0) + 1;
    }
  }
  const ranges: Range[] = [];
  let from = 0;
  let rows = 0;
  const close = (slot: number): void => {
    const to = Math.min(keys.minorCount, slot * width);
    if (rows > 0) ranges.push({ majorFrom: major, majorTo: major + 1, minorFrom: from, minorTo: to, rows });
    from = to;
    rows = 0;
  };
  histogram.forEach((more, slot) => {
    if (rows + more > rowsPerRange) close(slot);
    rows += more;
  });
  close(histogram.length);
  return ranges;
}

/** Deals the rows of a range to their major keys, in the order of the facts; returns where each key's rows end. */
function deal(facts: FactShard, keys: GroupKeys, range: Range, into: Uint32Array): Uint32Array {
  const { majorFrom, majorTo, minorFrom, minorTo } = range;
  const { majorOfPage, minorRank } = keys;
  const stride = 1 + keys.payload.length;
  const [first, second] = keys.payload;
  const next = startsOf(keys, range);
  for (const words of readFacts(facts)) {
    for (let from = 0; from < words.length; from += wordsPerFact) {
      const major = majorOfPage[words[from + factWords.page] ?? 0] ?? 0;
      if (major < majorFrom || major >= majorTo) continue;
      const number = words[from + keys.minor] ?? 0;
      const minor = minorRank === undefined ? number : (minorRank[number] ?? 0);
      if (minor < minorFrom || minor >= minorTo) continue;
      const place = next[major - majorFrom] ?? 0;
      next[major - majorFrom] = place + 1;
      const at = place * stride;
      into[at] = minor;
      into[at + 1] = words[from + first] ?? 0;
      if (second !== undefined) into[at + 2] = words[from + second] ?? 0;
    }
  }
  const dealt = next.at(-1) ?? 0;
  if (dealt !== range.rows) throw new RangeError(`a range of ${range.rows} facts has ${dealt}`);
  return next;
}

/** Where the rows of each major key of a range start; a range of a part of one major key has no other. */
function startsOf({ majorRows }: GroupKeys, { majorFrom, majorTo }: Range): Uint32Array {
  const starts = new Uint32Array(majorTo - majorFrom);
  for (let i = 1; i < starts.length; i++)
    starts[i] = (starts[i - 1] ?? 0) + (majorRows[majorFrom + i - 1] ?? 0);
  return starts;
}

/** Sorts rows of two or three words (`stride`) by their first word, stably. */
class RowSorter {
  readonly #starts = new Uint32Array(2 ** digitBits + 1);
  #spare = new Uint32Array(0);

  /** Sorts the rows [from, to), whose keys lie in [least, end). */
  sort(rows: Uint32Array, stride: number, from: number, to: number, least: number, end: number): void {
    const last = (to - 1) * stride;
    let at = from * stride;
    while (at < last && (rows[at] ?? 0) <= (rows[at + stride] ?? 0)) at += stride;
    if (at >= last) return;
    if (to - from <= fewRows) insertionSort(rows, stride, from, to);
    else this.#radixSort(rows, stride, from, to, least, end);
  }

  /** Least significant digit first. */
  #radixSort(rows: Uint32Array, stride: number, from: number, to: number, least: number, end: number): void {
    const words = (to - from) * stride;
    if (this.#spare.length < words) this.#spare = new Uint32Array(words);
    const bits = Math.ceil(Math.log2(Math.max(2, end - least)));
    const passes = Math.ceil(bits / digitBits);
    const width = Math.ceil(bits / passes);
    const own = rows.subarray(from * stride, to * stride);
    let source = own;
    let target: Uint32Array = this.#spare.subarray(0, words);
    for (let pass = 0; pass < passes; pass++) {
      this.#pass(source, target, stride, least, pass * width, width);
      [source, target] = [target, source];
    }
    if (passes % 2 === 1) own.set(source);
  }

  #pass(
    source: Uint32Array,
    target: Uint32Array,
    stride: number,
    least: number,
    shift: number,
    width: number,
  ): void {
    const starts = this.#starts;
    const mask = 2 ** width - 1;
    starts.fill(0, 0, mask + 2);
    for (let at = 0; at < source.length; at += stride) {
      const digit = ((((source[at] ?? 0) - least) >>> shift) & mask) + 1;
      starts[digit] = (starts[digit] ?? 0) + 1;
    }
    for (let digit = 1; digit <= mask; digit++)
      starts[digit] = (starts[digit] ?? 0) + (starts[digit - 1] ?? 0);
    for (let at = 0; at < source.length; at += stride) {
      const key = source[at] ?? 0;
      const digit = ((key - least) >>> shift) & mask;
      const place = starts[digit] ?? 0;
      starts[digit] = place + 1;
      const to = place * stride;
      target[to] = key;
      target[to + 1] = source[at + 1] ?? 0;
      if (stride > 2) target[to + 2] = source[at + 2] ?? 0;
    }
  }
}

function insertionSort(rows: Uint32Array, stride: number, from: number, to: number): void {
  for (let i = from + 1; i < to; i++) {
    const at = i * stride;
    const key = rows[at] ?? 0;
    const first = rows[at + 1] ?? 0;
    const second = rows[at + 2] ?? 0; // of the next row, when there is none
    let hole = at;
    while (hole > from * stride && (rows[hole - stride] ?? 0) > key) {
      rows[hole] = rows[hole - stride] ?? 0;
      rows[hole + 1] = rows[hole + 1 - stride] ?? 0;
      if (stride > 2) rows[hole + 2] = rows[hole + 2 - stride] ?? 0;
      hole -= stride;
    }
    rows[hole] = key;
    rows[hole + 1] = first;
    if (stride > 2) rows[hole + 2] = second;
  }
}

function emitGroups(
  rows: Uint32Array,
  stride: number,
  start: number,
  end: number,
  major: number,
  onGroup: OnGroup,
): void {
  let from = start;
  while (from < end) {
    const minor = rows[from * stride] ?? 0;
    let to = from + 1;
    while (to < end && rows[to * stride] === minor) to++;
    onGroup(major, minor, rows, from, to);
    from = to;
  }
}
