/**
 * Time zones as shifts of whole base buckets. Within a range a zone is a few pieces of constant offset; where every offset is a
 * whole number of base buckets, every local hour, day, week or month begins with one. Offsets come
 * from the runtime's IANA data (Intl), sampled once a week (no zone since 1970 has changed twice within one and come
 * back) and kept per zone and year.
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

/** The base buckets of one interval, clipped to the range asked for. */
export interface Period extends BucketRange {
  /** '2026-11-22T14:00+01:00', '2026-11-22', '2026-W47', '2026-11' in the zone. */
  readonly label: string;
}

interface Piece {
  readonly fromBucket: number;
  readonly offsetMinutes: number;
}

/** Why a zone cannot be shown: what is off by how much. */
export interface Misfit {
  readonly bucket: number;
  readonly offsetMinutes: number;
  readonly fitting: BucketMinutes | undefined;
}

const dayMs = 86_400_000;
const maxYears = 4096;

/** The offsets of all zones asked about so far. */
export class Zones {
  readonly width: BucketWidth;
  readonly #wallTimes = new Map<string, (at: number) => number>();
  readonly #years = new Map<string, readonly Piece[]>();

  constructor(width: BucketWidth) {
    this.width = width;
  }

  /** The canonical name, or undefined when it is not an IANA zone. Fixed offsets such as '+01:00' are none. */
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
   * What keeps the zone from being shown in [from, to): the first offset that is not a whole number of base buckets, when it holds, and
   * the longest base buckets that all offsets in the range fit, if there are some. Undefined where nothing does.
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

  /** The first base bucket at which the local calendar day has begun; days are counted from 1970-01-01. */
  startOfDay(zone: string, day: number): number {
    return this.startOf(zone, day * this.width.perDay);
  }

  /** The first base bucket at which the clocks show at least a time, as `local` counts it. */
  startOf(zone: string, utc: number): number {
    const { minutes } = this.width;
    if (zone === 'UTC') return utc;
    // That is at most 14 hours sooner and 12 later than in UTC; no clock is changed twice in between.
    const offsets = [
      this.offsetMinutes(zone, utc - (16 * 60) / minutes),
      this.offsetMinutes(zone, utc + (14 * 60) / minutes),
    ];
    let bucket = utc - Math.ceil(Math.max(...offsets) / minutes);
    while (this.local(zone, bucket) < utc) bucket++;
    return bucket;
  }

  /**
   * Cuts [from, to) into intervals of the zone. Every offset in the range must be whole base buckets. A period is a maximal run
   * of them in one local interval, so that days of 23 and 25 hours come out right; the clock never goes back a day. An hour that a clock
   * shows twice, or half of it, comes twice.
   * Stops after `limit` + 1 periods: the caller refuses more than `limit`.
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

  /** What its clocks show at the start of a base bucket, counted as base buckets of UTC. */
  local(zone: string, bucket: number): number {
    return bucket + Math.floor(this.offsetMinutes(zone, bucket) / this.width.minutes);
  }

  /** The base bucket after the ones of a local hour: where the next hour begins, or clocks are changed. */
  #endOfHour(zone: string, bucket: number): number {
    const perHour = 60 / this.width.minutes;
    const offset = this.offsetMinutes(zone, bucket);
    const end = (Math.floor(this.local(zone, bucket) / perHour) + 1) * perHour - offset / this.width.minutes;
    for (let next = bucket + 1; next < end; next++)
      if (this.offsetMinutes(zone, next) !== offset) return next;
    return end;
  }

  /** The first base bucket after `bucket` that lies in a later local interval. */
  #endOf(zone: string, interval: 'day' | 'week' | 'month', bucket: number): number {
    let day = Math.floor(this.local(zone, bucket) / this.width.perDay);
    // More than one step only where a clock was set back across midnight and the day began before that.
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

  /** One look a week; where the week's two ends differ, bisection finds the base bucket. */
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

  /** The first base bucket in (from, to] at which the offset is no longer the one at `from`; at `to` it is not. */
  #firstChange(zone: string, from: number, to: number, offset: number): number {
    let [same, changed] = [from, to];
    while (changed - same > 1) {
      const middle = Math.floor((same + changed) / 2); // before 1970 they are negative
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

/** The first day of the interval after the one `day` lies in. Weeks begin on Monday; day 0 was a Thursday. */
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

/** ISO 8601: the week belongs to the year its Thursday lies in. */
function isoWeek(local: Date): string {
  const thursday = new Date(local);
  thursday.setUTCDate(local.getUTCDate() - ((local.getUTCDay() + 6) % 7) + 3);
  const first = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = Math.floor((thursday.getTime() - first) / (7 * dayMs)) + 1;
  return `${thursday.getUTCFullYear()}-W${twoDigits(week)}`;
}
