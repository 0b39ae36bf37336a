/** The API's bodies, as far as the page uses them. */
import { anything, flag, list, maybe, number, object, record, text, time, type Decode } from './decode.js';

export interface Freshness {
  readonly generation: string;
  readonly batch: { readonly cut: Readonly<Record<string, number>>; readonly createdAt: number };
  /** undefined while the batch view answers alone. */
  readonly realtime:
    | {
        readonly cut: Readonly<Record<string, number>>;
        readonly lastReceivedAt: number | undefined;
        readonly lagRecords: number | undefined;
        readonly lagMs: number | undefined;
      }
    | undefined;
  readonly complete: boolean;
  /** Offsets whose facts were lost and may belong to the answer. */
  readonly skippedOffsets: number;
  /** In partitions that are not read; undefined where that is not known. */
  readonly unreadRecords: number | undefined;
  /** 'other-rules': the batch view was made by other rules and is not merged with new facts. */
  readonly incompleteReason: string | undefined;
}

const cut = record(number);

export const freshness: Decode<Freshness> = object<Freshness>({
  generation: text,
  batch: object<Freshness['batch']>({ cut, createdAt: time }),
  realtime: maybe(
    object<NonNullable<Freshness['realtime']>>({
      cut,
      lastReceivedAt: maybe(time),
      lagRecords: maybe(number),
      lagMs: maybe(number),
    }),
  ),
  complete: flag,
  skippedOffsets: number,
  unreadRecords: maybe(number),
  incompleteReason: maybe(text),
});

/** A range as the server understood it, UTC ms. */
export interface AnsweredRange {
  readonly from: number;
  readonly to: number;
  readonly tz: string;
}

/** Whole UTC hours [from, to) that hold all pageviews there are, UTC ms. */
export interface Available {
  readonly from: number;
  readonly to: number;
}

const available = maybe(object<Available>({ from: time, to: time }));

const range = object<AnsweredRange>({ from: time, to: time, tz: text });

export interface Bounds {
  readonly lower: number;
  readonly upper: number;
  readonly exact: boolean;
}

export interface Bucket {
  readonly from: number;
  readonly to: number;
  readonly label: string;
}

export interface UniquesBucket extends Bucket, Bounds {
  readonly visitors: number;
}

export interface Uniques {
  readonly data: {
    readonly visitors: number;
    readonly series: readonly UniquesBucket[];
    /** Why there is nothing: 'no-pageviews-in-range', 'unknown-domain', 'unknown-url'. */
    readonly emptyReason: string | undefined;
    /** Where there is something, with 'no-pageviews-in-range'. */
    readonly available: Available | undefined;
  };
  readonly accuracy: Bounds & {
    readonly maxOvercount: number;
    readonly maxUndercount: number;
    readonly relativeStandardError: number;
  };
  readonly freshness: Freshness;
  readonly range: AnsweredRange;
}

const bucket = { from: time, to: time, label: text };
const bounds = { lower: number, upper: number, exact: flag };

export const uniques = object<Uniques>({
  data: object<Uniques['data']>({
    visitors: number,
    series: list(object<UniquesBucket>({ ...bucket, visitors: number, ...bounds })),
    emptyReason: maybe(text),
    available,
  }),
  accuracy: object<Uniques['accuracy']>({
    ...bounds,
    maxOvercount: number,
    maxUndercount: number,
    relativeStandardError: number,
  }),
  freshness,
  range,
});

export interface PageviewsBucket extends Bucket {
  readonly pageviews: number;
}

export interface Pageviews {
  readonly data: { readonly pageviews: number; readonly series: readonly PageviewsBucket[] };
}

export const pageviews = object<Pageviews>({
  data: object<Pageviews['data']>({
    pageviews: number,
    series: list(object<PageviewsBucket>({ ...bucket, pageviews: number })),
  }),
});

/** Without `interval`. */
export interface PageviewTotal {
  readonly data: {
    readonly pageviews: number;
    /** Where there are some, when these are none. */
    readonly available: Available | undefined;
  };
}

export const pageviewTotal = object<PageviewTotal>({
  data: object<PageviewTotal['data']>({ pageviews: number, available }),
});

export interface BounceRate {
  readonly data: {
    readonly visits: number;
    readonly bounces: number;
    /** undefined without visits. */
    readonly rate: number | undefined;
  };
}

export const bounceRate = object<BounceRate>({
  data: object<BounceRate['data']>({ visits: number, bounces: number, rate: maybe(number) }),
});

export interface TopPage extends Bounds {
  readonly url: string;
  readonly pageviews: number;
  readonly visitors: number;
}

export interface Pages {
  readonly data: { readonly pages: readonly TopPage[] };
}

export const pages = object<Pages>({
  data: object<Pages['data']>({
    pages: list(object<TopPage>({ url: text, pageviews: number, visitors: number, ...bounds })),
  }),
});

export interface Domains {
  readonly data: { readonly domains: readonly string[]; readonly more: boolean };
  readonly freshness: Freshness;
}

export const domains = object<Domains>({
  data: object<Domains['data']>({ domains: list(text), more: flag }),
  freshness,
});

export interface Layer {
  readonly role: string;
  readonly worker: string;
  readonly state: string;
  readonly updatedAt: number;
  readonly lastError:
    | {
        readonly at: number;
        readonly code: string;
        readonly message: string;
        readonly hint: string | undefined;
      }
    | undefined;
  /** What the layer says of itself; each says something else. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Status {
  /** undefined while no generation can be read. */
  readonly freshness: Freshness | undefined;
  readonly layers: readonly Layer[];
}

export const status = object<Status>({
  freshness: maybe(freshness),
  layers: list(
    object<Layer>({
      role: text,
      worker: text,
      state: text,
      updatedAt: time,
      lastError: maybe(
        object<NonNullable<Layer['lastError']>>({ at: time, code: text, message: text, hint: maybe(text) }),
      ),
      details: record(anything),
    }),
  ),
});

export interface PublishedView {
  readonly id: string;
  readonly number: number;
  readonly createdAt: number;
  readonly current: boolean;
  readonly pageviews: number;
  readonly persons: number;
}

export interface Batches {
  readonly pending: readonly { readonly requestedBy: string; readonly running: boolean }[];
  /** Newest first. */
  readonly views: readonly PublishedView[];
}

export const batches = object<Batches>({
  pending: list(object<Batches['pending'][number]>({ requestedBy: text, running: flag })),
  views: list(
    object<PublishedView>({
      id: text,
      number,
      createdAt: time,
      current: flag,
      pageviews: number,
      persons: number,
    }),
  ),
});
