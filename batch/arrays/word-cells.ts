/**
 * Makes blocks of words: pageviews as 64-bit words of (subject, bucket, coupon), from high to low bits. The kernel sorts the words and writes
 * flat blocks by itself. Of busy subjects it writes the base cells, day by day, and this class unites them to days and months.
 */
import { widthOf, type BucketWidth } from '../../lib/time/buckets.js';
import { BlockBuilder, type BlockPart } from '../../serving/arrays/block-builder.js';
import { deriveLimitOf } from '../../serving/arrays/cells.js';
import { bitsOf, type Kernel } from './kernel.js';
import type { ResultBuilder, SortTables } from './sort-job.js';

const wordBytes = 8;

/** Words that were written to the kernel's memory. */
export interface Words {
  readonly count: number;
  /** Exclusive upper limit of subjects. */
  readonly subjects: number;
  /** Whether the words of each subject are in bucket order: then only the subjects, and the coupons of each cell, need sorting. */
  readonly isInOrder: boolean;
}

export class WordCells {
  readonly #buckets: Uint32Array;
  readonly #width: BucketWidth;
  readonly #kernel: Kernel;
  readonly #builder: BlockBuilder;
  readonly #flatLimit: number;
  #many = new Uint32Array(1024);

  constructor(
    { buckets, lgK, bucketMinutes }: Pick<SortTables, 'buckets' | 'lgK' | 'bucketMinutes'>,
    kernel: Kernel,
  ) {
    this.#width = widthOf(bucketMinutes);
    this.#buckets = buckets;
    this.#kernel = kernel;
    this.#builder = new BlockBuilder(lgK, this.#width);
    this.#flatLimit = deriveLimitOf('day', lgK);
  }

  /** Makes the blocks of all subjects; subject 0 becomes `first` in the result. */
  blocks(words: Words, result: ResultBuilder, first: number): void {
    let { at, end } = this.#sorted(words);
    while (at < end) {
      const { next, bytes, records } = this.#kernel.blocks(at, end, this.#flatLimit);
      result.blocks(bytes, records, first);
      at = next;
      if (at === end || records.length > 0) continue; // it may have stopped because a buffer was full
      const subject = this.#kernel.highAt(at) >>> this.#kernel.bucketBits;
      const subjectEnd = this.#endOf(at, end, subject, this.#buckets.length);
      this.#builder.expectMany();
      this.#subject(at, subjectEnd);
      result.block(first + subject, this.#builder.finish());
      at = subjectEnd;
    }
  }

  /** Makes the part of a busy subject's block for some months. */
  part(words: Words): BlockPart {
    const { at, end } = this.#sorted(words);
    this.#builder.expectMany();
    this.#subject(at, end);
    return this.#builder.part();
  }

  /** Joins the parts of a busy subject, in month order, into its block. */
  joined(parts: readonly BlockPart[], result: ResultBuilder, subject: number): void {
    result.block(subject, this.#builder.join(parts));
  }

  #sorted({ count, subjects, isInOrder }: Words): { at: number; readonly end: number } {
    const { bucketBits } = this.#kernel;
    const from = isInOrder ? 32 + bucketBits : 32;
    const at = this.#kernel.sort(0, count, from, 32 + bucketBits + bitsOf(subjects));
    const end = at + wordBytes * count;
    this.#kernel.sortRuns(at, end);
    return { at, end };
  }

  /** Passes the buckets of one subject, [start, end), to the builder, day by day. */
  #subject(start: number, end: number): void {
    const buckets = this.#buckets;
    const bucketMask = 2 ** this.#kernel.bucketBits - 1;
    for (let at = start; at < end;) {
      const high = this.#kernel.highAt(at);
      const day = this.#width.dayOf(buckets[high & bucketMask]);
      const dayEnd = this.#endOf(
        at,
        end,
        high >>> this.#kernel.bucketBits,
        firstFrom(buckets, this.#width.perDay * (day + 1)),
      );
      while (at < dayEnd) {
        const cells = this.#kernel.cells(at, dayEnd, this.#builder.bucketBefore(day));
        const pageviews = (cells.next - at) / wordBytes;
        if (pageviews > 0) this.#builder.written({ day, pageviews, ...cells });
        at = cells.next;
        if (pageviews === 0) at = this.#manyPeople(at, dayEnd);
      }
    }
  }

  /** Adds a bucket with more people than the kernel supports. Returns its end. */
  #manyPeople(at: number, end: number): number {
    const high = this.#kernel.highAt(at);
    const rank = high & (2 ** this.#kernel.bucketBits - 1);
    const bucketEnd = this.#endOf(at, end, high >>> this.#kernel.bucketBits, rank + 1);
    const count = (bucketEnd - at) / wordBytes;
    const words = this.#kernel.view(at, count);
    if (this.#many.length < count) this.#many = new Uint32Array(2 * count);
    let distinct = 0;
    for (let i = 0; i < words.length; i += 2)
      if (distinct === 0 || words[i] !== this.#many[distinct - 1]) this.#many[distinct++] = words[i];
    this.#builder.bucket(this.#buckets[rank], count, this.#many, 0, distinct);
    return bucketEnd;
  }

  /** End of the words in [at, end) that belong to a subject's buckets below a rank. */
  #endOf(at: number, end: number, subject: number, rank: number): number {
    const { bucketBits } = this.#kernel;
    const words = this.#kernel.view(at, (end - at) / wordBytes);
    let [low, high] = [0, words.length / 2];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const key = words[2 * middle + 1];
      const own = key >>> bucketBits;
      if (own < subject || (own === subject && (key & (2 ** bucketBits - 1)) < rank)) low = middle + 1;
      else high = middle;
    }
    return at + wordBytes * low;
  }
}

/** The first rank whose bucket is not below `bucket`. */
function firstFrom(buckets: Uint32Array, bucket: number): number {
  let [low, high] = [0, buckets.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (buckets[middle] < bucket) low = middle + 1;
    else high = middle;
  }
  return low;
}
