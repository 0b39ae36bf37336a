/**
 * Ranks names, and divides the work on facts among threads.
 *
 * The star numbers things in order of appearance. Ranks order domains, and pages by domain and then by URL: the pages of a domain are a range of
 * ranks. Shards are ranges of page ranks, each of several whole domains or of a part of a busy one. So the pages of a domain are in a range of
 * shards, and a single large site is spread over threads as evenly as a thousand small ones.
 */
import { compareUtf8 } from '../../facts/fact.js';
import { byGroup, groupStarts, inverse } from '../../lib/memory/counting-sort.js';
import type { PackedTexts } from '../../lib/memory/packed-texts.js';
import { shared } from '../../lib/memory/shared.js';
import { widthOf, type BucketMinutes, type BucketWidth } from '../../lib/time/buckets.js';
import type { DealPlan } from './dealer.js';
import { bitsOf, millisecondBits } from './kernel.js';
import { jobKindsOf, type JobKind, type SortJob } from './sort-job.js';
import { textOrder } from './text-order.js';

/** The parts of the star that are ranked. */
export interface Dictionaries {
  readonly pages: PackedTexts;
  readonly domains: readonly string[];
  /** By page number. */
  readonly domainOfPage: Uint32Array;
}

/** Names by rank. */
export interface Names {
  readonly pageCount: number;
  /** URL of the page of a rank, in ASCII. */
  readonly page: (rank: number) => Uint8Array;
  readonly domains: readonly string[];
  /** Ranks of all pages in key order. Domains are ranked in key order. */
  readonly pagesByKey: Uint32Array;
  /** The pages of a domain have the ranks [firstPage[domain], firstPage[domain + 1]). */
  readonly firstPage: Uint32Array;
  /** Rank by page number, and page number by rank. */
  readonly rankOfPage: Uint32Array;
  readonly pageOfRank: Uint32Array;
  /** Rank of the domain, by page rank. */
  readonly domainOfRank: Uint32Array;
}

export function rankNames({ pages, domains, domainOfPage }: Dictionaries): Names {
  const byRank = Uint32Array.from(domains.keys()).toSorted((a, b) => compareUtf8(domains[a], domains[b]));
  const domainRanks = inverse(byRank);
  const domainRank = domainOfPage.map((domain) => domainRanks[domain]);
  const firstPage = groupStarts(domainRank, domains.length);
  const pagesByKey = textOrder(pages);
  const pageOfRank = byGroup(domainRank, firstPage, pagesByKey);
  const rankOfPage = inverse(pageOfRank);
  const { bytes } = pages;
  return {
    pageCount: pages.count,
    page: (rank) => {
      const page = pageOfRank[rank];
      return bytes.subarray(pages.startOf(page), pages.endOf(page));
    },
    domains: Array.from(byRank, (domain) => domains[domain]),
    pagesByKey: pagesByKey.map((page) => rankOfPage[page]),
    firstPage,
    rankOfPage: shared(rankOfPage),
    pageOfRank,
    domainOfRank: shared(pageOfRank.map((page) => domainRank[page])),
  };
}

/** Approximate numbers of facts per shard (to fit the processor's cache) and per job (to fit a thread's memory). */
export interface ShardSizes {
  readonly shardRows: number;
  readonly jobRows: number;
}

/** The base buckets that contain facts. */
export interface Times {
  readonly buckets: readonly number[];
  readonly bucketMinutes: BucketMinutes;
}

export interface Plan extends DealPlan {
  readonly bucketMinutes: BucketMinutes;
  /** Maximum number of facts, by page rank. */
  readonly rows: Float64Array;
  /** First page rank of each shard; one more entry than there are shards. */
  readonly firstRank: Uint32Array;
  readonly sizes: ShardSizes;
}

/** @param pageviews maximum number of facts, by page number */
export function planShards(
  names: Names,
  pageviews: Uint32Array,
  { buckets, bucketMinutes }: Times,
  sizes: ShardSizes,
): Plan {
  const { rankOfPage, pageCount, firstPage } = names;
  const rows = new Float64Array(pageCount);
  for (let page = 0; page < pageCount; page++) rows[rankOfPage[page]] = pageviews[page];
  const rowsIn = (from: number, to: number): number =>
    rows.subarray(from, to).reduce((sum, more) => sum + more, 0);
  const maxPages = 2 ** (32 - bitsOf(buckets.length)); // subject and bucket rank share 32 bits
  const starts: number[] = [];
  let open = 0; // facts in the last shard
  const add = (from: number, to: number, more: number): void => {
    const fits =
      starts.length > 0 && open + more <= sizes.shardRows && to - starts[starts.length - 1] <= maxPages;
    if (!fits) starts.push(from);
    open = fits ? open + more : more;
  };
  for (let domain = 0; domain < names.domains.length; domain++) {
    const [from, to] = [firstPage[domain], firstPage[domain + 1]];
    const more = rowsIn(from, to);
    if (more <= sizes.shardRows && to - from <= maxPages) {
      add(from, to, more);
      continue;
    }
    open = Number.POSITIVE_INFINITY;
    for (let rank = from; rank < to; rank++) add(rank, rank + 1, rows[rank]);
    open = Number.POSITIVE_INFINITY;
  }
  const firstRank = Uint32Array.of(...starts, pageCount);
  const shardOfRank = shared(new Uint32Array(pageCount));
  for (let shard = 0; shard < starts.length; shard++)
    shardOfRank.fill(shard, firstRank[shard], firstRank[shard + 1]);
  return {
    rankOfPage,
    shardOfRank,
    shards: starts.length,
    bucketMinutes,
    buckets: shared(Uint32Array.from(buckets).toSorted()),
    rows,
    firstRank,
    sizes,
  };
}

/** The jobs of each kind, by subject ascending. */
export function planJobs(names: Names, plan: Plan, persons: number, dimensions: number): SortJob[] {
  return jobKindsOf(dimensions).flatMap((kind): SortJob[] => {
    if (kind === 'visits') return visitJobs(names, plan, persons);
    if (kind === 'pages' || kind === 'domains') return cellJobs(kind, names, plan);
    return spansOf('domains', names, plan).map((span) => ({ kind, part: undefined, ...span }));
  });
}

/** Shards [fromShard, toShard) with all the facts of their subjects [from, to). */
type Span = Pick<SortJob, 'fromShard' | 'toShard' | 'from' | 'to' | 'rows'>;

/** One span per shard; shards that share a subject are joined into one span. */
function spansOf(
  kind: 'pages' | 'domains',
  { domainOfRank }: Names,
  { rows, firstRank, shards }: Plan,
): Span[] {
  const spans: Span[] = [];
  const subjectOf = (rank: number): number => (kind === 'pages' ? rank : domainOfRank[rank]);
  for (let shard = 0; shard < shards; shard++) {
    const [first, next] = [firstRank[shard], firstRank[shard + 1]];
    const span = {
      fromShard: shard,
      toShard: shard + 1,
      from: subjectOf(first),
      to: subjectOf(next - 1) + 1,
      rows: rows.subarray(first, next).reduce((sum, more) => sum + more, 0),
    };
    const last = spans.at(-1);
    if (last === undefined || last.to <= span.from) spans.push(span);
    else
      spans[spans.length - 1] = {
        ...span,
        fromShard: last.fromShard,
        from: last.from,
        rows: last.rows + span.rows,
      };
  }
  return spans.filter((span) => span.rows > 0);
}

function cellJobs(kind: 'pages' | 'domains', names: Names, plan: Plan): SortJob[] {
  const { buckets, sizes } = plan;
  const months = monthsOf(buckets, widthOf(plan.bucketMinutes));
  return spansOf(kind, names, plan).flatMap((span): SortJob[] => {
    const parts = Math.min(months.length - 1, Math.ceil(span.rows / sizes.jobRows));
    if (parts <= 1 || span.to - span.from > 1) return [{ kind, part: undefined, ...span }];
    return Array.from({ length: parts }, (_, index) => {
      const at = (i: number): number => months[Math.floor((i * (months.length - 1)) / parts)];
      const part = { index, parts, fromBucket: at(index), toBucket: at(index + 1) };
      return { kind, ...span, rows: span.rows / parts, part };
    });
  });
}

function visitJobs(names: Names, plan: Plan, persons: number): SortJob[] {
  const kind: JobKind = 'visits';
  const maxPersons = 2 ** Math.min(31, 64 - millisecondBits - bitsOf(plan.buckets.length));
  return spansOf('domains', names, plan).flatMap((span): SortJob[] => {
    const parts = Math.ceil(
      Math.max(persons / maxPersons, span.to - span.from > 1 ? 1 : span.rows / plan.sizes.jobRows),
    );
    if (parts <= 1) return [{ kind, part: undefined, ...span }];
    const part = { parts, fromBucket: 0, toBucket: plan.buckets.length };
    return Array.from({ length: parts }, (_, index) => ({
      kind,
      ...span,
      rows: span.rows / parts,
      part: { ...part, index },
    }));
  });
}

/** The ranks at which months begin, and the number of buckets. */
export function monthsOf(buckets: Uint32Array, width: BucketWidth): number[] {
  const starts: number[] = [];
  let month = Number.NaN;
  buckets.forEach((bucket, rank) => {
    const own = width.monthOf(bucket);
    if (own !== month) starts.push(rank);
    month = own;
  });
  return [...starts, buckets.length];
}
