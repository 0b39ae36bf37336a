/**
 * The normalize bolt: one spelling for every page (the shared URL rules), one id for every person (the generation's
 * mapping), bots and invalid URLs left out and counted. What is left of a slice goes on by page and by domain, so that
 * the fields grouping on `url` and on `domain` brings all of one subject to one task.
 */
import type { Rules } from '../lib/facts/rules.js';
import { domainOf } from '../lib/url/domain.js';
import { hourOf } from '../lib/time/buckets.js';
import type { Slice } from './log-intake.js';
import type { PersonCoupons } from './person-coupons.js';
import type { CellSubject } from './store/cell-key.js';
import type { PartitionNotes } from './store/partition-view.js';
import type { Bolt, BoltOutput, Tuple } from './topology/index.js';

/** Pageviews of one subject: `hours[i]` and `coupons[i]` belong to one pageview. */
export interface Views {
  readonly subject: CellSubject;
  readonly hours: number[];
  readonly coupons: number[];
}

interface Page {
  readonly url: string;
  readonly domain: string;
}

const memoEntries = 65_536;

export class NormalizeBolt implements Bolt<[slice: Slice]> {
  readonly outputs = {
    pages: ['url', 'partition', 'views'],
    domains: ['domain', 'partition', 'views'],
    notes: ['partition', 'notes'],
  } as const;

  readonly #rules: Rules;
  readonly #persons: PersonCoupons;
  /** Raw URL -> its page, or why it has none. */
  #memo = new Map<string, Page | string>();
  #output: BoltOutput | undefined;

  constructor(rules: Rules, persons: PersonCoupons) {
    this.#rules = rules;
    this.#persons = persons;
  }

  prepare(_context: unknown, output: BoltOutput): void {
    this.#output = output;
  }

  execute(tuple: Tuple<[slice: Slice]>): void {
    const [slice] = tuple.values;
    const pages = new Map<string, Views>();
    const domains = new Map<string, Views>();
    const refused = new Map(slice.refused);
    for (const pageview of slice.pageviews) {
      const page = this.#rules.bots.excludes(pageview.userAgent) ? 'known bot' : this.#pageOf(pageview.url);
      if (typeof page === 'string') {
        refused.set(page, (refused.get(page) ?? 0) + 1);
        continue;
      }
      const hour = hourOf(pageview.timestamp);
      const coupon = this.#persons.of(pageview.visitor);
      add(pages, page.url, hour, coupon, () => ({ kind: 'page', ...page }));
      add(domains, page.domain, hour, coupon, () => ({ kind: 'domain', domain: page.domain }));
    }
    this.#emit('pages', pages, tuple);
    this.#emit('domains', domains, tuple);
    const { edges, deadLetters, lastReceivedAt, partition } = slice;
    const notes: PartitionNotes = { edges, deadLetters, refused, lastReceivedAt };
    this.#output?.emitTo('notes', [partition, notes], tuple);
    this.#output?.ack(tuple);
  }

  #emit(
    stream: 'pages' | 'domains',
    subjects: ReadonlyMap<string, Views>,
    tuple: Tuple<[slice: Slice]>,
  ): void {
    const { partition } = tuple.values[0];
    for (const [name, views] of subjects) this.#output?.emitTo(stream, [name, partition, views], tuple);
  }

  #pageOf(raw: string): Page | string {
    const known = this.#memo.get(raw);
    if (known !== undefined) return known;
    const normalized = this.#rules.url.normalize(raw);
    const page = normalized.ok
      ? { url: normalized.url, domain: domainOf(normalized.url) }
      : `invalid URL: ${normalized.reason}`;
    if (this.#memo.size >= memoEntries) this.#memo = new Map();
    this.#memo.set(raw, page);
    return page;
  }
}

function add(
  subjects: Map<string, Views>,
  name: string,
  hour: number,
  coupon: number,
  subject: () => CellSubject,
): void {
  let views = subjects.get(name);
  if (views === undefined) {
    views = { subject: subject(), hours: [], coupons: [] };
    subjects.set(name, views);
  }
  views.hours.push(hour);
  views.coupons.push(coupon);
}
