/**
 * The normalize bolt: one spelling for every page (the shared URL rules), one id for every person (the generation's
 * mapping); bots and invalid URLs are left out and counted.
 *
 * What is left of a slice is dealt into lanes by the hash of its URL, and a lane goes on as one tuple: with fields
 * grouping on the lane, all of one URL comes to one task. (Grouping on the URL itself does the same with a tuple for every
 * page in the slice; that took half of the time.)
 *
 * Each look-up is a loop of its own over the slice. All of them go to memory far apart; with nothing else in between, the
 * processor waits for many at once.
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
    const wanted = unique.filter((row) => !this.#isBot(pageviews, row));
    count(refused, 'known bot', unique.length - wanted.length);
    const rows: number[] = [];
    const pages: Page[] = [];
    wanted
      .map((row) => pageOf(names, pageviews, row))
      .forEach((page, i) => {
        if (typeof page === 'string') return count(refused, page, 1);
        rows.push(wanted[i] ?? 0);
        pages.push(page);
      });
    const hours = rows.map((row) => hourOf(pageviews.timestamps[row] ?? 0));
    const coupons = rows.map((row) => this.#couponOf(pageviews, row));
    const views: SliceViews = { pages, hours, coupons };
    for (const [lane, ofLane] of dealt(pages).entries()) {
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

/** The indexes of the pages of each lane. */
function dealt(pages: readonly Page[]): readonly number[][] {
  const indexes: readonly number[][] = Array.from({ length: lanes }, () => []);
  pages.forEach(({ lane }, i) => indexes[lane]?.push(i));
  return indexes;
}

function count(counts: Map<string, number>, reason: string, times: number): void {
  if (times > 0) counts.set(reason, (counts.get(reason) ?? 0) + times);
}

function pageOf(names: PageNames, { urls }: PageviewColumns, row: number): Page | string {
  const hi = urls.hi[row] ?? 0;
  const lo = urls.lo[row] ?? 0;
  return names.known(hi, lo) ?? names.add(hi, lo, urls.text(row));
}
