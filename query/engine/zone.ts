/**
 * Time zones as shifts by whole base buckets. Within a range, a zone is a few pieces of constant offset; if every offset is a whole number of
 * base buckets, local hours, days, weeks and months begin at bucket boundaries. Offsets come from the runtime's IANA data (Intl), sampled once a
 * week (since 1970 no zone has changed twice within a week and come back), and cached per zone and year.
 */
import {
  allBucketMinutes,
  type BucketMinutes,
  type BucketRange,
  type BucketWidth,
} from '../../lib/time/buckets.js';
import { wallTimeIn } from '../../lib/time/wall-time.js';

export const intervals = ['hour', 'day', 'week', 'month'] as const;
export type Interval = (typeof intervals)[number];

/** The base buckets of one interval, clipped to the requested range. */
export interface Period extends BucketRange {
  /** '2026-11-22T14:00+01:00', '2026-11-22', '2026-W47', '2026-11' in the zone. */
  readonly label: string;
}

interface Piece {
  readonly fromBucket: number;
  readonly offsetMinutes: number;
}

/** Why a zone cannot be shown: the first offset that does not fit, and the longest width that would. */
export interface Misfit {
  readonly bucket: number;
  readonly offsetMinutes: number;
  readonly fitting: BucketMinutes | undefined;
}

const dayMs = 86_400_000;
const maxYears = 4096;

/** Offsets of all zones used so far. */
export class Zones {
  readonly width: BucketWidth;
  readonly #wallTimes = new Map<string, (at: number) => number>();
  readonly #years = new Map<string, readonly Piece[]>();

  constructor(width: BucketWidth) {
    this.width = width;
  }

  /** The canonical name; undefined if it is not an IANA zone. Fixed offsets such as '+01:00' are not accepted. */
  canonical(name: string): string | undefined {
    if (name === 'UTC' || this.#wallTimes.has(name)) return name;
    if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return undefined;
    try {
      return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
    } catch {
      return undefined;
    }
  }

  /** Minutes east of UTC at the start of a base bucket. */
  offsetMinutes(zone: string, bucket: number): number {
    if (zone === 'UTC') return 0;
    const pieces = this.#yearOf(zone, this.#yearAt(bucket));
    let offset = 0;
    for (const piece of pieces) {
      if (piece.fromBucket > bucket) break;
      offset = piece.offsetMinutes;
    }
    return offset;
  }

  /**
   * Why the zone cannot be shown in [from, to): the first offset that is not a whole number of base buckets, the bucket at which it starts, and
   * the longest width that fits all offsets in the range, if any. Undefined if the zone fits.
   */
  misfit(zone: string, from: number, to: number): Misfit | undefined {
    const pieces = [...this.#piecesIn(zone, from, to)];
    const odd = pieces.find(({ offsetMinutes }) => offsetMinutes % this.width.minutes !== 0);
    if (odd === undefined) return undefined;
    const fitting = allBucketMinutes.find((minutes) =>
      pieces.every(({ offsetMinutes }) => offsetMinutes % minutes === 0),
    );
    return { bucket: odd.fromBucket, offsetMinutes: odd.offsetMinutes, fitting };
  }

  /** First base bucket of a local calendar day; days are counted from 1970-01-01. */
  startOfDay(zone: string, day: number): number {
    return this.startOf(zone, day * this.width.perDay);
  }

  /** First base bucket at which the local time is at least `utc`, as counted by `local`. */
  startOf(zone: string, utc: number): number {
    const { minutes } = this.width;
    if (zone === 'UTC') return utc;
    // Local time is at most 14 hours ahead of UTC and 12 behind; no zone changes its clocks twice in that time.
    const offsets = [
      this.offsetMinutes(zone, utc - (16 * 60) / minutes),
      this.offsetMinutes(zone, utc + (14 * 60) / minutes),
    ];
    let bucket = utc - Math.ceil(Math.max(...offsets) / minutes);
    while (this.local(zone, bucket) < utc) bucket++;
    return bucket;
  }

  /**
   * Divides [from, to) into intervals of the zone. Every offset in the range must be a whole number of base buckets. A period is a maximal run
   * of buckets in one local interval, so days of 23 and 25 hours come out right. A local hour that the clocks repeat gives two periods. Stops
   * after `limit` + 1 periods, so that the caller can refuse more than `limit`.
   */
  periods(zone: string, interval: Interval, from: number, to: number, limit: number): readonly Period[] {
    const periods: Period[] = [];
    let start = from;
    while (start < to && periods.length <= limit) {
      const end = Math.min(
        to,
        interval === 'hour' ? this.#endOfHour(zone, start) : this.#endOf(zone, interval, start),
      );
      periods.push({ from: start, to: end, label: this.label(zone, interval, start) });
      start = end;
    }
    return periods;
  }

  label(zone: string, interval: Interval, bucket: number): string {
    const offset = this.offsetMinutes(zone, bucket);
    const local = new Date(bucket * this.width.ms + offset * 60_000);
    const text = local.toISOString();
    if (interval === 'hour') return `${text.slice(0, 16)}${offsetText(offset)}`;
    if (interval === 'day') return text.slice(0, 10);
    return interval === 'month' ? text.slice(0, 7) : isoWeek(local);
  }

  /** Local time at the start of a base bucket, as a bucket number. */
  local(zone: string, bucket: number): number {
    return bucket + Math.floor(this.offsetMinutes(zone, bucket) / this.width.minutes);
  }

  /** End of the base buckets of a local hour: the start of the next hour, or a change of clocks. */
  #endOfHour(zone: string, bucket: number): number {
    const perHour = 60 / this.width.minutes;
    const offset = this.offsetMinutes(zone, bucket);
    const end = (Math.floor(this.local(zone, bucket) / perHour) + 1) * perHour - offset / this.width.minutes;
    for (let next = bucket + 1; next < end; next++)
      if (this.offsetMinutes(zone, next) !== offset) return next;
    return end;
  }

  /** First base bucket after `bucket` in a later local interval. */
  #endOf(zone: string, interval: 'day' | 'week' | 'month', bucket: number): number {
    let day = Math.floor(this.local(zone, bucket) / this.width.perDay);
    // Takes more than one step only if clocks were set back across midnight, after the day had begun.
    for (;;) {
      day = nextStart(interval, day);
      const end = this.startOfDay(zone, day);
      if (end > bucket) return end;
    }
  }

  *#piecesIn(zone: string, from: number, to: number): Generator<Piece> {
    yield { fromBucket: from, offsetMinutes: this.offsetMinutes(zone, from) };
    if (zone === 'UTC') return;
    for (let year = this.#yearAt(from); year <= this.#yearAt(to - 1); year++) {
      for (const piece of this.#yearOf(zone, year)) {
        if (piece.fromBucket > from && piece.fromBucket < to) yield piece;
      }
    }
  }

  #yearOf(zone: string, year: number): readonly Piece[] {
    const key = `${zone} ${year}`;
    const known = this.#years.get(key);
    if (known !== undefined) return known;
    const pieces = this.#scan(
      zone,
      this.width.at(Date.UTC(year, 0, 1)),
      this.width.at(Date.UTC(year + 1, 0, 1)),
    );
    if (this.#years.size >= maxYears) this.#years.clear();
    this.#years.set(key, pieces);
    return pieces;
  }

  /** Samples the offset once a week; if it changed, bisection finds the base bucket. */
  #scan(zone: string, from: number, to: number): readonly Piece[] {
    const week = 7 * this.width.perDay;
    let offset = this.#ask(zone, from);
    const pieces: Piece[] = [{ fromBucket: from, offsetMinutes: offset }];
    for (let bucket = from; bucket < to; bucket += week) {
      const end = Math.min(bucket + week, to - 1);
      const offsetAtEnd = this.#ask(zone, end);
      for (let start = bucket; offset !== offsetAtEnd;) {
        start = this.#firstChange(zone, start, end, offset);
        offset = this.#ask(zone, start);
        pieces.push({ fromBucket: start, offsetMinutes: offset });
      }
    }
    return pieces;
  }

  /** First base bucket in (from, to] whose offset differs from that at `from`; the one at `to` must differ. */
  #firstChange(zone: string, from: number, to: number, offset: number): number {
    let [same, changed] = [from, to];
    while (changed - same > 1) {
      const middle = Math.floor((same + changed) / 2); // buckets before 1970 are negative
      if (this.#ask(zone, middle) === offset) same = middle;
      else changed = middle;
    }
    return changed;
  }

  #ask(zone: string, bucket: number): number {
    const at = bucket * this.width.ms;
    return (this.#wallTime(zone)(at) - at) / 60_000;
  }

  #yearAt(bucket: number): number {
    return new Date(bucket * this.width.ms).getUTCFullYear();
  }

  #wallTime(zone: string): (at: number) => number {
    let wallTime = this.#wallTimes.get(zone);
    if (wallTime === undefined) this.#wallTimes.set(zone, (wallTime = wallTimeIn(zone)));
    return wallTime;
  }
}

/** First day of the interval after the one that contains `day`. Weeks begin on Monday; day 0 was a Thursday. */
function nextStart(interval: 'day' | 'week' | 'month', day: number): number {
  if (interval === 'day') return day + 1;
  if (interval === 'week') return day - ((((day + 3) % 7) + 7) % 7) + 7;
  const date = new Date(day * dayMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) / dayMs;
}

function offsetText(minutes: number): string {
  if (minutes === 0) return 'Z';
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${twoDigits(Math.floor(size / 60))}:${twoDigits(size % 60)}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

/** ISO 8601: a week belongs to the year of its Thursday. */
function isoWeek(local: Date): string {
  const thursday = new Date(local);
  thursday.setUTCDate(local.getUTCDate() - ((local.getUTCDay() + 6) % 7) + 3);
  const first = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = Math.floor((thursday.getTime() - first) / (7 * dayMs)) + 1;
  return `${thursday.getUTCFullYear()}-W${twoDigits(week)}`;
}
