/**
 * Makes blocks of words: pageviews as 64-bit words of (subject, bucket, coupon), from high to low bits. The kernel sorts the words and writes
 * flat blocks, and for busy subjects the cells of buckets, days and months; this class puts those together.
 */
import { widthOf } from '../../lib/time/buckets.js';
import { BlockBuilder, type BlockPart } from '../../serving/arrays/block-builder.js';
import { ByteWriter } from '../../serving/arrays/bytes.js';
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
  readonly #kernel: Kernel;
  readonly #builder: BlockBuilder;
  readonly #flatLimit: number;
  readonly #buckets = new ByteWriter(1 << 16);
  readonly #days = new ByteWriter(1 << 16);
  readonly #months = new ByteWriter(1 << 16);

  constructor({ lgK, bucketMinutes }: Pick<SortTables, 'lgK' | 'bucketMinutes'>, kernel: Kernel) {
    this.#kernel = kernel;
    this.#builder = new BlockBuilder(lgK, widthOf(bucketMinutes));
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
      const subject = this.#subjectAt(at);
      const busy = this.#tabled(at, end);
      result.block(first + subject, this.#builder.join([busy.part]));
      at = busy.next;
    }
  }

  /** Makes the part of a busy subject's block for some months, in memory of its own. */
  part(words: Words): BlockPart {
    const { at, end } = this.#sorted(words);
    const { part } = this.#tabled(at, end);
    return { ...part, buckets: part.buckets.slice(), days: part.days.slice(), months: part.months.slice() };
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

  /** Encodes the subject whose words begin at `at`. The part's bytes are valid until the next call. */
  #tabled(at: number, end: number): { readonly part: BlockPart; readonly next: number } {
    for (const out of [this.#buckets, this.#days, this.#months]) out.clear();
    const dayTables: Uint32Array[] = [];
    const monthTables: Uint32Array[] = [];
    let coupons = 0;
    let next = at;
    const subject = at < end ? this.#subjectAt(at) : 0;
    while (next < end && this.#subjectAt(next) === subject) {
      const spans = this.#kernel.tabled(next, end);
      this.#buckets.raw(spans.buckets);
      this.#days.raw(spans.days);
      this.#months.raw(spans.months);
      dayTables.push(spans.dayTable.slice());
      monthTables.push(spans.monthTable.slice());
      coupons += spans.coupons;
      next = spans.next;
    }
    const part = {
      pageviews: (next - at) / wordBytes,
      coupons,
      dayTable: joinedTables(dayTables),
      monthTable: joinedTables(monthTables),
      buckets: this.#buckets.view(),
      days: this.#days.view(),
      months: this.#months.view(),
    };
    return { part, next };
  }

  #subjectAt(at: number): number {
    return this.#kernel.highAt(at) >>> this.#kernel.bucketBits;
  }
}

function joinedTables(tables: readonly Uint32Array[]): Float64Array {
  const joined = new Float64Array(tables.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const table of tables) {
    joined.set(table, at);
    at += table.length;
  }
  return joined;
}
