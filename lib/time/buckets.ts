/**
 * Time buckets: base buckets, UTC days and calendar months, each numbered by a small integer so that they sort and pack
 * well. A base bucket is the smallest: a UTC hour or, if chosen when the data directory is created, a half or a quarter
 * of one.
 *
 *   base    floor(unix minutes / width)
 *   day     floor(unix minutes / 1440)
 *   month   (year - 1970) * 12 + month of year (0..11)
 */

export const hourMs = 3_600_000;
export const spans = ['base', 'day', 'month'] as const;
export type Span = (typeof spans)[number];

/** Possible widths of a base bucket in minutes; the first is the default, and was the only one in earlier versions. */
export const allBucketMinutes = [60, 30, 15] as const;
export type BucketMinutes = (typeof allBucketMinutes)[number];

/** A half-open range [from, to) of base buckets. */
export interface BucketRange {
  readonly from: number;
  readonly to: number;
}

/** Bucket arithmetic for one width of base buckets. There is one instance for each width: `widthOf`. */
export class BucketWidth {
  readonly minutes: BucketMinutes;
  readonly ms: number;
  readonly perDay: number;
  /** Name of a base bucket in messages and answers. */
  readonly name: 'hour' | 'half-hour' | 'quarter-hour';

  constructor(minutes: BucketMinutes) {
    this.minutes = minutes;
    this.ms = minutes * 60_000;
    this.perDay = (24 * 60) / minutes;
    this.name = ({ 60: 'hour', 30: 'half-hour', 15: 'quarter-hour' } as const)[minutes];
  }

  /** Returns the base bucket of a timestamp (UTC ms). */
  at(timestampMs: number): number {
    return Math.floor(timestampMs / this.ms);
  }

  /** Returns the start of a base bucket as RFC 3339 text. */
  readonly show = (bucket: number): string => new Date(bucket * this.ms).toISOString().replace('.000Z', 'Z');

  dayOf(bucket: number): number {
    return Math.floor(bucket / this.perDay);
  }

  monthOf(bucket: number): number {
    return monthOfDay(Math.floor(bucket / this.perDay));
  }

  /** Returns the first base bucket of a month; `firstOfMonth(month + 1)` is its end. */
  firstOfMonth(month: number): number {
    return Date.UTC(1970 + Math.floor(month / 12), ((month % 12) + 12) % 12, 1) / this.ms;
  }

  /** Returns the base buckets that a bucket of a span covers. */
  basesOf(span: Span, bucket: number): BucketRange {
    if (span === 'base') return { from: bucket, to: bucket + 1 };
    if (span === 'day') return { from: bucket * this.perDay, to: (bucket + 1) * this.perDay };
    return { from: this.firstOfMonth(bucket), to: this.firstOfMonth(bucket + 1) };
  }

  /** Returns the bucket of a span that contains a base bucket. */
  bucketOf(span: Span, base: number): number {
    return span === 'base' ? base : span === 'day' ? this.dayOf(base) : this.monthOf(base);
  }
}

const widths: Readonly<Record<BucketMinutes, BucketWidth>> = {
  60: new BucketWidth(60),
  30: new BucketWidth(30),
  15: new BucketWidth(15),
};

export function widthOf(minutes: BucketMinutes): BucketWidth {
  return widths[minutes];
}

/**
 * Calendar arithmetic instead of a Date, because views call it for many cells and Dates are measurably slower. Years
 * are counted from March, so that the leap day is the last of a year and month lengths follow one pattern (153 days in
 * five months).
 */
function monthOfDay(dayOfEpoch: number): number {
  const day = dayOfEpoch + daysToEpoch;
  const cycle = Math.floor(day / daysIn400Years);
  const ofCycle = day - cycle * daysIn400Years;
  const year = Math.floor(
    (ofCycle - Math.floor(ofCycle / 1460) + Math.floor(ofCycle / 36_524) - Math.floor(ofCycle / 146_096)) /
      365,
  );
  const ofYear = ofCycle - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const month = Math.floor((5 * ofYear + 2) / 153);
  return (cycle * 400 + year - 1970) * 12 + month + 2;
}

/** Days from 0000-03-01 to 1970-01-01. */
const daysToEpoch = 719_468;
const daysIn400Years = 146_097;
