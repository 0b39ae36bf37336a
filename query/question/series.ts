/** Questions about a range as a whole or by intervals, optionally compared with an earlier period: parses all their parameters. */
import { z } from 'zod';
import { HttpProblem } from '../../lib/http/problem.js';
import type { BucketRange } from '../../lib/time/buckets.js';
import type { UrlRules } from '../../facts/url/normalize.js';
import type { Subject } from '../../facts/views/view.js';
import { comparisons, layerNames, type Comparison } from '../bodies.js';
import { earlierOf } from '../engine/earlier.js';
import { intervals, type Interval, type Period, type Zones } from '../engine/zone.js';
import { subjectShape, subjectsOf, type SubjectNames } from './subjects.js';
import { maxZonedYears, rangeShape, timeRange, zoneShape, type TimeRange } from './time-range.js';

/** Maximum number of entries of a series: a year of hours, 24 years of days. */
const maxPeriods = 8_784;
/**
 * Maximum number of entries times URLs, since each entry reads every page again. It allows six pages by the hour for a year, which takes some
 * seconds.
 */
const maxPeriodsOfUrls = 6 * maxPeriods;

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
  // Unless the edges are aligned, the first and the last interval are partial ones in addition.
  const coarser = intervals.find((other) => hoursIn[other] * (limit - 2) >= hours);
  const ofUrls = limit === maxPeriods ? '' : `, the limit for ${subjectCount} URLs`;
  throw new HttpProblem(
    'range-too-fine',
    `the range has more than ${limit} intervals of a${interval === 'hour' ? 'n' : ''} ${interval}${ofUrls}; ${coarser === undefined ? 'ask for a shorter range' : `use interval=${coarser}`}`,
    {
      parameter: 'interval',
      extra: { limit, ...(coarser === undefined ? {} : { suggestion: coarser }) },
    },
  );
}

/** Minimum number of hours per interval, roughly: enough to suggest a coarser one. */
const hoursIn: Readonly<Record<Interval, number>> = { hour: 1, day: 24, week: 168, month: 672 };
