/**
 * The cells of one kind of subjects: facts sorted by (subject, hour, coupon), in words of 64 bits. The kernel writes flat blocks by
 * itself; of busy subjects it writes the hours, day after day, and days and months are united here.
 */
import { dayOfHour } from '../../lib/time/buckets.js';
import { BlockBuilder } from '../../serving/arrays/block-builder.js';
import { deriveLimitOf } from '../../serving/arrays/cells.js';
import { factWords, factsIn, wordsPerFact, type ReadFacts } from './dealt.js';
import { bitsOf, type Kernel } from './kernel.js';
import {
  ResultBuilder,
  type Kind,
  type SortJob,
  type SortListener,
  type SortResult,
  type SortTables,
} from './sort-job.js';

const wordBytes = 8;

export class CellPass {
  readonly #tables: SortTables;
  readonly #kernel: Kernel;
  readonly #readFacts: ReadFacts;
  readonly #builder: BlockBuilder;
  readonly #flatLimit: number;
  #many = new Uint32Array(1024);

  constructor(tables: SortTables, kernel: Kernel, readFacts: ReadFacts) {
    this.#tables = tables;
    this.#kernel = kernel;
    this.#readFacts = readFacts;
    this.#builder = new BlockBuilder(tables.lgK);
    this.#flatLimit = deriveLimitOf('day', tables.lgK);
  }

  run(job: SortJob, kind: Kind, listener: SortListener): SortResult {
    const result = new ResultBuilder(listener);
    const { count, isInOrder } = this.#gather(job, kind);
    const { hourBits } = this.#kernel;
    // Facts mostly come in order of their hours: then only subjects have to be sorted, and the coupons of each cell.
    let at = this.#kernel.sort(
      0,
      count,
      isInOrder ? 32 + hourBits : 32,
      32 + hourBits + bitsOf(job.to - job.from),
    );
    const end = at + wordBytes * count;
    this.#kernel.sortRuns(at, end);
    listener.onRows(count);
    if (job.part !== undefined) {
      this.#builder.expectMany();
      this.#subject(at, end);
      return result.finish(undefined, this.#builder.part());
    }
    while (at < end) {
      const { next, bytes, records } = this.#kernel.blocks(at, end, this.#flatLimit);
      result.bytes(bytes);
      for (let i = 0; i < records.length; i += 3)
        result.block(job.from + records[i], records[i + 2], 1, records[i + 1]);
      at = next;
      if (at === end || records.length > 0) continue; // it may have stopped for room
      const subject = this.#kernel.highAt(at) >>> this.#kernel.hourBits;
      const subjectEnd = this.#endOf(at, end, subject, this.#tables.hours.length);
      this.#builder.expectMany();
      this.#subject(at, subjectEnd);
      const block = this.#builder.finish();
      result.bytes(block.bytes);
      result.block(job.from + subject, block.bytes.length, block.tableLength, block.pageviews);
      at = subjectEnd;
    }
    return result.finish();
  }

  /** Makes words of the job's facts; returns how many, and whether those of each subject are in order of their hours. */
  #gather(
    { fromShard, toShard, from, to, part }: SortJob,
    kind: Kind,
  ): { readonly count: number; readonly isInOrder: boolean } {
    const { blocks, subjectOf, hours } = this.#tables;
    const ofPage = subjectOf[kind];
    const { hourBits } = this.#kernel;
    const [fromHour, toHour] = [part?.fromHour ?? 0, part?.toHour ?? hours.length];
    const touched = blocks.filter((block) => block.fromHour < toHour && block.toHour > fromHour);
    const most = touched.reduce((sum, { starts }) => sum + starts[toShard] - starts[fromShard], 0);
    const words = this.#kernel.words(
      part === undefined ? most : this.#countIn(touched, fromShard, toShard, fromHour, toHour),
    );
    const lastHours = new Uint32Array(to - from);
    let filled = 0;
    let isInOrder = true;
    for (const block of touched) {
      const facts = factsIn(block, fromShard, toShard, this.#readFacts);
      for (let fact = 0; fact < facts.length; fact += wordsPerFact) {
        const hour = facts[fact + factWords.hour];
        if (hour < fromHour || hour >= toHour) continue;
        const page = facts[fact + factWords.page];
        const subject = ofPage === undefined ? page : ofPage[page];
        if (hour < lastHours[subject - from]) isInOrder = false;
        lastHours[subject - from] = hour;
        words[filled] = facts[fact + factWords.coupon];
        words[filled + 1] = ((subject - from) << hourBits) | hour;
        filled += 2;
      }
    }
    return { count: filled / 2, isInOrder };
  }

  #countIn(
    blocks: SortTables['blocks'],
    fromShard: number,
    toShard: number,
    fromHour: number,
    toHour: number,
  ): number {
    let count = 0;
    for (const block of blocks) {
      const facts = factsIn(block, fromShard, toShard, this.#readFacts);
      for (let at = factWords.hour; at < facts.length; at += wordsPerFact)
        if (facts[at] >= fromHour && facts[at] < toHour) count++;
    }
    return count;
  }

  /** Gives the builder the hours of one subject, [at, end), day after day. */
  #subject(start: number, end: number): void {
    const { hours } = this.#tables;
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
    this.#builder.hour(this.#tables.hours[rank], count, this.#many, 0, distinct);
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
