/**
 * Parses questions: turns parameters (`url`, `domain`, `from`, `to`, `interval`, `tz`) into subjects and base buckets, or refuses them with an error
 * that names the parameter and a valid alternative. Nothing is rounded silently.
 */
import { z } from 'zod';
import { outsideDomain } from '../lib/http/auth.js';
import { HttpProblem } from '../lib/http/problem.js';
import { allBucketMinutes, type BucketRange, type BucketWidth } from '../lib/time/buckets.js';
import { parseRfc3339 } from '../lib/time/real-time.js';
import { dimensions, type Dimension } from '../facts/subjects.js';
import { domainOf, hostOf } from '../facts/url/domain.js';
import { refusalTexts, type UrlRules } from '../facts/url/normalize.js';
import type { Subject } from '../facts/views/view.js';
import { comparisons, layerNames, type Comparison } from './bodies.js';
import { urlAndDomain } from './filters.js';
import { earlierOf } from './engine/earlier.js';
import { intervals, type Interval, type Period, type Zones } from './engine/zone.js';

const maxUrls = 50;
/** Maximum number of entries of a series: a year of hours, 24 years of days. */
const maxPeriods = 8_784;
/**
 * Maximum number of entries times URLs, since each entry reads every page again. It allows six pages by the hour for a year, which takes some
 * seconds.
 */
const maxPeriodsOfUrls = 6 * maxPeriods;
/** Longest range that is split into intervals of a zone, because its clock changes must be searched year by year. */
const maxZonedYears = 100;
/** The end of the last possible range. */
export function maxBucketOf(width: BucketWidth): number {
  return width.at(Date.UTC(9999, 11, 31));
}

const text = z.string().max(8_192);

/** Parameters of questions about one page, several pages or a domain. */
export const subjectShape = {
  url: z
    .array(text)
    .max(maxUrls)
    .optional()
    .describe(
      `Page URL, in any spelling the URL rules make equal. May be given up to ${maxUrls} times for their union.`,
    ),
  domain: text.optional().describe('Registrable domain, instead of url.'),
};

// An unescaped `+` arrives as a space.
const dateTime = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?(?:([Zz])|([+ -])(\d\d:\d\d))$/;

/** The pattern is for readers of the OpenAPI document; `parseEdge` checks. */
const edgeText = text.meta({ pattern: `^(?:\\d{1,15}|\\d{4}-\\d\\d-\\d\\d)$|${dateTime.source}` });

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
  tz: text
    .optional()
    .describe(
      `IANA time zone for dates and for day, week and month intervals. Default UTC. With an interval, other zones allow ranges of up to ${maxZonedYears} years.`,
    ),
};

export const layerShape = {
  layer: z
    .enum(layerNames)
    .optional()
    .describe(
      'What one layer alone says, instead of both: batch, the facts before its cut; realtime, those after it. Such an answer says so (`layer`), and is never complete.',
    ),
};

export const seriesShape = {
  ...subjectShape,
  ...rangeShape,
  ...zoneShape,
  ...layerShape,
  interval: z
    .enum(intervals)
    .optional()
    .describe(
      `Cuts the range into a series, each entry its own answer. Up to ${maxPeriods} entries; with several URLs, up to ${maxPeriodsOfUrls} entries times URLs.`,
    ),
  compare: z
    .enum(comparisons)
    .optional()
    .describe(
      'Adds the figures of an earlier period, and whether the difference is more than the error: previous, the period of the same length that ends where the range begins; year, the same dates a year before; both by the clocks of tz. With an interval each entry has its own.',
    ),
  explain: z.enum(['0', '1']).optional().describe('1 adds the buckets that were read to the answer.'),
};

export type SeriesInput = z.output<z.ZodObject<typeof seriesShape>>;

/** The subjects as named in the answer. */
export type SubjectNames =
  { readonly url: string } | { readonly urls: string[] } | { readonly domain: string };

export interface TimeRange {
  readonly range: BucketRange;
  readonly zone: string;
}

export interface SeriesQuestion extends TimeRange {
  readonly names: SubjectNames;
  readonly subjects: readonly Subject[];
  readonly interval: Interval | undefined;
  /** Empty without an interval. */
  readonly periods: readonly Period[];
  /** Maps the range, or one of its periods, to its earlier period; undefined if that is empty. The function is undefined without `compare`. */
  readonly earlier: ((part: BucketRange) => BucketRange | undefined) | undefined;
  readonly explain: boolean;
}

export interface Terms {
  readonly urls: UrlRules;
  readonly zones: Zones;
}

export function seriesQuestion(input: SeriesInput, terms: Terms): SeriesQuestion {
  const about = subjectsOf(input, terms.urls);
  const time = timeRange(input, terms.zones);
  return {
    ...about,
    ...time,
    interval: input.interval,
    periods:
      input.interval === undefined ? [] : periodsOf(input.interval, about.subjects.length, time, terms.zones),
    earlier: earlierPeriod(input.compare, time, terms.zones),
    explain: input.explain === '1',
  };
}

function earlierPeriod(
  compare: Comparison | undefined,
  { range, zone }: TimeRange,
  zones: Zones,
): SeriesQuestion['earlier'] {
  if (compare === undefined) return undefined;
  const earlier = (part: BucketRange): BucketRange => earlierOf(compare, range, part, zone, zones);
  if (earlier(range).from < 0)
    throw new HttpProblem('invalid-parameter', `'compare': the period before would begin before 1970`, {
      parameter: 'compare',
    });
  return (part) => {
    const found = earlier(part);
    return found.from < found.to ? found : undefined;
  };
}

function subjectsOf(
  input: DomainInput,
  urls: UrlRules,
): { names: SubjectNames; subjects: readonly Subject[] } {
  if (input.domain !== undefined) {
    if (input.url !== undefined) {
      throw urlAndDomain();
    }
    const domain = parseDomain(input.domain, urls);
    return { names: { domain }, subjects: [{ kind: 'domain', domain }] };
  }
  const unique = [...new Set((input.url ?? []).map((raw) => parseUrl(raw, urls)))];
  const [first] = unique;
  if (first === undefined) {
    throw new HttpProblem('missing-parameter', "give 'url' (one or several) or 'domain'", {
      parameter: 'url',
    });
  }
  return {
    names: unique.length === 1 ? { url: first } : { urls: unique },
    subjects: unique.map((url) => ({ kind: 'page', url })),
  };
}

function parseUrl(raw: string, urls: UrlRules): string {
  const normalized = urls.normalize(raw);
  if (normalized.ok) return normalized.url;
  const why = refusalTexts[normalized.reason];
  throw new HttpProblem('invalid-parameter', `'url' ${why}: ${JSON.stringify(raw.slice(0, 100))}`, {
    parameter: 'url',
  });
}

/** Parses a registrable domain. Anything else is refused; for a host the error names its domain. */
export function parseDomain(raw: string, urls: UrlRules): string {
  const isMoreThanHost = /[\s/\\?#@]|:\d*$/.test(raw);
  const normalized = urls.normalize(`http://${raw}/`);
  if (isMoreThanHost || !normalized.ok)
    throw domainProblem(`is not a valid domain name: ${JSON.stringify(raw.slice(0, 100))}`);
  const domain = domainOf(normalized.url);
  if (domain === hostOf(normalized.url)) return domain;
  throw domainProblem(`is a host, not a registrable domain; its domain is '${domain}'`, {
    suggestion: domain,
  });
}

export interface DomainInput {
  readonly url?: readonly string[] | undefined;
  readonly domain?: string | undefined;
}

/** Throws `forbidden` unless a question that was parsed successfully is only about this domain or its pages. */
export function requireDomain(only: string, { url, domain }: DomainInput, urls: UrlRules): void {
  const requested =
    domain === undefined
      ? (url ?? []).map((raw) => domainOf(parseUrl(raw, urls)))
      : [parseDomain(domain, urls)];
  if (requested.length === 0 || requested.some((each) => each !== only)) throw outsideDomain(only);
}

/** Parses the name of a dimension that is kept. Anything else is refused with a list of those kept. */
export function parseDimension(raw: string, kept: readonly Dimension[]): string {
  const names = kept.map(({ name }) => name);
  if (names.includes(raw)) return raw;
  const refused = JSON.stringify(raw.slice(0, 60));
  const why = dimensions.some(({ name }) => name === raw)
    ? `${refused} is not kept here (SWA_DIMENSIONS)`
    : `${refused} is not a dimension`;
  throw new HttpProblem(
    'invalid-parameter',
    `'by': ${why}; ${names.length === 0 ? 'none are kept' : `there are ${names.join(', ')}`}`,
    { parameter: 'by', extra: { known: names } },
  );
}

function domainProblem(detail: string, extra: Readonly<Record<string, unknown>> = {}): HttpProblem {
  return new HttpProblem('invalid-parameter', `'domain' ${detail}`, { parameter: 'domain', extra });
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

function periodsOf(
  interval: Interval,
  subjectCount: number,
  { range, zone }: TimeRange,
  zones: Zones,
): readonly Period[] {
  const { width } = zones;
  const hours = ((range.to - range.from) * width.minutes) / 60;
  if (zone !== 'UTC' && hours > maxZonedYears * 366 * 24) {
    throw new HttpProblem(
      'invalid-parameter',
      `with 'tz' ${zone} an interval may span at most ${maxZonedYears} years, but ${width.show(range.from)} to ${width.show(range.to)} is longer; ask for a shorter range, or leave tz out`,
      { parameter: 'tz', extra: { limitYears: maxZonedYears } },
    );
  }
  const misfit = zones.misfit(zone, range.from, range.to);
  if (misfit !== undefined) {
    const { bucket, offsetMinutes, fitting } = misfit;
    const what = `${offsetMinutes} minutes off UTC at ${width.show(bucket)}, but data is stored by UTC ${width.name}`;
    const fits =
      fitting === undefined ? '' : `; a data directory made with SWA_BUCKET_MINUTES=${fitting} could`;
    throw new HttpProblem(
      'unsupported-time-zone',
      `'tz' ${zone} is ${what}, so its hours and days cannot be shown${fits}; leave tz out, or use a zone whose offset is a multiple of ${width.minutes} minutes`,
      { parameter: 'tz', extra: fitting === undefined ? {} : { bucketMinutes: fitting } },
    );
  }
  const limit = Math.min(maxPeriods, Math.floor(maxPeriodsOfUrls / subjectCount));
  const shortest = { hour: 1, day: 23, week: 167, month: 671 }[interval];
  const periods =
    hours / shortest > 2 * limit ? undefined : zones.periods(zone, interval, range.from, range.to, limit);
  if (periods !== undefined && periods.length <= limit) return periods;
  const coarser = intervals.find((other) => hoursIn[other] * limit >= hours);
  const most = limit === maxPeriods ? '' : `, the limit for ${subjectCount} URLs`;
  throw new HttpProblem(
    'range-too-fine',
    `the range has more than ${limit} intervals of a${interval === 'hour' ? 'n' : ''} ${interval}${most}; ${coarser === undefined ? 'ask for a shorter range' : `use interval=${coarser}`}`,
    {
      parameter: 'interval',
      extra: { limit, ...(coarser === undefined ? {} : { suggestion: coarser }) },
    },
  );
}

/** Minimum number of hours per interval, roughly: enough to suggest a coarser one. */
const hoursIn: Readonly<Record<Interval, number>> = { hour: 1, day: 24, week: 168, month: 672 };
