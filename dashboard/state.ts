/**
 * The state of the page, stored in the address so that a copied link shows the same elsewhere. The API requests follow from it and the current
 * time.
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
  /** Undefined until the first domain is known. */
  readonly domain: string | undefined;
  /** One page of the domain; undefined for the whole domain. */
  readonly url: string | undefined;
  readonly range: Preset | CustomRange;
  readonly zone: string;
  /** Undefined: chosen by the length of the range. */
  readonly by: Interval | undefined;
  /** Name of the dimension to break down; undefined for the first one. */
  readonly dimension: string | undefined;
  /** Whether to show the period before. */
  readonly compare: boolean;
}

/** A range in the API's format. */
export interface TimeRange {
  readonly from: string;
  readonly to: string;
  readonly interval: Interval;
}

/** Parses an address' query string. Invalid values silently become the default, because links get truncated. */
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

/** Whether an address' query string contains a zone. */
export function hasZone(search: string): boolean {
  const zone = new URLSearchParams(search).get('tz');
  return zone !== null && isZone(zone);
}

/** Whether an address' query string contains a range. */
export function hasRange(search: string): boolean {
  const params = new URLSearchParams(search);
  return params.has('range') || params.has('from') || params.has('to');
}

/** The query string of a state, beginning with '?'. */
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

/** The range of a state at a given time. 24 hours end with the zone's current hour, longer presets with its current day. */
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

/** A custom range: the local times of two instants. */
export function customRange(span: { readonly from: number; readonly to: number }, zone: string): CustomRange {
  return { from: localOf(span.from, zone), to: localOf(span.to, zone) };
}

const wholeAtMostMs = 31 * 24 * hourMs;
const newestMs = 7 * 24 * hourMs;

/** The range to open with if all views are in the past: all of it up to 31 days, otherwise its last 7 days. */
export function newestOf({ from, to }: { readonly from: number; readonly to: number }): {
  readonly from: number;
  readonly to: number;
} {
  return to - from <= wholeAtMostMs ? { from, to } : { from: to - newestMs, to };
}

/** Chooses the interval, for about 20 to 200 buckets. */
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
