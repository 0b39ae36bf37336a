/**
 * Buckets of time: base buckets, UTC days and calendar months, each named by a small integer so that they sort and pack. A base
 * bucket is the smallest one: a UTC hour or, chosen when the data directory is created, a half or a quarter of one.
 *
 *   base    floor(unix minutes / width)
 *   day     floor(unix minutes / 1440)
 *   month   (year - 1970) * 12 + month of year (0..11)
 */

export const hourMs = 3_600_000;
export const spans = ['base', 'day', 'month'] as const;
export type Span = (typeof spans)[number];

/** The widths that a base bucket may have, in minutes; the first one is the default, and was the only one. */
export const allBucketMinutes = [60, 30, 15] as const;
export type BucketMinutes = (typeof allBucketMinutes)[number];

/** Half-open, in base buckets. */
export interface BucketRange {
  readonly from: number;
  readonly to: number;
}

/** Everything that follows from how long a base bucket is. One instance a width: `widthOf`. */
export class BucketWidth {
  readonly minutes: BucketMinutes;
  readonly ms: number;
  readonly perDay: number;
  /** As messages and answers name a base bucket. */
  readonly name: 'hour' | 'half-hour' | 'quarter-hour';

  constructor(minutes: BucketMinutes) {
    this.minutes = minutes;
    this.ms = minutes * 60_000;
    this.perDay = (24 * 60) / minutes;
    this.name = ({ 60: 'hour', 30: 'half-hour', 15: 'quarter-hour' } as const)[minutes];
  }

  /** The base bucket that a timestamp (UTC ms) lies in. */
  at(timestampMs: number): number {
    return Math.floor(timestampMs / this.ms);
  }

  /** When a base bucket begins, RFC 3339. */
  readonly show = (bucket: number): string => new Date(bucket * this.ms).toISOString().replace('.000Z', 'Z');

  dayOf(bucket: number): number {
    return Math.floor(bucket / this.perDay);
  }

  monthOf(bucket: number): number {
    return monthOfDay(Math.floor(bucket / this.perDay));
  }

  /** First base bucket of a month; `firstOfMonth(month + 1)` is its end. */
  firstOfMonth(month: number): number {
    return Date.UTC(1970 + Math.floor(month / 12), ((month % 12) + 12) % 12, 1) / this.ms;
  }

  /** The base buckets that a bucket of a span covers. */
  basesOf(span: Span, bucket: number): BucketRange {
    if (span === 'base') return { from: bucket, to: bucket + 1 };
    if (span === 'day') return { from: bucket * this.perDay, to: (bucket + 1) * this.perDay };
    return { from: this.firstOfMonth(bucket), to: this.firstOfMonth(bucket + 1) };
  }

  /** The bucket of a span that a base bucket lies in. */
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
 * By calendar arithmetic, since views ask it for every cell they derive a month from and a Date each time shows. Years are
 * counted from March, so that the leap day is a year's last and months have lengths of one pattern (153 days in five).
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

/** From 0000-03-01 to 1970-01-01. */
const daysToEpoch = 719_468;
const daysIn400Years = 146_097;
