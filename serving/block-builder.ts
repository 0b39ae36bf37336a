/**
 * Builds one subject's block of cells from its hours in ascending order. Memory does not grow with the subject's
 * people: a bucket under construction is at most a few thousand coupons or one register array.
 */
import { maxCoupons } from 'hyperloglog-ts';
import { bucketOf, hoursOf } from '../lib/time/buckets.js';
import { ByteWriter } from './bytes.js';
import { deriveLimitOf, writeCouponCell, writeRegisterCell } from './cells.js';
import { Union, applyCoupons } from './union.js';

/** A finished block; its memory is valid until the builder is used again. */
export interface Block {
  readonly bytes: Uint8Array;
  readonly tableLength: number;
  readonly pageviews: number;
}

export class BlockBuilder {
  readonly #maxCoupons: number;
  readonly #flatLimit: number;
  readonly #hours = new ByteWriter(1 << 16);
  readonly #days = new ByteWriter();
  readonly #months = new ByteWriter();
  readonly #dayTable = new ByteWriter();
  readonly #monthTable = new ByteWriter();
  readonly #block = new ByteWriter(1 << 16);
  readonly #flat = new ByteWriter();
  readonly #registers: Uint8Array;
  readonly #day: Union;
  readonly #month: Union;
  #isFlat = true;
  #isSurelyFlat = false;
  #flatCoupons = 0;
  #lastHour = 0;
  #dayCount = 0;
  #monthCount = 0;
  #currentDay = -1;
  #currentMonth = -1;
  /** The hour after the current month: finding the month of an hour is the costlier. */
  #monthEndsAt = Number.NEGATIVE_INFINITY;
  #lastDay = 0;
  #lastMonth = 0;
  #dayStart = 0;
  #pageviews = 0;

  constructor(lgK: number) {
    this.#maxCoupons = maxCoupons(lgK);
    this.#flatLimit = deriveLimitOf('day', lgK);
    this.#registers = new Uint8Array(2 ** lgK);
    this.#day = new Union('day', lgK);
    this.#month = new Union('month', lgK);
  }

  /** Before the first hour, where it is known: at most so many pageviews follow. A rare subject then needs no tables. */
  expect(pageviews: number): void {
    this.#isSurelyFlat = pageviews <= this.#flatLimit;
  }

  /** The next hour: `coupons[from, to)` are distinct and ascending, at least one, and at most `pageviews`. */
  hour(hour: number, pageviews: number, coupons: Uint32Array, from: number, to: number): void {
    if (!this.#isSurelyFlat) this.#tabledHour(hour, pageviews, coupons, from, to);
    this.#flatHour(hour, pageviews, coupons, from, to);
    this.#pageviews += pageviews;
    this.#lastHour = hour;
  }

  /** Ends the block; the builder is then ready for the next subject. */
  finish(): Block {
    this.#endDay();
    this.#endMonth();
    const block = this.#block;
    block.clear();
    let tableLength: number;
    if (this.#isFlat) {
      block.varint(0);
      tableLength = block.length;
      block.raw(this.#flat.view());
    } else {
      block.varint(this.#dayCount);
      block.raw(this.#dayTable.view());
      block.varint(this.#monthCount);
      block.raw(this.#monthTable.view());
      tableLength = block.length;
      block.raw(this.#hours.view());
      block.raw(this.#days.view());
      block.raw(this.#months.view());
    }
    const pageviews = this.#pageviews;
    this.#reset();
    return { bytes: block.view(), tableLength, pageviews };
  }

  #tabledHour(hour: number, pageviews: number, coupons: Uint32Array, from: number, to: number): void {
    const day = bucketOf('day', hour);
    if (day !== this.#currentDay) this.#startDay(day);
    const delta = hour - Math.max(this.#lastHour, day * 24);
    const many = to - from > this.#maxCoupons;
    if (many) {
      this.#registers.fill(0);
      applyCoupons(this.#registers, coupons, from, to);
      writeRegisterCell(this.#hours, delta, pageviews, this.#registers);
    } else {
      writeCouponCell(this.#hours, delta, pageviews, coupons, from, to);
    }
    this.#day.add(pageviews, coupons, from, to);
  }

  #flatHour(hour: number, pageviews: number, coupons: Uint32Array, from: number, to: number): void {
    if (!this.#isFlat) return;
    this.#flatCoupons += to - from;
    this.#isFlat = this.#flatCoupons <= this.#flatLimit;
    if (this.#isFlat) writeCouponCell(this.#flat, hour - this.#lastHour, pageviews, coupons, from, to);
  }

  #startDay(day: number): void {
    this.#endDay();
    if (day * 24 >= this.#monthEndsAt) {
      this.#endMonth();
      this.#currentMonth = bucketOf('month', day * 24);
      this.#monthEndsAt = hoursOf('month', this.#currentMonth).to;
    }
    this.#currentDay = day;
  }

  #endDay(): void {
    if (this.#currentDay < 0) return;
    const before = this.#days.length;
    if (this.#day.isStored) this.#day.writeCell(this.#days);
    this.#dayTable.varint(this.#currentDay - this.#lastDay);
    this.#dayTable.varint(this.#hours.length - this.#dayStart);
    this.#dayTable.varint(this.#days.length - before);
    this.#month.addUnion(this.#day);
    this.#day.clear();
    this.#dayCount++;
    this.#dayStart = this.#hours.length;
    this.#lastDay = this.#currentDay;
    this.#currentDay = -1;
  }

  #endMonth(): void {
    if (this.#currentMonth < 0) return;
    const before = this.#months.length;
    if (this.#month.isStored) this.#month.writeCell(this.#months);
    this.#monthTable.varint(this.#currentMonth - this.#lastMonth);
    this.#monthTable.varint(this.#months.length - before);
    this.#month.clear();
    this.#monthCount++;
    this.#lastMonth = this.#currentMonth;
    this.#currentMonth = -1;
    this.#monthEndsAt = Number.NEGATIVE_INFINITY;
  }

  #reset(): void {
    for (const part of [
      this.#hours,
      this.#days,
      this.#months,
      this.#dayTable,
      this.#monthTable,
      this.#flat,
    ]) {
      part.clear();
    }
    this.#isFlat = true;
    this.#isSurelyFlat = false;
    this.#flatCoupons = 0;
    this.#lastHour = 0;
    this.#dayCount = 0;
    this.#monthCount = 0;
    this.#lastDay = 0;
    this.#lastMonth = 0;
    this.#dayStart = 0;
    this.#pageviews = 0;
  }
}
