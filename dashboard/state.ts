/**
 * What the page shows, as one value that lives in the address: a copied link shows the same thing elsewhere. From it
 * and the time follows the question put to the API.
 */
import { addDays, instantOf, isZone, localOf, offsetMinutes } from './zone-time.js';

export const presets = ['24h', '7d', '30d', '12m'] as const;
export type Preset = (typeof presets)[number];
export const intervals = ['hour', 'day', 'week', 'month'] as const;
export type Interval = (typeof intervals)[number];

/** Local times of the zone, '2026-11-22T14:00'. */
export interface CustomRange {
  readonly from: string;
  readonly to: string;
}

export interface PageState {
  /** undefined until the first domain is known. */
  readonly domain: string | undefined;
  /** One page of the domain; undefined means the whole domain. */
  readonly url: string | undefined;
  readonly range: Preset | CustomRange;
  readonly zone: string;
  /** undefined lets the range choose. */
  readonly by: Interval | undefined;
  /** Name of the dimension that is broken down; undefined means the first there is. */
  readonly dimension: string | undefined;
  /** Whether the period before is shown beside. */
  readonly compare: boolean;
}

/** A range as the API takes it. */
export interface TimeRange {
  readonly from: string;
  readonly to: string;
  readonly interval: Interval;
}

/** Reads an address' query string; what makes no sense falls back to the default in silence, since links get cut. */
export function parseState(search: string, ownZone: string): PageState {
  const params = new URLSearchParams(search);
  const given = (name: string): string | undefined => params.get(name) ?? undefined;
  const range = given('range');
  const [from, to] = [given('from'), given('to')];
  const zone = given('tz');
  const by = given('by');
  return {
    domain: given('domain'),
    url: given('url'),
    range:
      from !== undefined && to !== undefined && isLocal(from) && isLocal(to)
        ? { from, to }
        : (presets.find((preset) => preset === range) ?? '24h'),
    zone: zone !== undefined && isZone(zone) ? zone : ownZone,
    by: intervals.find((interval) => interval === by),
    dimension: given('dimension'),
    compare: given('compare') !== 'off',
  };
}

/** Whether an address' query string names a zone. */
export function hasZone(search: string): boolean {
  const zone = new URLSearchParams(search).get('tz');
  return zone !== null && isZone(zone);
}

/** Whether an address' query string asks for a range of its own. */
export function hasRange(search: string): boolean {
  const params = new URLSearchParams(search);
  return params.has('range') || params.has('from') || params.has('to');
}

/** The query string of a state, '?...'. */
export function showState(state: PageState): string {
  const params = new URLSearchParams();
  if (state.domain !== undefined) params.set('domain', state.domain);
  if (state.url !== undefined) params.set('url', state.url);
  if (typeof state.range === 'string') params.set('range', state.range);
  else {
    params.set('from', state.range.from);
    params.set('to', state.range.to);
  }
  if (state.by !== undefined) params.set('by', state.by);
  if (state.dimension !== undefined) params.set('dimension', state.dimension);
  if (!state.compare) params.set('compare', 'off');
  params.set('tz', state.zone);
  return `?${params.toString()}`;
}

const hourMs = 3_600_000;
const presetInterval: Readonly<Record<Preset, Interval>> = {
  '24h': 'hour',
  '7d': 'hour',
  '30d': 'day',
  '12m': 'week',
};
const presetDays = { '7d': 7, '30d': 30, '12m': 365 } as const;

/** The range a state means at a time. 24 hours end with the zone's present hour, longer ones with the zone's present day. */
export function rangeOf(state: Pick<PageState, 'range' | 'zone' | 'by'>, nowMs: number): TimeRange {
  const { range, zone, by } = state;
  if (typeof range !== 'string') {
    const from = instantOf(range.from, zone) ?? range.from;
    const to = instantOf(range.to, zone) ?? range.to;
    return { from, to, interval: by ?? intervalFor((Date.parse(to) - Date.parse(from)) / hourMs) };
  }
  const interval = by ?? presetInterval[range];
  if (range === '24h') {
    const offsetMs = offsetMinutes(zone, nowMs) * 60_000;
    const to = (Math.floor((nowMs + offsetMs) / hourMs) + 1) * hourMs - offsetMs;
    return { from: rfc3339(to - 24 * hourMs), to: rfc3339(to), interval };
  }
  const today = localOf(nowMs, zone).slice(0, 10);
  return { from: addDays(today, 1 - presetDays[range]), to: addDays(today, 1), interval };
}

/** The period of the same length that ends where the range begins: as long by the clocks of the zone, in the same buckets. */
export function rangeBefore(state: Pick<PageState, 'range' | 'zone' | 'by'>, nowMs: number): TimeRange {
  const { range } = state;
  const { from, interval } = rangeOf(state, nowMs);
  if (range === '24h') return { from: rfc3339(Date.parse(from) - 24 * hourMs), to: from, interval };
  if (typeof range === 'string') return { from: addDays(from, -presetDays[range]), to: from, interval };
  const [start, end] = [Date.parse(`${range.from}Z`), Date.parse(`${range.to}Z`)];
  const before = { from: new Date(start - (end - start)).toISOString().slice(0, 16), to: range.from };
  return { ...rangeOf({ ...state, range: before }, nowMs), interval };
}

/** A custom range: what the zone's clocks show at two times. */
export function customRange(span: { readonly from: number; readonly to: number }, zone: string): CustomRange {
  return { from: localOf(span.from, zone), to: localOf(span.to, zone) };
}

const wholeAtMostMs = 31 * 24 * hourMs;
const newestMs = 7 * 24 * hourMs;

/** What to open on when all views lie in a span that is over: all of it up to a month, else its last 7 days. */
export function newestOf({ from, to }: { readonly from: number; readonly to: number }): {
  readonly from: number;
  readonly to: number;
} {
  return to - from <= wholeAtMostMs ? { from, to } : { from: to - newestMs, to };
}

/** Between about 20 and 200 buckets. */
function intervalFor(hours: number): Interval {
  if (hours <= 8 * 24) return 'hour';
  if (hours <= 190 * 24) return 'day';
  return hours <= 3 * 366 * 24 ? 'week' : 'month';
}

function rfc3339(timeMs: number): string {
  return new Date(timeMs).toISOString().replace('.000Z', 'Z');
}

function isLocal(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(text) && Number.isFinite(Date.parse(`${text}Z`));
}
