/** Local times of a zone, from the browser's IANA data. Only for the date pickers: the server computes the buckets. */

const hourMs = 3_600_000;
const formats = (zone: string): Intl.DateTimeFormat =>
  new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });

/** Whether the browser knows the zone by this name. */
export function isZone(name: string): boolean {
  try {
    return formats(name).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** The visitor's own zone; UTC if it is unknown. */
export function ownZone(): string {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return isZone(zone) ? zone : 'UTC';
}

/** Whether base buckets of this width fit the zone's hours and days at a given time. */
export function fitsBuckets(zone: string, bucketMinutes: number, timeMs: number): boolean {
  return offsetMinutes(zone, timeMs) % bucketMinutes === 0;
}

/** All zones the browser knows, UTC first. */
export function allZones(): readonly string[] {
  return ['UTC', ...Intl.supportedValuesOf('timeZone').filter((name) => name !== 'UTC')];
}

/** Local time of an instant: '2026-11-22T14:05'. */
export function localOf(timeMs: number, zone: string): string {
  const parts = new Map(
    formats(zone)
      .formatToParts(timeMs)
      .map(({ type, value }) => [type, value]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? '';
  return `${part('year').padStart(4, '0')}-${part('month')}-${part('day')}T${part('hour')}:${part('minute')}`;
}

export function offsetMinutes(zone: string, timeMs: number): number {
  const minute = Math.floor(timeMs / 60_000) * 60_000;
  return (Date.parse(`${localOf(minute, zone)}Z`) - minute) / 60_000;
}

/**
 * The instant at which the local time is `local`, as RFC 3339 with its offset; undefined if `local` is not a date and time. Of a local time that
 * occurs twice, the first one; a local time that is skipped is read with the offset before.
 */
export function instantOf(local: string, zone: string): string | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(local)) return undefined;
  const asUtc = Date.parse(`${local}Z`);
  if (!Number.isFinite(asUtc)) return undefined;
  const before = offsetMinutes(zone, asUtc - 24 * hourMs);
  const after = offsetMinutes(zone, asUtc + 24 * hourMs);
  const offset =
    [before, after].find((candidate) => localOf(asUtc - candidate * 60_000, zone) === local) ?? before;
  return `${local}:00${offsetText(offset)}`;
}

/** A date plus a number of days: '2026-11-23'. */
export function addDays(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * 24 * hourMs).toISOString().slice(0, 10);
}

function offsetText(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

const two = (value: number): string => String(value).padStart(2, '0');
