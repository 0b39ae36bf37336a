/**
 * The normalize bolt: one spelling for every page (the shared URL rules), one id for every person (the generation's
 * mapping); bots and invalid URLs are left out and counted.
 *
 * What is left of a slice is dealt into lanes by the hash of its URL, and again by the hash of its domain, and a lane goes
 * on as one tuple: with fields grouping on the lane, all of one URL, and all of one domain, come to one task. (Grouping
 * on the URL itself does the same with a tuple for every page in the slice; that took half of the time.)
 */
import type { Pageview } from '../lib/facts/fact.js';
import type { Rules } from '../lib/facts/rules.js';
import { hourOf } from '../lib/time/buckets.js';
import { domainOf } from '../lib/url/domain.js';
import type { SliceFacts } from './log-intake.js';
import type { PersonCoupons } from './person-coupons.js';
import type { CellSubject } from './store/cell-key.js';
import type { PartitionNotes } from './store/partition-view.js';
import type { Bolt, BoltOutput, Tuple } from './topology/index.js';
import { TurningMap } from './turning-map.js';

/** Views of subjects of one lane: what is at one index belongs together. */
export interface LaneViews {
  readonly subjects: CellSubject[];
  readonly hours: number[];
  readonly coupons: number[];
}

interface Page {
  readonly page: CellSubject;
  readonly pageLane: number;
  readonly domain: CellSubject;
  readonly domainLane: number;
}

/** As many as tasks could be of use; a task takes one or more of them. */
const lanes = 4;
const rememberedUrls = 65_536;

export class NormalizeBolt implements Bolt<[facts: SliceFacts]> {
  readonly outputs = {
    pages: ['lane', 'partition', 'views'],
    domains: ['lane', 'partition', 'views'],
    notes: ['partition', 'notes'],
  } as const;

  readonly #rules: Rules;
  readonly #persons: PersonCoupons;
  /** By URL as received: its page, or why it has none. */
  readonly #pages = new TurningMap<string, Page | string>(rememberedUrls);
  #output: BoltOutput | undefined;

  constructor(rules: Rules, persons: PersonCoupons) {
    this.#rules = rules;
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
      const page = this.#judge(pageview);
      if (typeof page === 'string') {
        refused.set(page, (refused.get(page) ?? 0) + 1);
        continue;
      }
      const hour = hourOf(pageview.timestamp);
      const coupon = this.#persons.of(pageview.visitor);
      push(pages[page.pageLane], page.page, hour, coupon);
      push(domains[page.domainLane], page.domain, hour, coupon);
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

  #judge({ url, userAgent }: Pageview): Page | string {
    if (this.#rules.bots.excludes(userAgent)) return 'known bot';
    const known = this.#pages.get(url);
    if (known !== undefined) return known;
    const page = pageOf(url, this.#rules);
    this.#pages.set(url, page);
    return page;
  }
}

function pageOf(raw: string, rules: Rules): Page | string {
  const normalized = rules.url.normalize(raw);
  if (!normalized.ok) return `invalid URL: ${normalized.reason}`;
  const { url } = normalized;
  const domain = domainOf(url);
  return {
    page: { kind: 'page', url, domain },
    pageLane: laneOf(url),
    domain: { kind: 'domain', domain },
    domainLane: laneOf(domain),
  };
}

function laneOf(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x2c1b3c6d);
  return (hash >>> 16) % lanes;
}

function newLanes(): readonly LaneViews[] {
  return Array.from({ length: lanes }, () => ({ subjects: [], hours: [], coupons: [] }));
}

function push(lane: LaneViews | undefined, subject: CellSubject, hour: number, coupon: number): void {
  lane?.subjects.push(subject);
  lane?.hours.push(hour);
  lane?.coupons.push(coupon);
}
