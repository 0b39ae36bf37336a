/**
 * One thread's work on the star's pageviews, row group by row group, in two scans: `survey` counts pageviews per page and finds the buckets,
 * then `deal` distributes the rows that count to shards.
 */
import { timeEnd, timeStart } from '../../facts/fact.js';
import { prefixSums } from '../../lib/memory/counting-sort.js';
import { widthOf, type BucketMinutes } from '../../lib/time/buckets.js';
import { noPerson } from './people.js';
import { factWords, fixedWords, type DealtBlock } from './dealt.js';
import { isExcluded } from './excluded.js';
import {
  isRepeat,
  timeOf,
  verdictOf,
  verdicts,
  type VerdictTables,
  type PageviewColumns,
} from './verdict.js';

/** The rows to process of a row group. */
export interface GroupRows {
  /** Number of rows, from the first one on, that are before the cut. */
  readonly rows: number;
  /** Number of the file's rows before the group, and the file's bitmap of repeats. */
  readonly before: number;
  readonly repeats: Uint8Array | undefined;
}

/** Tables for the numbers in a row, in shared memory. */
export interface FactTables extends VerdictTables {
  readonly bucketMinutes: BucketMinutes;
  readonly pages: number;
  /** By person number: set to 1 for persons with a fact. */
  readonly seen: Uint8Array;
}

/** What must be known before facts are dealt. */
export interface DealPlan {
  /** By page number. */
  readonly rankOfPage: Uint32Array;
  readonly shardOfRank: Uint32Array;
  readonly shards: number;
  /** Base buckets by rank, ascending. */
  readonly buckets: Uint32Array;
}

export interface Survey {
  /** Pageviews by page number, including those of bots and repeats. */
  readonly pageviews: Uint32Array;
  readonly buckets: readonly number[];
}

export interface DealtRows extends Omit<DealtBlock, 'facts'> {
  /** The facts, shard by shard. */
  readonly words: Uint32Array;
  /** Number of rows by verdict. */
  readonly rowsWith: readonly number[];
}

const leftOut = 0xffffffff;

export class Dealer {
  readonly #tables: FactTables;
  readonly #pageviews: Uint32Array;
  readonly #bucketMs: number;
  readonly #buckets: BucketNumbers;
  #scratch = newScratch(0);
  #ranked: { readonly plan: DealPlan; readonly rankOfUrl: Uint32Array } | undefined;

  constructor(tables: FactTables) {
    this.#tables = tables;
    this.#pageviews = new Uint32Array(tables.pages);
    this.#bucketMs = widthOf(tables.bucketMinutes).ms;
    this.#buckets = new BucketNumbers(this.#bucketMs);
  }

  /** Scans the first `rows` rows. */
  survey({ url, timestamp }: PageviewColumns, rows: number): void {
    const { pageOfUrl } = this.#tables;
    const pageviews = this.#pageviews;
    for (let row = 0; row < rows; row++) {
      const page = pageOfUrl[url[row]];
      const time = timeOf(timestamp, row);
      if (page === 0 || time < timeStart || time >= timeEnd) continue;
      pageviews[page - 1]++;
      this.#buckets.numberOf(time);
    }
  }

  /** The results of all `survey` calls. */
  surveyed(): Survey {
    return { pageviews: this.#pageviews, buckets: this.#buckets.all };
  }

  /** @param makeWords allocates memory for the facts, given the number of words */
  deal(
    columns: PageviewColumns,
    { rows, before, repeats }: GroupRows,
    plan: DealPlan,
    makeWords: (count: number) => Uint32Array,
  ): DealtRows {
    const { url, agent, visitor, timestamp } = columns;
    const { shardOfRank, shards } = plan;
    const { bots, excluded, pageOfUrl } = this.#tables;
    const rankOfUrl = this.#rankOfUrl(plan);
    const { ranks, persons } = this.#lookUp(visitor, rows);
    const starts = new Uint32Array(shards + 1);
    const rowsWith = Object.values(verdicts).map(() => 0);
    for (let row = 0; row < rows; row++) {
      const rank = rankOfUrl[url[row]];
      const time = timeOf(timestamp, row);
      const mayCount =
        rank !== leftOut &&
        bots[agent[row]] === 0 &&
        persons[row] !== noPerson &&
        time >= timeStart &&
        time < timeEnd &&
        (excluded === undefined || !isExcluded(excluded, columns, row, pageOfUrl[url[row]], time));
      if (mayCount && (repeats === undefined || !isRepeat(repeats, before + row))) {
        ranks[row] = rank;
        starts[shardOfRank[rank] + 1]++;
        continue;
      }
      ranks[row] = leftOut;
      const verdict = mayCount ? verdicts.repeat : verdictOf(this.#tables, columns, row);
      rowsWith[verdict]++;
    }
    prefixSums(starts);
    rowsWith[verdicts.counts] = starts[shards];
    const stride = fixedWords + columns.texts.length;
    const words = makeWords(stride * starts[shards]);
    return { words, stride, starts, ...this.#place(columns, rows, plan, starts, words), rowsWith };
  }

  /** Rank of the page, by URL number. */
  #rankOfUrl(plan: DealPlan): Uint32Array {
    if (this.#ranked?.plan !== plan) {
      const { rankOfPage } = plan;
      const rankOfUrl = this.#tables.pageOfUrl.map((page) => (page === 0 ? leftOut : rankOfPage[page - 1]));
      this.#ranked = { plan, rankOfUrl };
    }
    return this.#ranked.rankOfUrl;
  }

  /**
   * Looks up the visitors of the rows. A separate loop: each look-up misses the processor's cache, and without other work in between the
   * processor waits for many at once.
   */
  #lookUp(visitor: Int32Array, rows: number): Scratch {
    const { ofVisitor } = this.#tables;
    if (this.#scratch.ranks.length < rows) this.#scratch = newScratch(rows);
    const { persons, coupons } = this.#scratch;
    for (let row = 0; row < rows; row++) {
      const at = 2 * visitor[row];
      persons[row] = ofVisitor[at];
      coupons[row] = ofVisitor[at + 1];
    }
    return this.#scratch;
  }

  #place(
    { timestamp, texts }: PageviewColumns,
    rows: number,
    { shardOfRank, buckets }: DealPlan,
    starts: Uint32Array,
    words: Uint32Array,
  ): Pick<DealtBlock, 'fromBucket' | 'toBucket'> {
    const { ranks, persons, coupons } = this.#scratch;
    const { seen } = this.#tables;
    const bucketMs = this.#bucketMs;
    const stride = fixedWords + texts.length;
    for (let row = 0; row < rows; row++) if (ranks[row] !== leftOut) seen[persons[row]] = 1;
    const next = starts.slice();
    const ranksOfBuckets = new BucketNumbers(bucketMs, buckets);
    let [fromBucket, toBucket] = [buckets.length, 0];
    let [bucket, start, end] = [0, 0, 0]; // of the fact before
    for (let row = 0; row < rows; row++) {
      const rank = ranks[row];
      if (rank === leftOut) continue;
      const time = timeOf(timestamp, row);
      if (time < start || time >= end) {
        bucket = ranksOfBuckets.numberOf(time);
        start = ranksOfBuckets.from;
        end = start + bucketMs;
        fromBucket = Math.min(fromBucket, bucket);
        toBucket = Math.max(toBucket, bucket + 1);
      }
      const shard = shardOfRank[rank];
      const at = next[shard]++ * stride;
      words[at + factWords.page] = rank;
      words[at + factWords.person] = persons[row];
      words[at + factWords.bucket] = bucket;
      words[at + factWords.millisecond] = time - start;
      words[at + factWords.coupon] = coupons[row];
      for (let text = 0; text < texts.length; text++) words[at + fixedWords + text] = texts[text][row];
    }
    return { fromBucket, toBucket };
  }
}

/** For each row of a group: the rank of its page or `leftOut`, and its person and coupon. */
interface Scratch {
  readonly ranks: Uint32Array;
  readonly persons: Uint32Array;
  readonly coupons: Uint32Array;
}

function newScratch(rows: number): Scratch {
  return { ranks: new Uint32Array(rows), persons: new Uint32Array(rows), coupons: new Uint32Array(rows) };
}

/** Numbers buckets in order of appearance. Remembers the last one, because facts in time order mostly stay in one bucket. */
class BucketNumbers {
  /** Buckets by number. */
  readonly all: number[] = [];
  readonly #numbers = new Map<number, number>();
  /** Start of the last bucket, UTC ms. */
  from = 0;
  #to = 0;
  readonly #bucketMs: number;
  #number = 0;

  constructor(bucketMs: number, buckets: Iterable<number> = []) {
    this.#bucketMs = bucketMs;
    for (const bucket of buckets) this.#numbers.set(bucket, this.all.push(bucket) - 1);
  }

  numberOf(time: number): number {
    if (time >= this.from && time < this.#to) return this.#number;
    const bucket = Math.floor(time / this.#bucketMs);
    let number = this.#numbers.get(bucket);
    if (number === undefined) {
      number = this.all.push(bucket) - 1;
      this.#numbers.set(bucket, number);
    }
    this.from = bucket * this.#bucketMs;
    this.#to = this.from + this.#bucketMs;
    this.#number = number;
    return number;
  }
}
