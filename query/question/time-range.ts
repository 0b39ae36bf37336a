/**
 * The range of a question: parses `from`, `to`, `align` and `tz` into base buckets, or refuses them with an error that names the parameter and a valid
 * alternative. Nothing is rounded unless `align` asks for it.
 */
import { z } from 'zod';
import { HttpProblem } from '../../lib/http/problem.js';
import { allBucketMinutes, type BucketRange, type BucketWidth } from '../../lib/time/buckets.js';
import { parseRfc3339 } from '../../lib/time/real-time.js';
import type { Zones } from '../engine/zone.js';
import { textParameter } from './text-parameter.js';

/** Longest range that is split into intervals of a zone, because its clock changes must be searched year by year. */
export const maxZonedYears = 100;
/** The end of the last possible range. */
export function maxBucketOf(width: BucketWidth): number {
  return width.at(Date.UTC(9999, 11, 31));
}

// An unescaped `+` arrives as a space.
const dateTime = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?(?:([Zz])|([+ -])(\d\d:\d\d))$/;

/** The pattern is for readers of the OpenAPI document; `parseEdge` checks. */
const edgeText = textParameter.meta({ pattern: `^(?:\\d{1,15}|\\d{4}-\\d\\d-\\d\\d)$|${dateTime.source}` });

export const rangeShape = {
  from: edgeText.describe(
    'Start, inclusive: RFC 3339 at the start of a bucket (a full UTC hour, unless SWA_BUCKET_MINUTES is less), UTC milliseconds, or a date (its beginning in tz).',
  ),
  to: edgeText.describe('End, exclusive: as from.'),
  align: z
    .enum(['error', 'outward', 'inward'])
    .optional()
    .describe(
      'What becomes of edges within a bucket: error (the default) refuses them and names the nearest ranges; outward takes in the buckets they lie in, inward leaves those out. `range` of the answer is the range used.',
    ),
};

export const zoneShape = {
  tz: textParameter
    .optional()
    .describe(
      `IANA time zone for dates and for day, week and month intervals. Default UTC. With an interval, other zones allow ranges of up to ${maxZonedYears} years.`,
    ),
};

export interface TimeRange {
  readonly range: BucketRange;
  readonly zone: string;
}

/** Parses a range. Throws `unaligned-range` naming the nearest aligned ranges, `empty-range`, or `invalid-parameter`. */
export function timeRange(
  input: {
    readonly from: string;
    readonly to: string;
    readonly align?: 'error' | 'outward' | 'inward' | undefined;
    readonly tz?: string | undefined;
  },
  zones: Zones,
): TimeRange {
  const { width } = zones;
  const zone = parseZone(input.tz ?? 'UTC', zones);
  const from = parseEdge('from', input.from, zone, zones);
  const to = parseEdge('to', input.to, zone, zones);
  if (from >= to) {
    throw new HttpProblem(
      'empty-range',
      `'from' must be before 'to': got ${width.show(from)} and ${width.show(to)}`,
      {
        parameter: 'from',
      },
    );
  }
  if (input.align === 'outward') return { range: { from: Math.floor(from), to: Math.ceil(to) }, zone };
  if (input.align === 'inward') {
    const range = { from: Math.ceil(from), to: Math.floor(to) };
    if (range.from < range.to) return { range, zone };
    throw new HttpProblem(
      'empty-range',
      `no whole ${width.name} lies between 'from' and 'to': got ${width.show(from)} and ${width.show(to)}; use align=outward`,
      { parameter: 'align' },
    );
  }
  for (const [parameter, edge] of [
    ['from', from],
    ['to', to],
  ] as const) {
    if (Number.isInteger(edge)) continue;
    const nearest = nearestRanges(from, to, width);
    const fitting = allBucketMinutes.find((minutes) => (edge * width.minutes) % minutes === 0);
    throw new HttpProblem(
      'unaligned-range',
      `'${parameter}' is ${width.show(edge)}, and must be ${starts[width.minutes]}; nearest: ${nearest.map((r) => `${r.from}/${r.to}`).join(' or ')}${fitting === undefined ? '' : `; a data directory made with SWA_BUCKET_MINUTES=${fitting} could answer it`}`,
      { parameter, extra: { nearest, ...(fitting === undefined ? {} : { bucketMinutes: fitting }) } },
    );
  }
  return { range: { from, to }, zone };
}

/** What the edges of a range must be, by bucket width. */
const starts = {
  60: 'a full UTC hour',
  30: 'a full or half UTC hour',
  15: 'a full quarter of a UTC hour',
} as const;

/** The smallest aligned range around a range, and the largest one inside it if there is one. */
function nearestRanges(from: number, to: number, width: BucketWidth): { from: string; to: string }[] {
  const outer = { from: width.show(Math.floor(from)), to: width.show(Math.ceil(to)) };
  const inner = { from: Math.ceil(from), to: Math.floor(to) };
  return inner.from < inner.to
    ? [outer, { from: width.show(inner.from), to: width.show(inner.to) }]
    : [outer];
}

function parseZone(name: string, zones: Zones): string {
  const zone = zones.canonical(name);
  if (zone !== undefined) return zone;
  throw new HttpProblem(
    'invalid-parameter',
    `'tz' is not an IANA time zone: ${JSON.stringify(name.slice(0, 60))}`,
    {
      parameter: 'tz',
    },
  );
}

/** Parses an edge of a range; returns base buckets since 1970, not necessarily whole. */
function parseEdge(parameter: 'from' | 'to', raw: string, zone: string, zones: Zones): number {
  const { width } = zones;
  const bucket = /^\d{1,15}$/.test(raw) ? Number(raw) / width.ms : parseDateTime(raw, zone, zones);
  if (Number.isFinite(bucket) && bucket >= 0 && bucket <= maxBucketOf(width)) return bucket;
  throw new HttpProblem(
    'invalid-parameter',
    `'${parameter}' must be RFC 3339 (2026-11-22T14:00:00Z), UTC milliseconds or a date, of a time that exists from 1970 to 9999; got ${JSON.stringify(raw.slice(0, 60))}`,
    { parameter },
  );
}

function parseDateTime(raw: string, zone: string, zones: Zones): number {
  const { ms, minutes: bucketMinutes, perDay } = zones.width;
  if (/^\d{4}-\d\d-\d\d$/.test(raw)) {
    const day = parseRfc3339(`${raw}T00:00:00Z`) / (perDay * ms);
    if (!(day >= 0 && day <= 2_932_896)) return Number.NaN;
    const start = zones.startOfDay(zone, day);
    // If midnight is not the start of a bucket, the caller gets an error about an unaligned edge.
    const minutes = zones.offsetMinutes(zone, start);
    return minutes % bucketMinutes === 0 ? start : day * perDay - minutes / bucketMinutes;
  }
  const match = dateTime.exec(raw);
  if (match === null) return Number.NaN;
  const [, date, minute, second = ':00', utc, sign, offset] = match;
  const shift = utc === undefined ? `${sign === '-' ? '-' : '+'}${offset}` : 'Z';
  return parseRfc3339(`${date}T${minute}${second}${shift}`) / ms;
}
