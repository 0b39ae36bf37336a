/**
 * The pageviews of the last minutes, in memory, from which "people now" is counted. A pageview is recent if both its timestamp and its arrival
 * are, so importing an old log adds nothing. Memory is bounded: beyond `maxViews` the oldest are dropped, which `coveredFrom` reflects.
 */
import { Exclusions, type ExclusionTexts } from '../../facts/exclusions.js';
import type { Pageview } from '../../facts/fact.js';
import type { Rules } from '../../facts/rules.js';
import { maxClockAheadMs } from '../../facts/timestamps.js';
import type { BatchView } from '../../facts/views/view.js';
import { domainOf } from '../../facts/url/domain.js';

/** Pageviews older than this are dropped. */
export const maxMinutes = 30;
const maxAgeMs = maxMinutes * 60_000;
/** About 250 bytes each. */
const defaultMaxViews = 100_000;

/** The fields that exclusions compare, and those that are counted. */
export interface RecentView extends ExclusionTexts {
  /** The earlier of timestamp and arrival, UTC ms. */
  readonly at: number;
  readonly receivedAt: number;
  readonly domain: string;
}

/** The rules that decide which pageviews count. */
export type CountingRules = Pick<Rules, 'url' | 'bots' | 'erasures'>;

export class RecentPageviews {
  readonly #rules: CountingRules;
  readonly #exclusions = new WeakMap<object, Exclusions>();
  readonly #maxViews: number;
  /** In order of arrival; those before `#first` are dropped. */
  #views: RecentView[] = [];
  #first = 0;
  #coveredFrom = -Infinity;

  constructor(rules: CountingRules, maxViews = defaultMaxViews) {
    this.#rules = rules;
    this.#maxViews = maxViews;
  }

  get size(): number {
    return this.#views.length - this.#first;
  }

  /** Pageviews that arrived earlier may be missing (UTC ms). */
  get coveredFrom(): number {
    return this.#coveredFrom;
  }

  /** Declares that pageviews that arrived before `from` were not read. */
  startAt(from: number): void {
    this.#coveredFrom = Math.max(this.#coveredFrom, from);
  }

  /** Adds a pageview, unless it is old, of a bot, or has a URL that the rules refuse. */
  add(pageview: Pageview, nowMs: number): void {
    const { visitor, timestamp, receivedAt, userAgent = '', importId = '', url } = pageview;
    const at = Math.min(timestamp, receivedAt);
    if (at < nowMs - maxAgeMs || at > nowMs + maxClockAheadMs) return;
    if (this.#rules.bots.excludes(userAgent)) return;
    const normalized = this.#rules.url.normalize(url);
    if (!normalized.ok) return;
    const page = normalized.url;
    const domain = domainOf(page);
    this.#views.push({ visitor, userAgent, importId, timestamp, receivedAt, at, page, domain });
    if (this.size > this.#maxViews) this.#dropFirst(true);
  }

  /** Drops pageviews that have become old. */
  prune(nowMs: number): void {
    for (;;) {
      const first = this.#views[this.#first];
      if (first === undefined || first.receivedAt >= nowMs - maxAgeMs) return;
      this.#dropFirst(false);
    }
  }

  /**
   * Pageviews of a domain with `at` from `fromMs` on that the exclusions of a batch view do not leave out, from a snapshot at the call. Yields
   * undefined now and then, so that the reader can pause.
   */
  of(domain: string, fromMs: number, batch: Pick<BatchView, 'exclusions'>): Iterable<RecentView | undefined> {
    const exclusions = this.#exclusionsOf(batch);
    const counts = (view: RecentView): boolean =>
      view.at >= fromMs && view.domain === domain && !exclusions.excludes(view);
    return select(this.#views, this.#first, this.#views.length, counts);
  }

  #exclusionsOf(batch: Pick<BatchView, 'exclusions'>): Exclusions {
    const known = this.#exclusions.get(batch);
    if (known !== undefined) return known;
    const exclusions = new Exclusions(batch.exclusions(), this.#rules);
    this.#exclusions.set(batch, exclusions);
    return exclusions;
  }

  #dropFirst(isTooMany: boolean): void {
    const first = this.#views[this.#first++];
    if (isTooMany && first !== undefined) this.startAt(first.receivedAt + 1);
    if (this.#first <= this.#maxViews) return;
    this.#views = this.#views.slice(this.#first); // a new list, because readers may still use the old one
    this.#first = 0;
  }
}

function* select(
  views: readonly RecentView[],
  from: number,
  to: number,
  counts: (view: RecentView) => boolean,
): Generator<RecentView | undefined> {
  for (let i = from; i < to; i++) {
    const view = views[i];
    if (view !== undefined && counts(view)) yield view;
    if (i % 1_024 === 0) yield undefined;
  }
}
