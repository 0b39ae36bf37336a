/**
 * Decides which pageviews of a slice count unless they are repeats: those with a page, whose user agent is not a known bot, and that no
 * exclusion of the generation leaves out. The topology uses it for what it counts, and prime-repeats.ts for the records before a generation's
 * cut, so that both agree on what makes a later pageview a repeat.
 *
 * Each kind of look-up is a separate loop over the slice, after a loop that only prefetches its slots. The look-ups hit distant memory; with
 * nothing else in between, the processor waits for many at once. The loops use indexes: the iterator of a typed array took 5 % of this thread's
 * time.
 */
import { repeatKeys } from '../../facts/repeat.js';
import { Exclusions, isWithinTimes, type Times } from '../../facts/exclusions.js';
import type { Rules } from '../../facts/rules.js';
import type { BatchView, WaitingEdge } from '../../facts/views/view.js';
import { hashWords, type KeyedHash } from '../../lib/memory/keyed-hash.js';
import { RecentObjects } from '../../lib/memory/recent-objects.js';
import { BotAgents } from './bot-agents.js';
import type { Page, PageCache } from './page-cache.js';
import { hashAt, rowWords, type PageviewColumns } from './pageview-columns.js';
import type { PartitionWork } from '../generations/partition-work.js';

/** Fields of a row that exclusions compare; the page is known already. */
const excludingFields = ['visitor', 'userAgent', 'importId'] as const;
const rememberedTexts = 65_536;

/** eventId, visitor and page are adjacent in a row, as `repeatKeys` requires. */
const keyPartsAt = hashAt.eventId;

/** Pageviews that count unless they are repeats. `rows` and `pages` are parallel. */
export interface CountablePageviews {
  /** Row numbers within the slice. */
  readonly rows: Int32Array;
  readonly pages: readonly Page[];
  /** By row, `hashWords` words: the key that repeats have in common (facts/repeat.ts). Valid only for `rows`. */
  readonly keys: Int32Array;
  /** Number of the other rows, by the reason why they do not count. */
  readonly refused: ReadonlyMap<string, number>;
}

/** The parts of a batch view that leave pageviews out. */
export type ExcludingView = Pick<BatchView, 'exclusions'> & {
  readonly meta: Pick<BatchView['meta'], 'keptFrom'>;
};

export class CountingRules {
  readonly #bots: BotAgents;
  readonly #hash: KeyedHash;
  readonly #exclusions: Exclusions;
  /** For each field that exclusions compare: hash of the text -> times at which pageviews with it are left out. */
  readonly #excluded: readonly ExcludedTexts[];
  readonly #excludedPages = new WeakMap<Page, Times>();

  /** @param view batch view of the generation; its exclusions apply */
  constructor(rules: Rules, hash: KeyedHash, view: ExcludingView) {
    this.#exclusions = new Exclusions(view.exclusions(), rules, view.meta.keptFrom);
    this.#excluded = excludingFields
      .filter((field) => this.#exclusions.has(field))
      .map((field) => ({ field, recent: new RecentObjects<Times>(rememberedTexts) }));
    this.#bots = new BotAgents(rules.bots);
    this.#hash = hash;
  }

  /** The edges that may join ids: those without an erased id. */
  joining<E extends Pick<WaitingEdge, 'a' | 'b'>>(edges: readonly E[]): readonly E[] {
    if (this.#exclusions.erased.isEmpty) return edges;
    return edges.filter((edge) => !this.#exclusions.excludesEdge(edge));
  }

  /** Throws any error of the rules. */
  countable(pageviews: PageviewColumns, cache: PageCache): CountablePageviews {
    const refused = new Map<string, number>();
    const wanted = this.#withoutBots(pageviews);
    count(refused, 'known bot', pageviews.length - wanted.length);
    const { rows, pages } = this.#withoutExcluded(
      pageviews,
      withPages(cache, pageviews, wanted, refused),
      refused,
    );
    return { rows, pages, keys: repeatKeys(this.#hash, pageviews.hashes, keyPartsAt, rowWords), refused };
  }

  /**
   * Adds pageviews that are not counted here, or no longer, to the partition's deduplication window, so that later ones repeat them. Throws any
   * error of the rules, before it has added anything.
   */
  show(pageviews: PageviewColumns, { pages, repeats }: PartitionWork): void {
    const { rows, keys } = this.countable(pageviews, pages);
    repeats.prefetch(keys);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] ?? 0;
      const offset = pageviews.offsets[row];
      if (offset !== undefined) repeats.isRepeat(keys, hashWords * row, offset);
    }
  }

  #withoutExcluded(pageviews: PageviewColumns, found: RowPages, refused: Map<string, number>): RowPages {
    if (this.#exclusions.isEmpty) return found;
    const isKept = found.pages.map((page, i) => !this.#isExcluded(pageviews, found.rows[i] ?? 0, page));
    const pages = found.pages.filter((_, i) => isKept[i]);
    count(refused, 'excluded', found.pages.length - pages.length);
    return { rows: found.rows.filter((_, i) => isKept[i]), pages };
  }

  #isExcluded(pageviews: PageviewColumns, row: number, page: Page): boolean {
    const time = pageviews.timestamps[row] ?? 0;
    if (time < this.#exclusions.keptFrom || isWithinTimes(this.#timesOfPage(page), time)) return true;
    return this.#excluded.some(({ field, recent }) => {
      const at = rowWords * row + hashAt[field];
      const times =
        recent.get(pageviews.hashes, at) ??
        recent.set(
          pageviews.hashes,
          at,
          this.#exclusions.timesOf(field, pageviews.text(row, field)) ?? never,
        );
      return isWithinTimes(times, time);
    });
  }

  #timesOfPage(page: Page): Times {
    let times = this.#excludedPages.get(page);
    if (times === undefined) {
      times = this.#exclusions.timesOf('urlPrefix', page.name) ?? never;
      this.#excludedPages.set(page, times);
    }
    return times;
  }

  #withoutBots(pageviews: PageviewColumns): Int32Array {
    const { hashes } = pageviews;
    const kept = new Int32Array(pageviews.length);
    let end = 0;
    for (let row = 0; row < pageviews.length; row++) {
      const agent = rowWords * row + hashAt.userAgent;
      const known = this.#bots.known(hashes, agent);
      const excluded = known >= 0 ? known : this.#bots.add(hashes, agent, pageviews.text(row, 'userAgent'));
      if (excluded === 0) kept[end++] = row;
    }
    return kept.subarray(0, end);
  }
}

type RowPages = Pick<CountablePageviews, 'rows' | 'pages'>;

const never: Times = [];

interface ExcludedTexts {
  readonly field: (typeof excludingFields)[number];
  readonly recent: RecentObjects<Times>;
}

/** The rows whose URL has a page, with that page. Counts the other rows by reason. */
function withPages(
  cache: PageCache,
  pageviews: PageviewColumns,
  wanted: Int32Array,
  refused: Map<string, number>,
): RowPages {
  const { hashes } = pageviews;
  cache.prefetch(hashes, hashAt.url, rowWords);
  const rows = new Int32Array(wanted.length);
  const pages: Page[] = [];
  for (let i = 0; i < wanted.length; i++) {
    const row = wanted[i] ?? 0;
    const url = rowWords * row + hashAt.url;
    const page = cache.known(hashes, url) ?? cache.add(hashes, url, pageviews.text(row, 'url'));
    if (typeof page === 'string') {
      count(refused, page, 1);
      continue;
    }
    page.putHash(hashes, rowWords * row + hashAt.page);
    rows[pages.push(page) - 1] = row;
  }
  return { rows: rows.subarray(0, pages.length), pages };
}

function count(counts: Map<string, number>, reason: string, times: number): void {
  if (times > 0) counts.set(reason, (counts.get(reason) ?? 0) + times);
}
