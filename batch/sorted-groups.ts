/**
 * Sorts the facts by two 32-bit keys and hands them out group by group. The key space is cut into ranges of at most about
 * `rowsPerRange` rows; for each range one pass over the facts gathers its rows, and a radix sort (least significant
 * digit first, stable) orders them. So memory is bounded by the range, not by the facts, and no key can be too busy:
 * a major key with more rows than that is cut by its minor key.
 */
import { readFacts, rowsPerBlock, type FactBlock, type FactStoreHandle } from './fact-store.js';

export interface GroupKeys {
  /** Major key of a page. */
  readonly majorOfPage: Uint32Array;
  /** Rows of each major key. */
  readonly majorRows: Float64Array;
  readonly minor: 'hours' | 'persons';
  /** Order of the minor column's numbers, where they are not in order themselves. */
  readonly minorRank: Uint32Array | undefined;
  /** Minor keys are below this; as major keys, below 2^31. */
  readonly minorCount: number;
}

/** The rows of one (major, minor): `payload[from, to)`, in no order. */
export type OnGroup<P> = (major: number, minor: number, payload: P, from: number, to: number) => void;

/** What a row carries: coupons (u32), or times (f64). */
export interface PayloadKind<P extends Uint32Array | Float64Array> {
  readonly make: (length: number) => P;
  /** Copies the payloads of the chosen rows of a block to `into` from `at` on. */
  readonly fill: (block: FactBlock, chosen: Uint32Array, count: number, into: P, at: number) => void;
}

interface Range {
  readonly majorFrom: number;
  readonly majorTo: number;
  readonly minorFrom: number;
  readonly minorTo: number;
  readonly rows: number;
}

const coarseSlots = 1 << 16;
const digitBits = 11;

/** Calls `onGroup` for every group, ascending by (major, minor); `onRows` hears of progress. */
export function forEachGroup<P extends Uint32Array | Float64Array>(
  facts: FactStoreHandle,
  keys: GroupKeys,
  payload: PayloadKind<P>,
  rowsPerRange: number,
  onGroup: OnGroup<P>,
  onRows: (rows: number) => void,
): void {
  const ranges = planRanges(facts, keys, rowsPerRange);
  const largest = ranges.reduce((most, range) => Math.max(most, range.rows), 0);
  const front = new Columns(payload.make, largest + 1);
  const back = new Columns(payload.make, largest + 1);
  for (const range of ranges) {
    gather(facts, keys, range, payload, front);
    const sorted = sortColumns(front, back, range);
    emitGroups(sorted, range.rows, onGroup);
    onRows(range.rows);
  }
}

class Columns<P extends Uint32Array | Float64Array> {
  readonly major: Uint32Array;
  readonly minor: Uint32Array;
  readonly payload: P;

  constructor(make: (length: number) => P, length: number) {
    this.major = new Uint32Array(length);
    this.minor = new Uint32Array(length);
    this.payload = make(length);
  }
}

function planRanges(facts: FactStoreHandle, keys: GroupKeys, rowsPerRange: number): Range[] {
  const ranges: Range[] = [];
  const { majorRows, minorCount } = keys;
  let from = 0;
  let rows = 0;
  const close = (to: number): void => {
    if (rows > 0) ranges.push({ majorFrom: from, majorTo: to, minorFrom: 0, minorTo: minorCount, rows });
    from = to;
    rows = 0;
  };
  for (let major = 0; major < majorRows.length; major++) {
    const more = majorRows[major] ?? 0;
    if (rows + more > rowsPerRange) close(major);
    if (more > rowsPerRange) {
      ranges.push(...splitByMinor(facts, keys, major, rowsPerRange));
      from = major + 1;
    } else {
      rows += more;
    }
  }
  close(majorRows.length);
  return ranges;
}

/** Ranges of minor keys of one busy major key, by a coarse histogram. */
function splitByMinor(facts: FactStoreHandle, keys: GroupKeys, major: number, rowsPerRange: number): Range[] {
  const width = Math.max(1, Math.ceil(keys.minorCount / coarseSlots));
  const histogram = new Float64Array(Math.ceil(keys.minorCount / width));
  for (const block of readFacts(facts)) {
    const minors = block[keys.minor];
    for (let i = 0; i < block.rows; i++) {
      if (keys.majorOfPage[block.pages[i] ?? 0] !== major) continue;
      const minor = minors[i] ?? 0;
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

function gather<P extends Uint32Array | Float64Array>(
  facts: FactStoreHandle,
  keys: GroupKeys,
  range: Range,
  payload: PayloadKind<P>,
  into: Columns<P>,
): void {
  const { majorFrom, majorTo, minorFrom, minorTo } = range;
  const { majorOfPage, minorRank } = keys;
  const { major: majors, minor: minors } = into;
  const chosen = new Uint32Array(rowsPerBlock);
  let filled = 0;
  for (const block of readFacts(facts)) {
    const { pages } = block;
    const minorColumn = block[keys.minor];
    let count = 0;
    for (let i = 0; i < block.rows; i++) {
      const major = majorOfPage[pages[i] ?? 0] ?? 0;
      const number = minorColumn[i] ?? 0;
      const minor = minorRank === undefined ? number : (minorRank[number] ?? 0);
      // Written always, kept only when inside: the sign bit tells, without a branch to mispredict.
      majors[filled + count] = major - majorFrom;
      minors[filled + count] = minor - minorFrom;
      chosen[count] = i;
      const outside =
        (major - majorFrom) | (majorTo - 1 - major) | (minor - minorFrom) | (minorTo - 1 - minor);
      count += 1 - (outside >>> 31);
    }
    payload.fill(block, chosen, count, into.payload, filled);
    filled += count;
  }
  if (filled !== range.rows) throw new RangeError(`a range of ${range.rows} facts has ${filled}`);
}

interface Sorted<P> {
  readonly major: Uint32Array;
  readonly minor: Uint32Array;
  readonly payload: P;
  readonly range: Range;
}

/** Minor digits first, then major digits; each pass is stable. */
function sortColumns<P extends Uint32Array | Float64Array>(
  front: Columns<P>,
  back: Columns<P>,
  range: Range,
): Sorted<P> {
  let from = front;
  let to = back;
  for (const key of ['minor', 'major'] as const) {
    const span = key === 'minor' ? range.minorTo - range.minorFrom : range.majorTo - range.majorFrom;
    const bits = Math.ceil(Math.log2(Math.max(1, span)));
    const passes = Math.ceil(bits / digitBits);
    const width = Math.ceil(bits / Math.max(1, passes));
    for (let pass = 0; pass < passes; pass++) {
      radixPass(from, to, from[key], range.rows, pass * width, width);
      [from, to] = [to, from];
    }
  }
  return { major: from.major, minor: from.minor, payload: from.payload, range };
}

function radixPass<P extends Uint32Array | Float64Array>(
  from: Columns<P>,
  to: Columns<P>,
  key: Uint32Array,
  rows: number,
  shift: number,
  width: number,
): void {
  const mask = 2 ** width - 1;
  const starts = new Uint32Array(mask + 2);
  for (let i = 0; i < rows; i++) {
    const digit = (((key[i] ?? 0) >>> shift) & mask) + 1;
    starts[digit] = (starts[digit] ?? 0) + 1;
  }
  for (let digit = 1; digit < starts.length; digit++)
    starts[digit] = (starts[digit] ?? 0) + (starts[digit - 1] ?? 0);
  const { major, minor, payload } = from;
  const { major: toMajor, minor: toMinor, payload: toPayload } = to;
  for (let i = 0; i < rows; i++) {
    const digit = ((key[i] ?? 0) >>> shift) & mask;
    const at = starts[digit] ?? 0;
    starts[digit] = at + 1;
    toMajor[at] = major[i] ?? 0;
    toMinor[at] = minor[i] ?? 0;
    toPayload[at] = payload[i] ?? 0;
  }
}

function emitGroups<P>({ major, minor, payload, range }: Sorted<P>, rows: number, onGroup: OnGroup<P>): void {
  let from = 0;
  while (from < rows) {
    const majorKey = major[from] ?? 0;
    const minorKey = minor[from] ?? 0;
    let to = from + 1;
    while (to < rows && minor[to] === minorKey && major[to] === majorKey) to++;
    onGroup(majorKey + range.majorFrom, minorKey + range.minorFrom, payload, from, to);
    from = to;
  }
}
