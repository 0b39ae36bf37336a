/**
 * The schemas of all JSON bodies of the API. The OpenAPI document is made from them; they also give the types of answers where they are made, and
 * where they are read (the page's dashboard/answers.ts, clients, tests). This module imports little more than zod, so that the page can be checked
 * against it.
 */
import { z } from 'zod';
import { rulesVersionsSchema } from '../facts/rules-versions.js';

/** An answer whose cut reached the log's end this long ago still counts as complete. */
export const completeWithinMs = 5_000;
import { erasureSchema, instantSchema, overdueErasureSchema } from './erasure-bodies.js';

const cutSchema = z.record(z.string(), z.number()).describe('Next offset of every topic partition.');

export const layerNames = ['batch', 'realtime'] as const;
export type LayerName = (typeof layerNames)[number];

export const comparisons = ['previous', 'year'] as const;
export type Comparison = (typeof comparisons)[number];

export const incompleteReasons = [
  'one-layer',
  'other-rules',
  'behind',
  'unread-partitions',
  'lost-facts',
] as const;

export const freshnessSchema = z.object({
  generation: z.string(),
  batch: z.object({ cut: cutSchema, createdAt: instantSchema }),
  realtime: z
    .object({
      cut: cutSchema,
      lastReceivedAt: instantSchema.nullable(),
      deadLetters: z.number(),
      lagRecords: z.number().nullable(),
      lagMs: z
        .number()
        .nullable()
        .describe('Every fact that became durable at least this long ago is in the answer.'),
    })
    .nullable()
    .describe(
      'null where the answer is the batch view alone: for visits, the bounce rate and layer=batch always, for others while the speed layer is not ready or the batch view was made with other rules.',
    ),
  keptFrom: instantSchema
    .optional()
    .describe(
      'Only where pageviews are kept for a limited time (SWA_RETENTION_DAYS): answers reach back to here.',
    ),
  complete: z
    .boolean()
    .describe(
      `Every fact that became durable at least ${completeWithinMs} ms ago is in the answer, counted with the current rules.`,
    ),
  skippedOffsets: z
    .number()
    .describe(
      'Offsets of the log whose facts may belong to this answer, but were lost before they could be stored (`swa recover --skip-gap`).',
    ),
  unreadRecords: z
    .number()
    .nullable()
    .describe(
      'Records in partitions that were added to the Kafka topics, which are not read. null: not known.',
    ),
  incompleteReason: z
    .enum(incompleteReasons)
    .nullable()
    .describe(
      'one-layer: `layer` asked for one layer alone. other-rules: the batch view was made with other rules than new facts are counted with (an upgrade, SWA_URL_QUERY_ALLOW, SWA_BOTS, SWA_DIMENSIONS), so answers use it alone until the next run has published a new view. behind: facts are missing, or how many is not known. unread-partitions: `unreadRecords` are not counted. lost-facts: `skippedOffsets` are not counted. The first that holds is named; null when complete.',
    ),
});

const emptyShape = {
  emptyReason: z.string().optional().describe('Only when the answer is zero: why.'),
  available: z
    .object({ from: instantSchema, to: instantSchema })
    .optional()
    .describe('With no-pageviews-in-range: from the first bucket with pageviews to the end of the last.'),
};

const nextShape = {
  next: z
    .string()
    .optional()
    .describe('Only where further rows follow: the `cursor` of the page that begins with them.'),
};

const waitingExclusions = z
  .number()
  .describe(
    'Exclusions after the batch cut, and facts that take some back, about whatever: they change nothing until the next batch run, which starts at once.',
  );

const uniquesAccuracySchema = z.object({
  method: z.literal('hyperloglog'),
  lgK: z.number(),
  relativeStandardError: z.number(),
  confidence: z.literal(0.95),
  lower: z.number(),
  upper: z.number(),
  exact: z
    .boolean()
    .describe(
      'The number is exact, with odds of an error below 1 in 10,000: no more than 201 people, and no edge after the batch cut can change it.',
    ),
  rewritten: z
    .number()
    .describe(
      'People that are counted as another person already, because equiv facts after the batch cut join them: people of the batch view, and ids it does not have yet.',
    ),
  maxOvercount: z
    .number()
    .describe(
      'By how much equiv facts after the batch cut can lower this number at most: people it may count who may turn out to be one. `lower` allows for it.',
    ),
  maxUndercount: z
    .number()
    .describe(
      'By how much retractions after the batch cut can raise this number at most: people it may count who may turn out to be several. `upper` allows for it.',
    ),
  waitingExclusions,
  visitorScope: z
    .literal('day')
    .optional()
    .describe(
      'Only where pages of cookieless sites (SWA_SITES) are, or were, counted: their visitors are told apart for one UTC day, so whoever comes on two days counts as two.',
    ),
});

/** Accuracy of a list: each row has its own bounds. */
const listAccuracySchema = uniquesAccuracySchema.omit({ lower: true, upper: true, exact: true }).extend({
  ranked: z
    .enum(['all', 'part'])
    .describe(
      'part: there was so much that not all could be looked at in time. Each row is right, but one that is not listed may have more.',
    ),
});

const countAccuracySchema = z.object({
  method: z.literal('count'),
  exact: z
    .literal(true)
    .describe(
      'Counted, not estimated. A repeat that comes more than SWA_DEDUP_WINDOW records of its log partition after what it repeats counts again until the next batch run.',
    ),
  waitingExclusions,
});

const bucketMinutesSchema = z
  .literal([60, 30, 15])
  .describe(
    'Minutes of the smallest bucket (SWA_BUCKET_MINUTES): ranges begin and end with one, and offsets of `tz` must be multiples of it.',
  );

const rangeSchema = z.object({
  from: instantSchema,
  to: instantSchema,
  hours: z.number(),
  bucketMinutes: bucketMinutesSchema,
  tz: z.string(),
  interval: z.string().optional(),
});

const explainSchema = z.object({
  cover: z.array(z.object({ span: z.string(), from: instantSchema, to: instantSchema, buckets: z.number() })),
  coverBuckets: z.number(),
  subjects: z.number(),
  batchBucketsRead: z.number(),
  realtimeBucketsRead: z.number(),
});

const subjectData = {
  url: z.string().optional(),
  urls: z.array(z.string()).optional(),
  domain: z.string().optional(),
  ...emptyShape,
};
const interval = { from: instantSchema, to: instantSchema, label: z.string() };
const bounds = { lower: z.number(), upper: z.number(), exact: z.boolean() };

/** Figures of visits, counted in the bucket in which they began. */
const visitFigures = {
  visits: z.number(),
  bounces: z.number().describe('Visits of one pageview.'),
  pageviews: z
    .number()
    .nullable()
    .describe(
      'Pageviews of these visits, also those after the range. null where the batch view was made by a version that did not count them.',
    ),
  duration: z
    .number()
    .nullable()
    .describe('Seconds from the first to the last pageview of each visit, added. null as above.'),
  bounceRate: z.number().nullable().describe('bounces / visits. null without visits.'),
  pageviewsPerVisit: z.number().nullable().describe('pageviews / visits. null without visits.'),
  meanDuration: z
    .number()
    .nullable()
    .describe(
      'duration / visits, in seconds. A visit of one pageview counts with 0: how long that page was read is not known. null without visits.',
    ),
};

const layerNameSchema = z
  .enum(layerNames)
  .optional()
  .describe(
    'Only where `layer` asked for it: the answer is what this layer alone says, which is not the whole.',
  );

/** The same figures for the earlier period. */
function compared<F extends z.ZodRawShape>(figures: F) {
  return z
    .object({
      from: instantSchema,
      to: instantSchema,
      ...figures,
      overlap: z
        .boolean()
        .describe(
          'The intervals from lower to upper of both periods overlap: the difference may be nothing but error. Of pageviews and visits: both are equal.',
        ),
    })
    .nullable()
    .optional()
    .describe(
      'Only with `compare`. null where there is no such period: an hour that the clocks of `tz` skipped.',
    );
}

/** The body of an answer about a range. */
function ranged<D extends z.ZodRawShape, A extends z.ZodType>(data: D, accuracy: A) {
  return z.object({
    data: z.object(data),
    accuracy,
    freshness: freshnessSchema,
    range: rangeSchema,
    layer: layerNameSchema,
    explain: explainSchema.optional(),
    rules: rulesVersionsSchema,
  });
}

const pendingSchema = z.object({
  id: z.number(),
  requestedBy: z.string(),
  requestedAt: instantSchema,
  running: z.boolean(),
});

const runSchema = z.object({
  id: z.string(),
  trigger: z.string().describe('schedule, missed, upgrade, request or command.'),
  startedAt: instantSchema,
  endedAt: instantSchema.nullable(),
  outcome: z.string().describe('running, published, failed or killed.'),
  view: z.string().nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  counts: z
    .record(z.string(), z.number())
    .describe(
      'Records by what became of them: pageviewRecords = pageviews (counted) + repeats + botPageviews + excludedPageviews + refusedUrls + invalidPageviews; ' +
        'edgeRecords, of which refusedEdges and repeatedEdges do not count; liveEdges join ids; exclusionRecords, by which liveExclusions are in force. Empty for a run that did not publish.',
    ),
});
const viewSchema = z.object({
  id: z.string(),
  number: z.number(),
  createdAt: instantSchema,
  current: z.boolean(),
  pageviews: z.number(),
  persons: z.number(),
});

const layerSchema = z.looseObject({
  role: z.string(),
  worker: z.string(),
  state: z.string(),
  updatedAt: instantSchema,
  lastError: z
    .object({ at: instantSchema, code: z.string(), message: z.string(), hint: z.string().optional() })
    .nullable(),
  details: z
    .record(z.string(), z.unknown())
    .describe('Details from the layer; they differ from layer to layer.'),
});

export const bodies = {
  uniques: ranged(
    {
      ...subjectData,
      visitors: z.number(),
      compare: compared({ visitors: z.number(), ...bounds }),
      series: z
        .array(
          z.object({
            ...interval,
            visitors: z.number(),
            ...bounds,
            compare: compared({ visitors: z.number(), ...bounds }),
          }),
        )
        .optional(),
    },
    uniquesAccuracySchema,
  ),
  pageviews: ranged(
    {
      ...subjectData,
      pageviews: z.number(),
      compare: compared({ pageviews: z.number() }),
      series: z
        .array(z.object({ ...interval, pageviews: z.number(), compare: compared({ pageviews: z.number() }) }))
        .optional(),
    },
    countAccuracySchema,
  ),
  bounceRate: ranged(
    {
      domain: z.string(),
      visits: z.number(),
      bounces: z.number(),
      rate: z.number().nullable(),
      through: instantSchema,
      emptyReason: z.string().optional(),
    },
    countAccuracySchema,
  ),
  visits: ranged(
    {
      domain: z.string(),
      ...visitFigures,
      compare: compared(visitFigures),
      through: instantSchema,
      series: z.array(z.object({ ...interval, ...visitFigures, compare: compared(visitFigures) })).optional(),
      emptyReason: z.string().optional(),
    },
    countAccuracySchema,
  ),
  pages: ranged(
    {
      domain: z.string(),
      pages: z.array(z.object({ url: z.string(), pageviews: z.number(), visitors: z.number(), ...bounds })),
      ...nextShape,
      ...emptyShape,
    },
    listAccuracySchema,
  ),
  breakdown: ranged(
    {
      domain: z.string(),
      by: z.string(),
      values: z.array(
        z.object({ value: z.string(), visitors: z.number(), pageviews: z.number(), ...bounds }),
      ),
      more: z.boolean().describe('The range may have further values.'),
      others: z
        .object({ atLeast: z.number(), atMost: z.number() })
        .describe(
          'How many further values the range has, after this page and those before it; the two differ where not all were looked at.',
        ),
      ...nextShape,
      ...emptyShape,
    },
    listAccuracySchema,
  ),
  now: z.object({
    data: z.object({
      domain: z.string(),
      from: instantSchema,
      to: instantSchema.describe('The moment of the answer.'),
      visitors: z
        .number()
        .describe('People with a pageview whose own time and arrival both lie in [from, to].'),
      pages: z.array(z.object({ url: z.string(), visitors: z.number() })),
      more: z.boolean().describe('There are further pages.'),
    }),
    accuracy: z.object({
      method: z.literal('count'),
      exact: z
        .boolean()
        .describe(
          'Nothing was left out for want of memory, and no edge after the batch cut can change the number.',
        ),
      coveredFrom: instantSchema.describe(
        'Later than `from` where there were more recent pageviews than are kept: those that arrived before are missing.',
      ),
      rewritten: uniquesAccuracySchema.shape.rewritten,
      waitingExclusions,
      visitorScope: uniquesAccuracySchema.shape.visitorScope,
    }),
    freshness: freshnessSchema,
    rules: rulesVersionsSchema,
  }),
  domains: z.object({
    data: z.object({ domains: z.array(z.string()), more: z.boolean(), ...nextShape }),
    freshness: freshnessSchema,
    rules: rulesVersionsSchema,
  }),
  person: z.object({
    data: z.object({
      visitor: z.string(),
      person: z.string().describe('PersonID, by all edges before the cut.'),
      batchPerson: z
        .string()
        .describe(
          'PersonID in the batch view: until an edge after its cut joins it to another one, the same.',
        ),
      joinedPersons: z
        .array(z.string())
        .describe('PersonIDs of the batch view that equiv facts after its cut join to it.'),
      ids: z.array(z.string()).describe('All ids of the person that edges join, ascending, at most 1,000.'),
      idCount: z.number(),
    }),
    accuracy: z.object({
      method: z.literal('union-find'),
      exact: z.boolean().describe('The next batch run, at the same cut, says the same of this person.'),
      equivsAfterBatchCut: z.number().describe('Equiv facts after the batch cut, about any person.'),
      retractionsAfterBatchCut: z.number().describe('Retractions after the batch cut, about any person.'),
    }),
    freshness: freshnessSchema,
    rules: rulesVersionsSchema,
  }),
  erasure: erasureSchema,
  erasures: z.object({ erasures: z.array(erasureSchema) }),
  erasurePreview: z.object({
    ids: z.array(z.string()),
    warning: z.string().nullable().describe('More ids than one person usually has.'),
  }),
  batches: z.object({
    pending: z.array(pendingSchema),
    views: z.array(viewSchema),
    runs: z.array(runSchema),
  }),
  status: z.object({
    freshness: freshnessSchema.nullable(),
    overdueErasures: z
      .array(overdueErasureSchema)
      .describe(
        'Erasures that are not done after SWA_ERASURE_HOURS (24), oldest first. Empty for a key of one domain.',
      ),
    domain: z
      .string()
      .optional()
      .describe('Only for a key of one domain: the domain that it may ask about. `layers` is empty then.'),
    layers: z.array(layerSchema),
    bucketMinutes: bucketMinutesSchema,
    dimensions: z
      .array(z.object({ name: z.string(), label: z.string(), title: z.string() }))
      .describe('The dimensions that are kept (SWA_DIMENSIONS): what /v1/breakdown takes as `by`.'),
  }),
};

/** Types of the bodies, by name. */
export type Bodies = { readonly [Name in keyof typeof bodies]: z.output<(typeof bodies)[Name]> };

export type Freshness = z.output<typeof freshnessSchema>;
export type UniquesAccuracy = z.output<typeof uniquesAccuracySchema>;
export type Explain = z.output<typeof explainSchema>;
export type AnsweredRange = z.output<typeof rangeSchema>;
export type PendingBatch = z.output<typeof pendingSchema>;
export type PublishedView = z.output<typeof viewSchema>;
export type BatchRun = z.output<typeof runSchema>;
export type Layer = z.output<typeof layerSchema>;
export type Erasure = z.output<typeof erasureSchema>;
