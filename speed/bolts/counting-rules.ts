/**
 * Which pageviews of a slice would count, as long as they are not repeats: those whose URL has a page, whose agent is no
 * known bot's, and that no exclusion of the generation leaves out, by the shared rules. The topology asks it for what it counts, and for what came before a generation's cut
 * (prime-repeats.ts), so that both decide alike what makes a later one a repeat.
 *
 * Each look-up is a loop of its own over the slice, behind one that only touches what it will look at. All of them go to
 * memory far apart; with nothing else in between, the processor waits for many at once. They go by index: the iterator of
 * a typed array took a twentieth of this thread's time.
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

/** The texts of a row that exclusions go by; its page is known already. */
const excludingFields = ['visitor', 'userAgent', 'importId'] as const;
const rememberedTexts = 65_536;

/** Eventid, visitor and page lie one after the other in a row, as keys want them. */
const keyPartsAt = hashAt.eventId;

/** What is at one index belongs together. */
export interface CountablePageviews {
  /** Rows of the slice. */
  readonly rows: Int32Array;
  readonly pages: readonly Page[];
  /** By row: what a repeat has alike, `hashWords` words (facts/repeat.ts). Only for these rows. */
  readonly keys: Int32Array;
  /** The other rows, by the reason why they do not count. */
  readonly refused: ReadonlyMap<string, number>;
}

/** What of a view leaves pageviews out. */
export type ExcludingView = Pick<BatchView, 'exclusions'> & {
  readonly meta: Pick<BatchView['meta'], 'keptFrom'>;
};

export class CountingRules {
  readonly #bots: BotAgents;
  readonly #hash: KeyedHash;
  readonly #exclusions: Exclusions;
  /** Of the fields that exclusions are by: hash of the text -> when pageviews with it are left out. */
  readonly #excluded: readonly ExcludedTexts[];
  readonly #excludedPages = new WeakMap<Page, Times>();

  /** @param view whose exclusions count: those of its generation */
  constructor(rules: Rules, hash: KeyedHash, view: ExcludingView) {
    this.#exclusions = new Exclusions(view.exclusions(), rules, view.meta.keptFrom);
    this.#excluded = excludingFields
      .filter((field) => this.#exclusions.has(field))
      .map((field) => ({ field, recent: new RecentObjects<Times>(rememberedTexts) }));
    this.#bots = new BotAgents(rules.bots);
    this.#hash = hash;
  }

  /** The edges that may join: none that names an erased id. */
  joining<E extends Pick<WaitingEdge, 'a' | 'b'>>(edges: readonly E[]): readonly E[] {
    if (this.#exclusions.erased.isEmpty) return edges;
    return edges.filter((edge) => !this.#exclusions.excludesEdge(edge));
  }

  /** Throws what the rules throw. */
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
   * Shows pageviews that are not counted here, or not any more, to the partition's window, so that later ones repeat them.
   * Throws what the rules throw, and then shows nothing.
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

/** The rows whose URL has a page, and that page; why the others have none is counted. */
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
