/** From the star's dictionaries, numbered as things appeared, to sort jobs by shard and in order of names. */
import { compareUtf8 } from '../../lib/facts/fact.js';
import type { Star } from '../../master-data/star/star.js';
import type { Dealer } from '../facts/deal.js';
import type { People } from '../persons/people.js';
import type { FactShard } from '../facts/fact-store.js';
import { orderHours } from './hour-order.js';
import { jobKinds, type SortJob, type SortTables } from './sort-job.js';
import { textOrder } from './text-order.js';

/**
 * Names by rank. Ranks put domains in order of their shards and then of their names, pages in order of their domains and
 * then of their URLs: what a shard holds is a range of ranks, and so is what a domain holds.
 */
export interface Names {
  readonly pageCount: number;
  readonly domains: readonly string[];
  /** The URL of the page of a rank. */
  readonly page: (rank: number) => string;
  /** The ranks of all pages, and of all domains, in key order. */
  readonly pagesByKey: Uint32Array;
  readonly domainsByKey: Uint32Array;
  /** The pages of a domain: [firstPage[domain], firstPage[domain + 1]). */
  readonly firstPage: Uint32Array;
}

export function makeSortJobs(
  star: Star,
  people: People,
  dealer: Pick<Dealer, 'shardOfDomain' | 'pageviews' | 'hours'>,
  shards: readonly FactShard[],
  options: { readonly lgK: number; readonly rowsPerRange: number },
): { readonly tables: SortTables; readonly jobs: readonly SortJob[]; readonly names: Names } {
  const { pages, domains, domainOfPage } = star;
  const { shardOfDomain } = dealer;
  const byName = inOrder(domains, compareUtf8);
  const domainNumbers = byName.toSorted((a, b) => (shardOfDomain[a] ?? 0) - (shardOfDomain[b] ?? 0));
  const domainRanks = inverse(domainNumbers);
  const domainRank = domainOfPage.subarray(0, pages.count).map((domain) => domainRanks[domain] ?? 0);
  const firstPage = startsOf(domainRank, domains.length);
  const pagesByKey = textOrder(pages);
  const pageRank = dealt(pagesByKey, domainRank, firstPage);
  const pageOfRank = inverse(pageRank);
  const rowsOfPages = dealer.pageviews;
  const pageRows = new Float64Array(pages.count);
  const domainRows = new Float64Array(domains.length);
  for (let page = 0; page < pages.count; page++) {
    const [rank, domain, rows] = [pageRank[page] ?? 0, domainRank[page] ?? 0, rowsOfPages[page] ?? 0];
    pageRows[rank] = rows;
    domainRows[domain] = (domainRows[domain] ?? 0) + rows;
  }
  const firstDomain = startsOf(shardOfDomain, shards.length);
  return {
    tables: {
      pageRank,
      domainRank,
      pageRows,
      domainRows,
      hours: orderHours(dealer.hours),
      persons: people.count,
      ...options,
    },
    jobs: shards.flatMap((facts, shard): SortJob[] => {
      if (facts.rows === 0) return [];
      const [from, to] = [firstDomain[shard] ?? 0, firstDomain[shard + 1] ?? 0];
      const [fromPage, toPage] = [firstPage[from] ?? 0, firstPage[to] ?? 0];
      return jobKinds.map((kind) =>
        kind === 'pages' ? { kind, facts, from: fromPage, to: toPage } : { kind, facts, from, to },
      );
    }),
    names: {
      pageCount: pages.count,
      page: (rank) => pages.text(pageOfRank[rank] ?? 0),
      domains: Array.from(domainNumbers, (domain) => domains[domain] ?? ''),
      pagesByKey: pagesByKey.map((page) => pageRank[page] ?? 0),
      domainsByKey: byName.map((domain) => domainRanks[domain] ?? 0),
      firstPage,
    },
  };
}

/** The numbers of items in the order of `compare`. */
function inOrder<T>(items: readonly T[], compare: (a: T, b: T) => number): Uint32Array {
  const order = items.map((item, number) => ({ item, number })).toSorted((a, b) => compare(a.item, b.item));
  return Uint32Array.from(order, ({ number }) => number);
}

/** From what is at each place to the place of each. */
function inverse(order: Uint32Array): Uint32Array {
  const places = new Uint32Array(order.length);
  order.forEach((number, place) => (places[number] = place));
  return places;
}

/** Where the things of each group start when they lie group after group; one more than there are groups. */
function startsOf(groups: Uint32Array, count: number): Uint32Array {
  const starts = new Uint32Array(count + 1);
  for (const group of groups) starts[group + 1] = (starts[group + 1] ?? 0) + 1;
  for (let group = 1; group <= count; group++)
    starts[group] = (starts[group] ?? 0) + (starts[group - 1] ?? 0);
  return starts;
}

/** The place of each thing when things lie group after group and within a group in `order`. */
function dealt(order: Uint32Array, groups: Uint32Array, starts: Uint32Array): Uint32Array {
  const next = starts.slice();
  const places = new Uint32Array(order.length);
  for (const number of order) {
    const group = groups[number] ?? 0;
    const place = next[group] ?? 0;
    places[number] = place;
    next[group] = place + 1;
  }
  return places;
}
