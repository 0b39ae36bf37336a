/** The decoded table of a block: the positions of each day's base cells, and of stored day and month cells, in the cell file. */
import { ByteReader } from './bytes.js';

/** Position of a subject's block in its cell file, in bytes. */
export interface BlockLocation {
  readonly pageviews: number;
  readonly offset: number;
  readonly length: number;
  readonly tableLength: number;
}

/** Cells of the days or months of a block, ascending; positions are absolute in the file. */
export class Column {
  readonly count: number;
  readonly #buckets: Int32Array;
  readonly #starts: Float64Array;

  constructor(buckets: Int32Array, starts: Float64Array) {
    this.count = buckets.length;
    this.#buckets = buckets;
    this.#starts = starts;
  }

  bucket(i: number): number {
    return this.#buckets[i];
  }

  /** Start of the i-th cell; `bytesFrom(count)` is the end of the last one. */
  bytesFrom(i: number): number {
    return this.#starts[i];
  }

  isDerived(i: number): boolean {
    return this.#starts[i] === this.#starts[i + 1];
  }

  /** Index of the first bucket >= `bucket`. */
  first(bucket: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.bucket(middle) < bucket) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class BlockTable {
  readonly isFlat: boolean;
  readonly bucketsFrom: number;
  readonly bucketsTo: number;
  readonly dayCount: number;
  readonly #buckets: Column;
  readonly #days: Column;
  readonly #months: Column;

  /** @param bytes begin with the block's table */
  constructor(bytes: Uint8Array, location: BlockLocation) {
    const reader = new ByteReader(bytes, 0, location.tableLength);
    const dayCount = reader.varint();
    this.isFlat = dayCount === 0;
    this.dayCount = dayCount;
    this.bucketsFrom = location.offset + location.tableLength;
    const days = new Int32Array(dayCount);
    const bucketStarts = new Float64Array(dayCount + 1);
    const dayStarts = new Float64Array(dayCount + 1);
    bucketStarts[0] = this.bucketsFrom;
    for (let i = 0, day = 0; i < dayCount; i++) {
      days[i] = day += reader.varint();
      bucketStarts[i + 1] = bucketStarts[i] + reader.varint();
      dayStarts[i + 1] = dayStarts[i] + reader.varint();
    }
    const monthCount = this.isFlat ? 0 : reader.varint();
    const months = new Int32Array(monthCount);
    const monthStarts = new Float64Array(monthCount + 1);
    for (let i = 0, month = 0; i < monthCount; i++) {
      months[i] = month += reader.varint();
      monthStarts[i + 1] = monthStarts[i] + reader.varint();
    }
    const bucketsEnd = bucketStarts[dayCount];
    const daysEnd = bucketsEnd + dayStarts[dayCount];
    this.bucketsTo = this.isFlat ? location.offset + location.length : bucketsEnd;
    this.#buckets = new Column(days, bucketStarts);
    this.#days = new Column(
      days,
      dayStarts.map((start) => start + bucketsEnd),
    );
    this.#months = new Column(
      months,
      monthStarts.map((start) => start + daysEnd),
    );
  }

  column(span: 'day' | 'month'): Column {
    return span === 'day' ? this.#days : this.#months;
  }

  day(i: number): number {
    return this.#buckets.bucket(i);
  }

  firstDay(day: number): number {
    return this.#buckets.first(day);
  }

  /** Start of the base cells of the i-th day; `bucketBytesFrom(dayCount)` is the end of the last. */
  bucketBytesFrom(i: number): number {
    return this.#buckets.bytesFrom(i);
  }
}
