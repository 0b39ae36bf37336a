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

export function monthOfHour(hour: number): number {
  const date = new Date(hour * hourMs);
  return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
}

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
