/**
 * The normalize bolt: one spelling for every page (the shared URL rules), one id for every person (the generation's
 * mapping); bots and invalid URLs are left out and counted.
 *
 * What is left of a slice is dealt into lanes by the hash of its URL, and a lane goes on as one tuple: with fields
 * grouping on the lane, all of one URL comes to one task. (Grouping on the URL itself does the same with a tuple for every
 * page in the slice; that took half of the time.)
 */
import type { PartitionName } from '../lib/log/log.js';
import { hourOf } from '../lib/time/buckets.js';
import type { BotAgents } from './bot-agents.js';
import type { SliceFacts } from './log-intake.js';
import { lanes, type Page, type PageNames } from './page-names.js';
import type { PageviewColumns } from './pageview-columns.js';
import type { PersonCoupons } from './person-coupons.js';
import type { PartitionNotes, SliceViews } from './store/view-changes.js';
import type { PartitionWork } from './swa-topology.js';
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
    const rows: number[] = [];
    const pages: Page[] = [];
    const rowsOfLanes: readonly number[][] = Array.from({ length: lanes }, () => []);
    for (const row of unique) {
      const page = this.#isBot(pageviews, row) ? 'known bot' : pageOf(names, pageviews, row);
      if (typeof page === 'string') {
        refused.set(page, (refused.get(page) ?? 0) + 1);
        continue;
      }
      rowsOfLanes[page.lane]?.push(rows.length);
      rows.push(row);
      pages.push(page);
    }
    const hours = rows.map((row) => hourOf(pageviews.timestamps[row] ?? 0));
    const coupons = rows.map((row) => this.#couponOf(pageviews, row));
    const views: SliceViews = { pages, hours, coupons };
    for (const [lane, ofLane] of rowsOfLanes.entries()) {
      if (ofLane.length > 0) this.#output?.emitTo('pages', [lane, partition, views, ofLane], tuple);
    }
    const notes: PartitionNotes = { ...noted, refused };
    this.#output?.emitTo('notes', [partition, notes], tuple);
    this.#output?.ack(tuple);
  }

  #isBot({ userAgents }: PageviewColumns, row: number): boolean {
    const hi = userAgents.hi[row] ?? 0;
    const lo = userAgents.lo[row] ?? 0;
    const known = this.#bots.known(hi, lo);
    return (known >= 0 ? known : this.#bots.add(hi, lo, userAgents.text(row))) === 1;
  }

  #couponOf({ visitors }: PageviewColumns, row: number): number {
    const hi = visitors.hi[row] ?? 0;
    const lo = visitors.lo[row] ?? 0;
    const known = this.#persons.known(hi, lo);
    return known >= 0 ? known : this.#persons.add(hi, lo, visitors.text(row));
  }
}

function pageOf(names: PageNames, { urls }: PageviewColumns, row: number): Page | string {
  const hi = urls.hi[row] ?? 0;
  const lo = urls.lo[row] ?? 0;
  return names.known(hi, lo) ?? names.add(hi, lo, urls.text(row));
}
