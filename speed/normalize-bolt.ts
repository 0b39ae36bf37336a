/**
 * The normalize bolt: one spelling for every page (the shared URL rules), one id for every person (the generation's
 * mapping); bots and invalid URLs are left out and counted.
 *
 * What is left of a slice is dealt into lanes by the hash of its URL, and again by the hash of its domain, and a lane goes
 * on as one tuple: with fields grouping on the lane, all of one URL, and all of one domain, come to one task. (Grouping
 * on the URL itself does the same with a tuple for every page in the slice; that took half of the time.)
 */
import type { BotRule } from '../lib/facts/bots.js';
import { hourOf } from '../lib/time/buckets.js';
import type { SliceFacts } from './log-intake.js';
import { lanes, type PageNames } from './page-names.js';
import type { PersonCoupons } from './person-coupons.js';
import type { CellSubject } from './store/cell.js';
import type { PartitionNotes } from './store/partition-view.js';
import type { Bolt, BoltOutput, Tuple } from './topology/index.js';

/** Views of subjects of one lane: what is at one index belongs together. */
export interface LaneViews {
  readonly subjects: CellSubject[];
  readonly hours: number[];
  readonly coupons: number[];
}

export class NormalizeBolt implements Bolt<[facts: SliceFacts]> {
  readonly outputs = {
    pages: ['lane', 'partition', 'views'],
    domains: ['lane', 'partition', 'views'],
    notes: ['partition', 'notes'],
  } as const;

  readonly #bots: BotRule;
  readonly #names: PageNames;
  readonly #persons: PersonCoupons;
  #output: BoltOutput | undefined;

  constructor(bots: BotRule, names: PageNames, persons: PersonCoupons) {
    this.#bots = bots;
    this.#names = names;
    this.#persons = persons;
  }

  prepare(_context: unknown, output: BoltOutput): void {
    this.#output = output;
  }

  execute(tuple: Tuple<[facts: SliceFacts]>): void {
    const [{ partition, pageviews, edges, deadLetters, lastReceivedAt, refused: before }] = tuple.values;
    const pages = newLanes();
    const domains = newLanes();
    const refused = new Map(before);
    for (const pageview of pageviews) {
      const name = this.#bots.excludes(pageview.userAgent) ? 'known bot' : this.#names.of(pageview.url);
      if (typeof name === 'string') {
        refused.set(name, (refused.get(name) ?? 0) + 1);
        continue;
      }
      const hour = hourOf(pageview.timestamp);
      const coupon = this.#persons.of(pageview.visitor);
      push(pages[name.pageLane], name.page, hour, coupon);
      push(domains[name.domainLane], name.domain, hour, coupon);
    }
    for (let lane = 0; lane < lanes; lane++) {
      if (pages[lane]?.hours.length) this.#output?.emitTo('pages', [lane, partition, pages[lane]], tuple);
      if (domains[lane]?.hours.length)
        this.#output?.emitTo('domains', [lane, partition, domains[lane]], tuple);
    }
    const notes: PartitionNotes = { edges, deadLetters, refused, lastReceivedAt };
    this.#output?.emitTo('notes', [partition, notes], tuple);
    this.#output?.ack(tuple);
  }
}

function newLanes(): readonly LaneViews[] {
  return Array.from({ length: lanes }, () => ({ subjects: [], hours: [], coupons: [] }));
}

function push(lane: LaneViews | undefined, subject: CellSubject, hour: number, coupon: number): void {
  lane?.subjects.push(subject);
  lane?.hours.push(hour);
  lane?.coupons.push(coupon);
}
