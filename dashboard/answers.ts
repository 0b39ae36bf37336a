/**
 * The fields of the API's bodies that the page reads, with their types. The bodies are described in query/bodies.ts: a decoder that reads a
 * missing field, or one of another type, does not compile.
 */
import type { Bodies } from '../query/bodies.js';
import {
  anything,
  asked,
  flag,
  list,
  maybe,
  number,
  object,
  record,
  text,
  time,
  type Decode,
  type Decoded,
} from './decode.js';

const cut = record(number);

const freshness = object({
  generation: text,
  batch: object({ cut, createdAt: time }),
  /** Undefined while the batch view answers alone. */
  realtime: maybe(
    object({ cut, lastReceivedAt: maybe(time), lagRecords: maybe(number), lagMs: maybe(number) }),
  ),
  /** Pageviews before it are in no answer; undefined if they are kept forever. */
  keptFrom: maybe(time),
  complete: flag,
  skippedOffsets: number,
  unreadRecords: maybe(number),
  incompleteReason: maybe(text),
});
export type Freshness = Decoded<typeof freshness>;

/** Whole buckets [from, to) that contain all pageviews there are, UTC ms. */
const available = object({ from: time, to: time });
export type Available = Decoded<typeof available>;

const bucket = { from: time, to: time, label: text };
const bounds = { lower: number, upper: number, exact: flag };
/** The period before, of the whole range or of a bucket. */
const before = { from: time, to: time, overlap: flag };

/** [from, to) in UTC ms. */
export interface Bucket {
  readonly from: number;
  readonly to: number;
  readonly label: string;
}

export const uniques = object({
  data: object({
    visitors: number,
    compare: maybe(object({ ...before, visitors: number })),
    series: asked(
      list(
        object({
          ...bucket,
          visitors: number,
          ...bounds,
          compare: maybe(object({ ...before, visitors: number })),
        }),
      ),
    ),
    emptyReason: maybe(text),
    available: maybe(available),
  }),
  accuracy: object({
    ...bounds,
    maxOvercount: number,
    maxUndercount: number,
    rewritten: number,
    relativeStandardError: number,
    visitorScope: maybe(text),
  }),
  freshness,
  range: object({ from: time, to: time, tz: text }),
}) satisfies Decode<unknown, Bodies['uniques']>;
export type Uniques = Decoded<typeof uniques>;

export const pageviews = object({
  data: object({
    pageviews: number,
    compare: maybe(object({ ...before, pageviews: number })),
    series: asked(
      list(
        object({ ...bucket, pageviews: number, compare: maybe(object({ ...before, pageviews: number })) }),
      ),
    ),
  }),
}) satisfies Decode<unknown, Bodies['pageviews']>;
export type Pageviews = Decoded<typeof pageviews>;

/** The body without `interval`. */
export const pageviewTotal = object({
  data: object({ pageviews: number, available: maybe(available) }),
}) satisfies Decode<unknown, Bodies['pageviews']>;

const visitFigures = {
  visits: number,
  bounces: number,
  bounceRate: maybe(number),
  pageviewsPerVisit: maybe(number),
  meanDuration: maybe(number),
};

export const visits = object({
  data: object({ ...visitFigures, compare: maybe(object({ ...before, ...visitFigures })) }),
}) satisfies Decode<unknown, Bodies['visits']>;
export type Visits = Decoded<typeof visits>;

export const pages = object({
  data: object({ pages: list(object({ url: text, pageviews: number, visitors: number, ...bounds })) }),
}) satisfies Decode<unknown, Bodies['pages']>;
export type Pages = Decoded<typeof pages>;
export type TopPage = Pages['data']['pages'][number];

export const breakdown = object({
  data: object({
    by: text,
    values: list(object({ value: text, visitors: number, pageviews: number, ...bounds })),
    more: flag,
    others: object({ atLeast: number, atMost: number }),
    emptyReason: maybe(text),
  }),
  accuracy: object({ ranked: text }),
}) satisfies Decode<unknown, Bodies['breakdown']>;
export type Breakdown = Decoded<typeof breakdown>;

export const now = object({
  data: object({
    from: time,
    visitors: number,
    pages: list(object({ url: text, visitors: number })),
  }),
  accuracy: object({ coveredFrom: time }),
}) satisfies Decode<unknown, Bodies['now']>;
export type Now = Decoded<typeof now>;

export const domains = object({
  data: object({ domains: list(text), more: flag }),
  freshness,
}) satisfies Decode<unknown, Bodies['domains']>;

export const status = object({
  /** Undefined while no generation can be read. */
  freshness: maybe(freshness),
  /** Only with a key of one domain, which is told nothing of layers and batch runs. */
  domain: maybe(text),
  layers: list(
    object({
      role: text,
      worker: text,
      state: text,
      updatedAt: time,
      lastError: maybe(object({ at: time, code: text, message: text, hint: maybe(text) })),
      details: record(anything),
    }),
  ),
  bucketMinutes: number,
  dimensions: list(object({ name: text, label: text, title: text })),
}) satisfies Decode<unknown, Bodies['status']>;
export type Status = Decoded<typeof status>;
export type Dimension = Status['dimensions'][number];
export type Layer = Status['layers'][number];

/** Views are newest first. */
export const batches = object({
  pending: list(object({ requestedBy: text, running: flag })),
  views: list(
    object({ id: text, number, createdAt: time, current: flag, pageviews: number, persons: number }),
  ),
}) satisfies Decode<unknown, Bodies['batches']>;
export type Batches = Decoded<typeof batches>;
export type PublishedView = Batches['views'][number];
