/**
 * The normalize bolt: maps each pageview to its page (the URL rules), its person (the generation's mapping) and its value in each dimension.
 * Leaves out bots, invalid URLs and repeats, and counts them.
 *
 * Repeats depend on the earlier records of the partition, so a partition's slices must arrive in log order, and none after one that failed. Both
 * hold even though shuffle grouping spreads slices over tasks: only one slice is in flight at a time (swa-topology.ts), and the spout stops at
 * the first failure.
 *
 * The pageviews that remain are split into groups by the hash of their URL, and each group is emitted as one tuple: with fields grouping on the
 * group, one task receives all pageviews of a URL. (Grouping on the URL itself would need a tuple for every page in the slice, which took half
 * of the time.)
 */
import { hashWords } from '../../lib/memory/keyed-hash.js';
import type { Offset, PartitionName } from '../../log/log.js';
import type { BucketWidth } from '../../lib/time/buckets.js';
import type { CountablePageviews, CountingRules } from './counting-rules.js';
import type { DimensionValues } from './dimension-values.js';
import type { SliceFacts } from './slice-source.js';
import { pageGroups, type Page } from './page-cache.js';
import { hashAt, rowWords, type PageviewColumns } from './pageview-columns.js';
import type { PartitionRepeats } from './partition-repeats.js';
import type { PartitionWork } from '../generations/partition-work.js';
import type { PersonCoupons } from './person-coupons.js';
import type { PartitionNotes, SliceViews } from '../store/epoch-changes.js';
import type { Bolt, BoltOutput, Tuple } from '../../topology/index.js';

export class NormalizeBolt implements Bolt<[facts: SliceFacts]> {
  readonly outputs = {
    pages: ['pageGroup', 'partition', 'views', 'rows'],
    notes: ['partition', 'notes'],
  } as const;

  readonly #rules: CountingRules;
  readonly #work: ReadonlyMap<PartitionName, PartitionWork>;
  readonly #persons: PersonCoupons;
  readonly #values: DimensionValues;
  readonly #width: BucketWidth;
  #output: BoltOutput | undefined;

  constructor(
    rules: CountingRules,
    work: ReadonlyMap<PartitionName, PartitionWork>,
    persons: PersonCoupons,
    values: DimensionValues,
    width: BucketWidth,
  ) {
    this.#rules = rules;
    this.#work = work;
    this.#persons = persons;
    this.#values = values;
    this.#width = width;
  }

  prepare(_context: unknown, output: BoltOutput): void {
    this.#output = output;
  }

  execute(tuple: Tuple<[facts: SliceFacts]>): void {
    const [{ partition, pageviews, isSetAside, invalid, ...noted }] = tuple.values;
    const work = this.#work.get(partition);
    if (work === undefined) throw new TypeError(`not a partition of this topology: ${partition}`);
    if (isSetAside) {
      this.#output?.emitTo('notes', [partition, { ...noted, ...nothing, deadLetters: 1 }], tuple);
      this.#output?.ack(tuple);
      return;
    }
    const countable = this.#rules.countable(pageviews, work.pages);
    const { rows, pages } = withoutRepeats(countable, pageviews.offsets, work.repeats);
    const buckets = rows.map((row) => this.#width.at(pageviews.timestamps[row] ?? 0));
    const coupons = this.#couponsOf(pageviews, rows);
    const combinations = this.#values.of(pageviews, rows, pages, work.combinations);
    const views: SliceViews = { pages, buckets, coupons, combinations };
    for (const [pageGroup, ofGroup] of dealt(pages).entries()) {
      if (ofGroup.length > 0) this.#output?.emitTo('pages', [pageGroup, partition, views, ofGroup], tuple);
    }
    const edges = this.#rules.joining(noted.edges);
    const erasedEdges = noted.edges.length - edges.length;
    const notes: PartitionNotes = {
      ...noted,
      edges,
      deadLetters: 0,
      repeats: countable.rows.length - rows.length,
      refused: new Map([
        ...invalid,
        ...countable.refused,
        ...(erasedEdges === 0 ? [] : [['erased', erasedEdges] as const]),
      ]),
    };
    this.#output?.emitTo('notes', [partition, notes], tuple);
    this.#output?.ack(tuple);
  }

  #couponsOf(pageviews: PageviewColumns, rows: Int32Array): Uint32Array {
    const { hashes } = pageviews;
    this.#persons.prefetch(hashes, hashAt.visitor, rowWords);
    const coupons = new Uint32Array(rows.length);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] ?? 0;
      const visitor = rowWords * row + hashAt.visitor;
      const known = this.#persons.known(hashes, visitor);
      coupons[i] = known >= 0 ? known : this.#persons.add(hashes, visitor, pageviews.text(row, 'visitor'));
    }
    return coupons;
  }
}

/**
 * Notes on a record that was set aside: only an exclusion counts, as one that waits for the next batch run. The window saw a pageview when it was
 * tried (unless the rules fail on it), so that later records repeat it as if it had counted.
 */
const nothing: Pick<PartitionNotes, 'edges' | 'repeats' | 'refused'> = {
  edges: [],
  repeats: 0,
  refused: new Map(),
};

function withoutRepeats(
  { rows, pages, keys }: CountablePageviews,
  offsets: readonly Offset[],
  repeats: PartitionRepeats,
): Pick<CountablePageviews, 'rows' | 'pages'> {
  repeats.prefetch(keys);
  const repeated = new Set<number>();
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] ?? 0;
    const offset = offsets[row];
    if (offset !== undefined && repeats.isRepeat(keys, hashWords * row, offset)) repeated.add(i);
  }
  if (repeated.size === 0) return { rows, pages };
  const isKept = (_: unknown, i: number): boolean => !repeated.has(i);
  return { rows: rows.filter(isKept), pages: pages.filter(isKept) };
}

/** The indexes of the pages in each group. */
function dealt(pages: readonly Page[]): readonly Int32Array[] {
  const indexes = Array.from({ length: pageGroups }, () => new Int32Array(pages.length));
  const ends = new Int32Array(pageGroups);
  pages.forEach(({ pageGroup }, i) => {
    const end = ends[pageGroup] ?? 0;
    ends[pageGroup] = end + 1;
    const ofGroup = indexes[pageGroup];
    if (ofGroup !== undefined) ofGroup[end] = i;
  });
  return indexes.map((ofGroup, pageGroup) => ofGroup.subarray(0, ends[pageGroup]));
}
