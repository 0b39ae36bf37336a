/**
 * The merge: adds up everything that a generation has about some subjects within a range of base buckets. Batch buckets come from the range's
 * cover, realtime buckets one by one, all into one union whose buffer is reused.
 */
import { HllUnion } from 'hyperloglog-ts';
import type { BucketRange, BucketWidth } from '../../lib/time/buckets.js';
import type { BatchView, BucketCell, PeopleSink, Subject } from '../../facts/views/view.js';
import type { Rewritten } from '../arrays/exposure.js';
import type { LiveIdentity } from '../identity/live-identity.js';
import { LivePeople } from '../identity/live-people.js';
import { coverOf, type CoverRun } from './cover.js';
import type { PinnedGeneration } from './generations.js';
import type { Pace } from './pace.js';

/** What was read for an answer, for `explain`. */
export interface Reading {
  readonly cover: readonly CoverRun[];
  readonly batchBuckets: number;
  readonly realtimeBuckets: number;
}

/**
 * Realtime buckets are read in pieces so that years of them do not block the event loop: first this many buckets, then twice as many as long as
 * they contain little (the usual case, except after a large import until the next batch run).
 */
const realtimePieceBuckets = 2_976;
const smallRealtimeCellCount = 500;

const emptyUnion = new HllUnion({ lgK: 4 });

/** A working buffer and its counts. */
export class Tally {
  readonly union: HllUnion;
  readonly #width: BucketWidth;
  /** The union, or the LivePeople that rewrites coupons before they reach it. */
  #sink: PeopleSink;
  #identity: LiveIdentity | undefined;
  /** Created on first use. */
  #live: LivePeople | undefined;
  pageviews = 0;
  batchBuckets = 0;
  realtimeBuckets = 0;
  /** Cached, because lists use the same range again and again. */
  #lastCover: { readonly range: BucketRange | undefined; readonly cover: readonly CoverRun[] } = {
    range: undefined,
    cover: [],
  };

  readonly #count = (cell: BucketCell): void => {
    this.pageviews += cell.pageviews;
  };

  readonly #merge = (cell: BucketCell): void => {
    this.pageviews += cell.pageviews;
    cell.addTo(this.#sink);
  };

  constructor(lgK: number, width: BucketWidth) {
    this.#width = width;
    this.union = new HllUnion({ lgK });
    this.#sink = this.union;
  }

  /** Empties it, and sets how people are joined. */
  begin(identity?: LiveIdentity): void {
    this.#identity = identity;
    this.reset();
  }

  /** Empties it; people are joined as before. */
  reset(): void {
    this.union.reset();
    this.#sink = this.union;
    if (this.#identity?.joins === true) {
      this.#live ??= new LivePeople(this.union);
      this.#live.begin(this.#identity);
      this.#sink = this.#live;
    }
    this.pageviews = 0;
    this.batchBuckets = 0;
    this.realtimeBuckets = 0;
  }

  /** The people that were added, joined by identity. Call before reading the union. */
  people(): Rewritten {
    if (this.#live === undefined || this.#sink === this.union)
      return { union: this.union, replaced: emptyUnion, kept: emptyUnion, hasRegisters: true, unclear: 0 };
    this.#live.settle();
    return this.#live;
  }

  /** Large sketches first: once the union has registers, adding small ones costs a few nanoseconds per person. */
  #coverOf(range: BucketRange): readonly CoverRun[] {
    if (this.#lastCover.range !== range)
      this.#lastCover = { range, cover: coverOf(range, this.#width).toSorted(byCoarseness) };
    return this.#lastCover.cover;
  }

  /** Adds one subject's pageviews from a batch view. */
  countBatch(batch: BatchView, subject: Subject, range: BucketRange): void {
    for (const { span, from, to } of this.#coverOf(range))
      batch.forEachBucket(subject, span, from, to, this.#count);
  }

  /** Adds one subject's facts of the range; with `what` = 'pageviews' without the sketches. */
  async add(
    generation: PinnedGeneration,
    subject: Subject,
    range: BucketRange,
    what: 'pageviews' | 'uniques',
    pace: Pace,
  ): Promise<void> {
    const visit = what === 'uniques' ? this.#merge : this.#count;
    for (const run of this.#coverOf(range)) {
      generation.batch.forEachBucket(subject, run.span, run.from, run.to, (cell) => {
        this.batchBuckets++;
        visit(cell);
      });
      if (pace.due) await pace.rest();
    }
    const { realtime } = generation;
    if (realtime === undefined) return;
    let buckets = realtimePieceBuckets;
    for (let from = range.from; from < range.to;) {
      const to = Math.min(range.to, from + buckets);
      const before = this.realtimeBuckets;
      await realtime.forEachBucket(subject, from, to, (cell) => {
        this.realtimeBuckets++;
        visit(cell);
      });
      buckets = this.realtimeBuckets - before < smallRealtimeCellCount ? buckets * 2 : realtimePieceBuckets;
      from = to;
      if (pace.due) await pace.rest();
    }
  }
}

const coarseness = { month: 0, day: 1, base: 2 } as const;

function byCoarseness(a: CoverRun, b: CoverRun): number {
  return coarseness[a.span] - coarseness[b.span];
}

/** A pool of tallies, so that requests do not allocate buffers. */
export class TallyPool {
  readonly #free: Tally[] = [];
  readonly #lgK: number;
  readonly #width: BucketWidth;
  readonly #keep: number;

  constructor(lgK: number, width: BucketWidth, keep = 16) {
    this.#lgK = lgK;
    this.#width = width;
    this.#keep = keep;
  }

  /** Runs `work` with an empty tally for its exclusive use. */
  async with<T>(work: (tally: Tally) => Promise<T>, identity?: LiveIdentity): Promise<T> {
    const tally = this.#free.pop() ?? new Tally(this.#lgK, this.#width);
    tally.begin(identity);
    try {
      return await work(tally);
    } finally {
      if (this.#free.length < this.#keep) this.#free.push(tally);
    }
  }
}
