/**
 * Cells of words: pageviews as words of 64 bits, (subject, hour, coupon) from the high bits to the low ones, become the blocks of
 * their subjects. The kernel sorts them and writes flat blocks by itself; of busy subjects it writes the hours, day after day,
 * and days and months are united here.
 */
import { dayOfHour } from '../../lib/time/buckets.js';
import { BlockBuilder, type BlockPart } from '../../serving/arrays/block-builder.js';
import { deriveLimitOf } from '../../serving/arrays/cells.js';
import { bitsOf, type Kernel } from './kernel.js';
import type { ResultBuilder } from './sort-job.js';

const wordBytes = 8;

/** Words that were put into the kernel's memory. */
export interface Words {
  readonly count: number;
  /** Subjects are below it. */
  readonly subjects: number;
  /** The words of each subject are in order of their hours: then only subjects have to be sorted, and the coupons of each cell. */
  readonly isInOrder: boolean;
}

export class WordCells {
  readonly #hours: Uint32Array;
  readonly #kernel: Kernel;
  readonly #builder: BlockBuilder;
  readonly #flatLimit: number;
  #many = new Uint32Array(1024);

  constructor({ hours, lgK }: { readonly hours: Uint32Array; readonly lgK: number }, kernel: Kernel) {
    this.#hours = hours;
    this.#kernel = kernel;
    this.#builder = new BlockBuilder(lgK);
    this.#flatLimit = deriveLimitOf('day', lgK);
  }

  /** The blocks of all subjects; the first one is `first` in the result. */
  blocks(words: Words, result: ResultBuilder, first: number): void {
    let { at, end } = this.#sorted(words);
    while (at < end) {
      const { next, bytes, records } = this.#kernel.blocks(at, end, this.#flatLimit);
      result.blocks(bytes, records, first);
      at = next;
      if (at === end || records.length > 0) continue; // it may have stopped for room
      const subject = this.#kernel.highAt(at) >>> this.#kernel.hourBits;
      const subjectEnd = this.#endOf(at, end, subject, this.#hours.length);
      this.#builder.expectMany();
      this.#subject(at, subjectEnd);
      result.block(first + subject, this.#builder.finish());
      at = subjectEnd;
    }
  }

  /** What some months of one busy subject make of its block. */
  part(words: Words): BlockPart {
    const { at, end } = this.#sorted(words);
    this.#builder.expectMany();
    this.#subject(at, end);
    return this.#builder.part();
  }

  /** The block of a busy subject from its parts, in order of their months. */
  joined(parts: readonly BlockPart[], result: ResultBuilder, subject: number): void {
    result.block(subject, this.#builder.join(parts));
  }

  #sorted({ count, subjects, isInOrder }: Words): { at: number; readonly end: number } {
    const { hourBits } = this.#kernel;
    const from = isInOrder ? 32 + hourBits : 32;
    const at = this.#kernel.sort(0, count, from, 32 + hourBits + bitsOf(subjects));
    const end = at + wordBytes * count;
    this.#kernel.sortRuns(at, end);
    return { at, end };
  }

  /** Gives the builder the hours of one subject, [at, end), day after day. */
  #subject(start: number, end: number): void {
    const hours = this.#hours;
    const hourMask = 2 ** this.#kernel.hourBits - 1;
    for (let at = start; at < end;) {
      const high = this.#kernel.highAt(at);
      const day = dayOfHour(hours[high & hourMask]);
      const dayEnd = this.#endOf(at, end, high >>> this.#kernel.hourBits, firstFrom(hours, 24 * (day + 1)));
      while (at < dayEnd) {
        const cells = this.#kernel.cells(at, dayEnd, this.#builder.hourBefore(day));
        const pageviews = (cells.next - at) / wordBytes;
        if (pageviews > 0) this.#builder.written({ day, pageviews, ...cells });
        at = cells.next;
        if (pageviews === 0) at = this.#manyPeople(at, dayEnd);
      }
    }
  }

  /** An hour that has more people than the kernel writes. Returns its end. */
  #manyPeople(at: number, end: number): number {
    const high = this.#kernel.highAt(at);
    const rank = high & (2 ** this.#kernel.hourBits - 1);
    const hourEnd = this.#endOf(at, end, high >>> this.#kernel.hourBits, rank + 1);
    const count = (hourEnd - at) / wordBytes;
    const words = this.#kernel.view(at, count);
    if (this.#many.length < count) this.#many = new Uint32Array(2 * count);
    let distinct = 0;
    for (let i = 0; i < words.length; i += 2)
      if (distinct === 0 || words[i] !== this.#many[distinct - 1]) this.#many[distinct++] = words[i];
    this.#builder.hour(this.#hours[rank], count, this.#many, 0, distinct);
    return hourEnd;
  }

  /** Where the words of a subject's hours below a rank end, in [at, end). */
  #endOf(at: number, end: number, subject: number, rank: number): number {
    const { hourBits } = this.#kernel;
    const words = this.#kernel.view(at, (end - at) / wordBytes);
    let [low, high] = [0, words.length / 2];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const key = words[2 * middle + 1];
      const own = key >>> hourBits;
      if (own < subject || (own === subject && (key & (2 ** hourBits - 1)) < rank)) low = middle + 1;
      else high = middle;
    }
    return at + wordBytes * low;
  }
}

/** The first rank whose hour is not below `hour`. */
function firstFrom(hours: Uint32Array, hour: number): number {
  let [low, high] = [0, hours.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (hours[middle] < hour) low = middle + 1;
    else high = middle;
  }
  return low;
}
