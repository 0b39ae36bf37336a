/**
 * Which pageviews of a slice would count, as long as they are no repeats: those whose URL has a page and whose agent is no
 * known bot's, by the shared rules. The topology asks it for what it counts, and for what came before a generation's cut
 * (prime-repeats.ts), so that both decide alike what makes a later one a repeat.
 *
 * Each look-up is a loop of its own over the slice, behind one that only touches what it will look at. All of them go to
 * memory far apart; with nothing else in between, the processor waits for many at once. They go by index: the iterator of
 * a typed array took a twentieth of this thread's time.
 */
import { repeatKeys } from '../../facts/repeat.js';
import type { Rules } from '../../facts/rules.js';
import { hashWords, type KeyedHash } from '../../lib/memory/keyed-hash.js';
import { BotAgents } from './bot-agents.js';
import type { Page, PageCache } from './page-cache.js';
import { hashAt, rowWords, type PageviewColumns } from './pageview-columns.js';
import type { PartitionWork } from '../generations/partition-work.js';

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

export class CountingRules {
  readonly #bots: BotAgents;
  readonly #hash: KeyedHash;

  constructor(rules: Rules, hash: KeyedHash) {
    this.#bots = new BotAgents(rules.bots);
    this.#hash = hash;
  }

  /** Throws what the rules throw. */
  countable(pageviews: PageviewColumns, cache: PageCache): CountablePageviews {
    const refused = new Map<string, number>();
    const wanted = this.#withoutBots(pageviews);
    count(refused, 'known bot', pageviews.length - wanted.length);
    const { rows, pages } = withPages(cache, pageviews, wanted, refused);
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

/** The rows whose URL has a page, and that page; why the others have none is counted. */
function withPages(
  cache: PageCache,
  pageviews: PageviewColumns,
  wanted: Int32Array,
  refused: Map<string, number>,
): Pick<CountablePageviews, 'rows' | 'pages'> {
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
