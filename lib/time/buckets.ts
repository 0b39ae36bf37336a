/**
 * Buckets of time: UTC hours, days and calendar months, each named by a small integer so that they sort and pack.
 * hour = floor(unix seconds / 3600), day = floor(hour / 24), month = (year - 1970) * 12 + month of year (0..11).
 */

export const hourMs = 3_600_000;
export const spans = ['hour', 'day', 'month'] as const;
export type Span = (typeof spans)[number];

/** The hour bucket a timestamp (UTC ms) falls in. */
export function hourOf(timestampMs: number): number {
  return Math.floor(timestampMs / hourMs);
}

export function dayOfHour(hour: number): number {
  return Math.floor(hour / 24);
}

/**
 * By calendar arithmetic, since views ask it for every cell they derive a month from and a Date each time shows. Years are
 * counted from March, so that the leap day is a year's last and months have lengths of one pattern (153 days in five).
 */
export function monthOfHour(hour: number): number {
  const day = Math.floor(hour / 24) + daysToEpoch;
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

/** First hour of a month bucket; `firstHourOfMonth(m + 1)` is its end. */
export function firstHourOfMonth(month: number): number {
  return Date.UTC(1970 + Math.floor(month / 12), ((month % 12) + 12) % 12, 1) / hourMs;
}

/** Hours [from, to) that a bucket covers. */
export function hoursOf(span: Span, bucket: number): { from: number; to: number } {
  if (span === 'hour') return { from: bucket, to: bucket + 1 };
  if (span === 'day') return { from: bucket * 24, to: bucket * 24 + 24 };
  return { from: firstHourOfMonth(bucket), to: firstHourOfMonth(bucket + 1) };
}

/** The bucket of a span that an hour lies in. */
export function bucketOf(span: Span, hour: number): number {
  return span === 'hour' ? hour : span === 'day' ? dayOfHour(hour) : monthOfHour(hour);
}
