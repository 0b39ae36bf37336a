/**
 * Time zones as shifts of whole hours. Within a range a zone is a few pieces of constant offset; where every offset is a
 * whole number of hours, local hours are UTC hours and every local day, week or month begins on one. Offsets come
 * from the runtime's IANA data (Intl), sampled once a week (no zone since 1970 has changed twice within one and come
 * back) and kept per zone and year.
 */
import { hourMs } from '../../lib/time/buckets.js';
import { wallTimeIn } from '../../lib/time/wall-time.js';

export const intervals = ['hour', 'day', 'week', 'month'] as const;
export type Interval = (typeof intervals)[number];

/** Hours [from, to) of one interval, clipped to the range asked for. */
export interface Period {
  readonly from: number;
  readonly to: number;
  /** '2026-11-22T14:00+01:00', '2026-11-22', '2026-W47', '2026-11' in the zone. */
  readonly label: string;
}

interface Piece {
  readonly fromHour: number;
  readonly offsetMinutes: number;
}

const maxYears = 4096;

/** The offsets of all zones asked about so far. */
export class Zones {
  readonly #wallTimes = new Map<string, (at: number) => number>();
  readonly #years = new Map<string, readonly Piece[]>();

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

  /** Minutes east of UTC at the start of a UTC hour. */
  offsetMinutes(zone: string, hour: number): number {
    if (zone === 'UTC') return 0;
    const pieces = this.#yearOf(zone, yearOf(hour));
    let offset = 0;
    for (const piece of pieces) {
      if (piece.fromHour > hour) break;
      offset = piece.offsetMinutes;
    }
    return offset;
  }

  /** The first hour in [from, to) whose offset is not a whole number of hours, or undefined. */
  firstOddOffset(
    zone: string,
    from: number,
    to: number,
  ): { hour: number; offsetMinutes: number } | undefined {
    for (const { hour, offsetMinutes } of this.#piecesIn(zone, from, to)) {
      if (offsetMinutes % 60 !== 0) return { hour, offsetMinutes };
    }
    return undefined;
  }

  /** The first UTC hour at which the local calendar day has begun; days are counted from 1970-01-01. */
  startOfDay(zone: string, day: number): number {
    if (zone === 'UTC') return day * 24;
    const utc = day * 24;
    // It begins at most 14 hours sooner and 12 later than in UTC; no clock is changed twice in between.
    const offsets = [this.offsetMinutes(zone, utc - 16), this.offsetMinutes(zone, utc + 14)];
    let hour = utc - Math.ceil(Math.max(...offsets) / 60);
    while (this.#localHour(zone, hour) < utc) hour++;
    return hour;
  }

  /**
   * Cuts [from, to) into intervals of the zone. Every offset in the range must be whole hours. A period is a maximal run of
   * hours in one local interval, so that days of 23 and 25 hours come out right; the clock never goes back a day.
   * Stops after `limit` + 1 periods: the caller refuses more than `limit`.
   */
  periods(zone: string, interval: Interval, from: number, to: number, limit: number): readonly Period[] {
    const periods: Period[] = [];
    let start = from;
    while (start < to && periods.length <= limit) {
      const end = interval === 'hour' ? start + 1 : Math.min(to, this.#endOf(zone, interval, start));
      periods.push({ from: start, to: end, label: this.label(zone, interval, start) });
      start = end;
    }
    return periods;
  }

  label(zone: string, interval: Interval, hour: number): string {
    const offset = this.offsetMinutes(zone, hour);
    const local = new Date(hour * hourMs + offset * 60_000);
    const text = local.toISOString();
    if (interval === 'hour') return `${text.slice(0, 16)}${offsetText(offset)}`;
    if (interval === 'day') return text.slice(0, 10);
    return interval === 'month' ? text.slice(0, 7) : isoWeek(local);
  }

  #localHour(zone: string, hour: number): number {
    return hour + Math.floor(this.offsetMinutes(zone, hour) / 60);
  }

  /** The first hour after `hour` that lies in a later local interval. */
  #endOf(zone: string, interval: 'day' | 'week' | 'month', hour: number): number {
    let day = Math.floor(this.#localHour(zone, hour) / 24);
    // More than one step only where a clock was set back across midnight and the day began before that.
    for (;;) {
      day = nextStart(interval, day);
      const end = this.startOfDay(zone, day);
      if (end > hour) return end;
    }
  }

  *#piecesIn(zone: string, from: number, to: number): Generator<{ hour: number; offsetMinutes: number }> {
    yield { hour: from, offsetMinutes: this.offsetMinutes(zone, from) };
    if (zone === 'UTC') return;
    for (let year = yearOf(from); year <= yearOf(to - 1); year++) {
      for (const piece of this.#yearOf(zone, year)) {
        if (piece.fromHour > from && piece.fromHour < to) {
          yield { hour: piece.fromHour, offsetMinutes: piece.offsetMinutes };
        }
      }
    }
  }

  #yearOf(zone: string, year: number): readonly Piece[] {
    const key = `${zone} ${year}`;
    const known = this.#years.get(key);
    if (known !== undefined) return known;
    const pieces = this.#scan(zone, Date.UTC(year, 0, 1) / hourMs, Date.UTC(year + 1, 0, 1) / hourMs);
    if (this.#years.size >= maxYears) this.#years.clear();
    this.#years.set(key, pieces);
    return pieces;
  }

  /** One look a week; where the week's two ends differ, bisection finds the hour. */
  #scan(zone: string, from: number, to: number): readonly Piece[] {
    let offset = this.#ask(zone, from);
    const pieces: Piece[] = [{ fromHour: from, offsetMinutes: offset }];
    for (let hour = from; hour < to; hour += 168) {
      const end = Math.min(hour + 168, to - 1);
      const offsetAtEnd = this.#ask(zone, end);
      for (let start = hour; offset !== offsetAtEnd;) {
        start = this.#firstChange(zone, start, end, offset);
        offset = this.#ask(zone, start);
        pieces.push({ fromHour: start, offsetMinutes: offset });
      }
    }
    return pieces;
  }

  /** The first hour in (from, to] at which the offset is no longer the one at `from`; at `to` it is not. */
  #firstChange(zone: string, from: number, to: number, offset: number): number {
    let [same, changed] = [from, to];
    while (changed - same > 1) {
      const middle = Math.floor((same + changed) / 2); // hours before 1970 are negative
      if (this.#ask(zone, middle) === offset) same = middle;
      else changed = middle;
    }
    return changed;
  }

  #ask(zone: string, hour: number): number {
    const local = this.#wallTime(zone)(hour * hourMs);
    return (local - hour * hourMs) / 60_000;
  }

  #wallTime(zone: string): (at: number) => number {
    let wallTime = this.#wallTimes.get(zone);
    if (wallTime === undefined) this.#wallTimes.set(zone, (wallTime = wallTimeIn(zone)));
    return wallTime;
  }
}

function yearOf(hour: number): number {
  return new Date(hour * hourMs).getUTCFullYear();
}

/** The first day of the interval after the one `day` lies in. Weeks begin on Monday; day 0 was a Thursday. */
function nextStart(interval: 'day' | 'week' | 'month', day: number): number {
  if (interval === 'day') return day + 1;
  if (interval === 'week') return day - ((((day + 3) % 7) + 7) % 7) + 7;
  const date = new Date(day * 24 * hourMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) / (24 * hourMs);
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
  const week = Math.floor((thursday.getTime() - first) / (7 * 24 * hourMs)) + 1;
  return `${thursday.getUTCFullYear()}-W${twoDigits(week)}`;
}
