/**
 * The normalize bolt: one spelling for every page (the shared URL rules), one id for every person (the generation's
 * mapping); bots and invalid URLs are left out and counted.
 *
 * What is left of a slice is dealt into lanes by the hash of its URL, and a lane goes on as one tuple: with fields
 * grouping on the lane, all of one URL comes to one task. (Grouping on the URL itself does the same with a tuple for every
 * page in the slice; that took half of the time.)
 *
 * Each look-up is a loop of its own over the slice, behind one that only brings near what it will look at. All of them go
 * to memory far apart; with nothing else in between, the processor waits for many at once. They go by index: the
 * iterator of a typed array took a twentieth of this thread's time.
 */
import type { PartitionName } from '../lib/log/log.js';
import { hourOf } from '../lib/time/buckets.js';
import type { BotAgents } from './bot-agents.js';
import type { SliceFacts } from './log-intake.js';
import { lanes, type Page, type PageNames } from './page-names.js';
import type { PageviewColumns } from './pageview-columns.js';
import type { PersonCoupons } from './person-coupons.js';
import type { PartitionNotes, SliceViews } from './store/view-changes.js';
import type { PartitionWork } from './partition-work.js';
import type { Bolt, BoltOutput, Tuple } from './topology/index.js';

export class NormalizeBolt implements Bolt<[facts: SliceFacts]> {
  readonly outputs = {
    pages: ['lane', 'partition', 'views', 'rows'],
    notes: ['partition', 'notes'],
  } as const;

  readonly #bots: BotAgents;
  readonly #work: ReadonlyMap<PartitionName, PartitionWork>;
  readonly #persons: PersonCoupons;
  #output: BoltOutput | undefined;

  constructor(bots: BotAgents, work: ReadonlyMap<PartitionName, PartitionWork>, persons: PersonCoupons) {
    this.#bots = bots;
    this.#work = work;
    this.#persons = persons;
  }

  prepare(_context: unknown, output: BoltOutput): void {
    this.#output = output;
  }

  execute(tuple: Tuple<[facts: SliceFacts]>): void {
    const [{ partition, pageviews, rows: unique, refused: before, ...noted }] = tuple.values;
    const names = this.#work.get(partition)?.names;
    if (names === undefined) throw new TypeError(`not a partition of this topology: ${partition}`);
    const refused = new Map(before);
    const wanted = this.#withoutBots(pageviews, unique);
    count(refused, 'known bot', unique.length - wanted.length);
    const { rows, pages } = withPages(names, pageviews, wanted, refused);
    const hours = rows.map((row) => hourOf(pageviews.timestamps[row] ?? 0));
    const coupons = this.#couponsOf(pageviews, rows);
    const views: SliceViews = { pages, hours, coupons };
    for (const [lane, ofLane] of dealt(pages).entries()) {
      if (ofLane.length > 0) this.#output?.emitTo('pages', [lane, partition, views, ofLane], tuple);
    }
    const notes: PartitionNotes = { ...noted, refused };
    this.#output?.emitTo('notes', [partition, notes], tuple);
    this.#output?.ack(tuple);
  }

  #withoutBots({ userAgents }: PageviewColumns, rows: Int32Array): Int32Array {
    const kept = new Int32Array(rows.length);
    let end = 0;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] ?? 0;
      const hi = userAgents.hi[row] ?? 0;
      const lo = userAgents.lo[row] ?? 0;
      const known = this.#bots.known(hi, lo);
      const excluded = known >= 0 ? known : this.#bots.add(hi, lo, userAgents.text(row));
      if (excluded === 0) kept[end++] = row;
    }
    return kept.subarray(0, end);
  }

  #couponsOf({ visitors }: PageviewColumns, rows: Int32Array): Uint32Array {
    this.#persons.prefetch(visitors.lo);
    const coupons = new Uint32Array(rows.length);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] ?? 0;
      const hi = visitors.hi[row] ?? 0;
      const lo = visitors.lo[row] ?? 0;
      const known = this.#persons.known(hi, lo);
      coupons[i] = known >= 0 ? known : this.#persons.add(hi, lo, visitors.text(row));
    }
    return coupons;
  }
}

/** The rows whose URL has a page, and that page; why the others have none is counted. */
function withPages(
  names: PageNames,
  { urls }: PageviewColumns,
  wanted: Int32Array,
  refused: Map<string, number>,
): { readonly rows: Int32Array; readonly pages: readonly Page[] } {
  names.prefetch(urls.lo);
  const rows = new Int32Array(wanted.length);
  const pages: Page[] = [];
  for (let i = 0; i < wanted.length; i++) {
    const row = wanted[i] ?? 0;
    const hi = urls.hi[row] ?? 0;
    const lo = urls.lo[row] ?? 0;
    const page = names.known(hi, lo) ?? names.add(hi, lo, urls.text(row));
    if (typeof page === 'string') count(refused, page, 1);
    else rows[pages.push(page) - 1] = row;
  }
  return { rows: rows.subarray(0, pages.length), pages };
}

/** The indexes of the pages of each lane. */
function dealt(pages: readonly Page[]): readonly Int32Array[] {
  const indexes = Array.from({ length: lanes }, () => new Int32Array(pages.length));
  const ends = new Int32Array(lanes);
  pages.forEach(({ lane }, i) => {
    const end = ends[lane] ?? 0;
    ends[lane] = end + 1;
    const ofLane = indexes[lane];
    if (ofLane !== undefined) ofLane[end] = i;
  });
  return indexes.map((ofLane, lane) => ofLane.subarray(0, ends[lane]));
}

function count(counts: Map<string, number>, reason: string, times: number): void {
  if (times > 0) counts.set(reason, (counts.get(reason) ?? 0) + times);
}
