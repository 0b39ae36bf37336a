/**
 * Builds one subject's block of cells from its buckets in ascending order. Memory does not grow with the number of people: a bucket under
 * construction is at most a few thousand coupons or one register array.
 */
import { maxCoupons } from 'hyperloglog-ts';
import type { BucketWidth } from '../../lib/time/buckets.js';
import { ByteReader, ByteWriter } from './bytes.js';
import { CellReader, deriveLimitOf, writeCouponCell, writeRegisterCell } from './cells.js';
import { Union, applyCoupons } from './union.js';

/** Part of a subject's block that covers some whole months. The parts of a subject are in order. */
export interface BlockPart {
  readonly pageviews: number;
  /** Number of coupons in all buckets; decides whether the block is flat. */
  readonly coupons: number;
  /** Three numbers per day: day, bytes of its base cells, bytes of its day cell. Two per month: month, bytes of its month cell. */
  readonly dayTable: Float64Array;
  readonly monthTable: Float64Array;
  readonly buckets: Uint8Array;
  readonly days: Uint8Array;
  readonly months: Uint8Array;
}

/** A finished block; its memory is valid until the builder is used again. */
export interface Block {
  readonly bytes: Uint8Array;
  readonly tableLength: number;
  readonly pageviews: number;
}

export class BlockBuilder {
  readonly #lgK: number;
  readonly #width: BucketWidth;
  readonly #maxCoupons: number;
  readonly #flatLimit: number;
  readonly #buckets = new ByteWriter(1 << 16);
  readonly #days = new ByteWriter();
  readonly #months = new ByteWriter();
  #dayTable: number[] = [];
  #monthTable: number[] = [];
  readonly #block = new ByteWriter(1 << 16);
  readonly #flat = new ByteWriter();
  readonly #registers: Uint8Array;
  readonly #day: Union;
  readonly #month: Union;
  #isFlat = true;
  #isSurelyFlat = false;
  #flatCoupons = 0;
  #lastBucket = 0;
  #currentDay = -1;
  #currentMonth = -1;
  /** First bucket after the current month; cached because finding the month of a bucket is slow. */
  #monthEndsAt = Number.NEGATIVE_INFINITY;
  #dayStart = 0;
  #pageviews = 0;

  constructor(lgK: number, width: BucketWidth) {
    this.#lgK = lgK;
    this.#width = width;
    this.#maxCoupons = maxCoupons(lgK);
    this.#flatLimit = deriveLimitOf('day', lgK);
    this.#registers = new Uint8Array(2 ** lgK);
    this.#day = new Union('day', lgK);
    this.#month = new Union('month', lgK);
  }

  /** Optional hint before the first bucket: the subject has at most `pageviews` pageviews. The builder then skips the tables of small subjects. */
  expect(pageviews: number): void {
    this.#isSurelyFlat = pageviews <= this.#flatLimit;
  }

  /** Adds the next bucket: `coupons[from, to)` are distinct and ascending, between 1 and `pageviews` of them. */
  bucket(bucket: number, pageviews: number, coupons: Uint32Array, from: number, to: number): void {
    if (!this.#isSurelyFlat) this.#tabledBucket(bucket, pageviews, coupons, from, to);
    this.#flatBucket(bucket, pageviews, coupons, from, to);
    this.#pageviews += pageviews;
    this.#lastBucket = bucket;
  }

  /** Adds the next bucket as registers: it has more people than are kept as coupons. */
  registersBucket(bucket: number, pageviews: number, registers: Uint8Array): void {
    const day = this.#width.dayOf(bucket);
    if (day !== this.#currentDay) this.#startDay(day);
    writeRegisterCell(this.#buckets, this.#deltaOf(bucket, day), pageviews, registers);
    this.#day.addRegisters(pageviews, registers);
    this.#isFlat = false;
    this.#flatCoupons += this.#maxCoupons + 1;
    this.#pageviews += pageviews;
    this.#lastBucket = bucket;
  }

  /** Finishes the block; the builder is then ready for the next subject. */
  finish(): Block {
    if (!this.#isFlat) return this.join([this.part()]);
    const block = this.#block;
    block.clear();
    block.varint(0);
    block.raw(this.#flat.view());
    const pageviews = this.#pageviews;
    this.#reset();
    return { bytes: block.view(), tableLength: 1, pageviews };
  }

  /** Finishes a part, in memory of its own. */
  part(): BlockPart {
    this.#endDay();
    this.#endMonth();
    const part = {
      pageviews: this.#pageviews,
      coupons: this.#flatCoupons,
      dayTable: Float64Array.from(this.#dayTable),
      monthTable: Float64Array.from(this.#monthTable),
      buckets: this.#buckets.view().slice(),
      days: this.#days.view().slice(),
      months: this.#months.view().slice(),
    };
    this.#reset();
    return part;
  }

  /** Joins all parts of a subject, in order, into its block. */
  join(parts: readonly BlockPart[]): Block {
    const total = (of: (part: BlockPart) => number): number => parts.reduce((sum, part) => sum + of(part), 0);
    if (total(({ coupons }) => coupons) <= this.#flatLimit) return this.#flatOf(parts);
    const block = this.#block;
    block.clear();
    block.varint(total(({ dayTable }) => dayTable.length / 3));
    writeTable(
      block,
      3,
      parts.map(({ dayTable }) => dayTable),
    );
    block.varint(total(({ monthTable }) => monthTable.length / 2));
    writeTable(
      block,
      2,
      parts.map(({ monthTable }) => monthTable),
    );
    const tableLength = block.length;
    for (const { buckets } of parts) block.raw(buckets);
    for (const { days } of parts) block.raw(days);
    for (const { months } of parts) block.raw(months);
    return { bytes: block.view(), tableLength, pageviews: total(({ pageviews }) => pageviews) };
  }

  /** Rebuilds the block as a flat one: the parts of a busy subject turned out to have few people. */
  #flatOf(parts: readonly BlockPart[]): Block {
    const cell = new CellReader(this.#lgK);
    for (const { dayTable, buckets } of parts) {
      const reader = new ByteReader(buckets);
      for (let day = 0, end = 0; day < dayTable.length; day += 3) {
        end += dayTable[day + 1];
        for (let last = this.#width.perDay * dayTable[day]; reader.position < end;) {
          last = cell.head(reader, last);
          cell.body(reader, last);
          const { sketch, pageviews } = cell;
          if (sketch.kind === 'coupons')
            this.bucket(last, pageviews, sketch.coupons, 0, sketch.coupons.length);
        }
      }
    }
    return this.finish();
  }

  #tabledBucket(bucket: number, pageviews: number, coupons: Uint32Array, from: number, to: number): void {
    const day = this.#width.dayOf(bucket);
    if (day !== this.#currentDay) this.#startDay(day);
    const delta = this.#deltaOf(bucket, day);
    const many = to - from > this.#maxCoupons;
    if (many) {
      this.#registers.fill(0);
      applyCoupons(this.#registers, coupons, from, to);
      writeRegisterCell(this.#buckets, delta, pageviews, this.#registers);
    } else {
      writeCouponCell(this.#buckets, delta, pageviews, coupons, from, to);
    }
    this.#day.add(pageviews, coupons, from, to);
  }

  /** Deltas count from the bucket before, or from the day's first bucket. */
  #deltaOf(bucket: number, day: number): number {
    return bucket - Math.max(this.#lastBucket, day * this.#width.perDay);
  }

  #flatBucket(bucket: number, pageviews: number, coupons: Uint32Array, from: number, to: number): void {
    this.#flatCoupons += to - from;
    if (!this.#isFlat) return;
    this.#isFlat = this.#flatCoupons <= this.#flatLimit;
    if (this.#isFlat) writeCouponCell(this.#flat, bucket - this.#lastBucket, pageviews, coupons, from, to);
  }

  #startDay(day: number): void {
    this.#endDay();
    if (day * this.#width.perDay >= this.#monthEndsAt) {
      this.#endMonth();
      this.#currentMonth = this.#width.monthOf(day * this.#width.perDay);
      this.#monthEndsAt = this.#width.firstOfMonth(this.#currentMonth + 1);
    }
    this.#currentDay = day;
  }

  #endDay(): void {
    if (this.#currentDay < 0) return;
    const before = this.#days.length;
    if (this.#day.isStored) this.#day.writeCell(this.#days);
    this.#dayTable.push(this.#currentDay, this.#buckets.length - this.#dayStart, this.#days.length - before);
    this.#month.addUnion(this.#day);
    this.#day.clear();
    this.#dayStart = this.#buckets.length;
    this.#currentDay = -1;
  }

  #endMonth(): void {
    if (this.#currentMonth < 0) return;
    const before = this.#months.length;
    if (this.#month.isStored) this.#month.writeCell(this.#months);
    this.#monthTable.push(this.#currentMonth, this.#months.length - before);
    this.#month.clear();
    this.#currentMonth = -1;
    this.#monthEndsAt = Number.NEGATIVE_INFINITY;
  }

  #reset(): void {
    for (const part of [this.#buckets, this.#days, this.#months, this.#flat]) part.clear();
    this.#day.clear();
    this.#month.clear();
    this.#dayTable = [];
    this.#monthTable = [];
    this.#currentDay = -1;
    this.#currentMonth = -1;
    this.#monthEndsAt = Number.NEGATIVE_INFINITY;
    this.#isFlat = true;
    this.#isSurelyFlat = false;
    this.#flatCoupons = 0;
    this.#lastBucket = 0;
    this.#dayStart = 0;
    this.#pageviews = 0;
  }
}

/** Writes rows of `width` numbers as varints; the first of each row as the difference from the row before. */
function writeTable(out: ByteWriter, width: number, parts: readonly Float64Array[]): void {
  let last = 0;
  for (const rows of parts) {
    for (let i = 0; i < rows.length; i++) {
      const value = rows[i];
      out.varint(i % width === 0 ? value - last : value);
      if (i % width === 0) last = value;
    }
  }
}
