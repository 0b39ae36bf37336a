/**
 * Random histories of a system: facts as all kinds of producers write them, repeats of every kind, records that are not
 * facts, and between them batch runs, epochs, crashes and losses. Plain data, so that a history can be printed, replayed
 * and made smaller.
 */
import fc from 'fast-check';
import type { BucketMinutes } from '../../lib/time/buckets.js';
import { exclusionKinds } from '../../facts/fact.js';
import { forms, invalidRecords, pages, times, visitors } from './records.js';

export interface ViewSpec {
  readonly kind: 'view';
  readonly partition: number;
  readonly visitor: number;
  readonly page: number;
  readonly spelling: number;
  readonly time: number;
  readonly agent: number;
  readonly referrer: number;
  readonly country: number;
  readonly importId: number;
  readonly form: (typeof forms)[number];
}

export interface EdgeSpec {
  readonly kind: 'edge';
  readonly partition: number;
  readonly a: number;
  readonly b: number;
  readonly retract: boolean;
  /** Of few: many edges share one. */
  readonly time: number;
  readonly form: (typeof forms)[number];
}

/** Of few values and few times, so that exclusions and what takes them back meet, and meet pageviews. */
export interface ExclusionSpec {
  readonly kind: 'exclusion';
  readonly partition: number;
  readonly by: number;
  readonly value: number;
  readonly limits: number;
  readonly include: boolean;
  readonly time: number;
  readonly form: (typeof forms)[number];
}

/** A fact that has the eventId of an earlier one, and all else but what `change` names. */
export interface AgainSpec {
  readonly kind: 'again';
  /** Which fact, counted back from the last. */
  readonly back: number;
  readonly change:
    | 'nothing'
    | 'partition'
    | 'form'
    | 'time'
    | 'ids' // another visitor; another pair
    | 'subject' // another page; the other type of edge
    | 'spelling' // of the page; the ends of the pair swapped
    | 'userAgent'
    | 'referrer'
    | 'importId';
  readonly to: number;
}

export interface InvalidSpec {
  readonly kind: 'invalid';
  readonly record: number;
  readonly partition: number;
}

export type RecordSpec = ViewSpec | EdgeSpec | ExclusionSpec | AgainSpec | InvalidSpec;

export type Step =
  | RecordSpec
  /** The speed layer brings in up to so many records of each partition, in each generation. */
  | { readonly kind: 'epochs'; readonly records: readonly number[] }
  /** A batch run at a cut that is these shares of the way to the log's end; its generation is to follow. */
  | { readonly kind: 'batch'; readonly shares: readonly number[] }
  /** After so many commits none goes through any more. The process dies of it, and what it had in memory is lost, or lives. */
  | { readonly kind: 'stall'; readonly commits: number; readonly dies: boolean }
  /** It ends in order and starts again; after a reboot it does not trust its stores. */
  | { readonly kind: 'restart'; readonly reboot: boolean }
  /** A store of a realtime view is deleted. */
  | { readonly kind: 'lose'; readonly next: boolean; readonly partition: number }
  | { readonly kind: 'check' };

export interface History {
  readonly lgK: number;
  readonly bucketMinutes: BucketMinutes;
  /** Offsets that the speed layer looks back for the first of a repeat. */
  readonly window: number;
  readonly epochTuples: number;
  readonly equivPartitions: number;
  readonly steps: readonly Step[];
}

export const pageviewPartitions = 2;
const maxEquivPartitions = 2;

const form = fc.oneof(
  { weight: 4, arbitrary: fc.constant('ours' as const) },
  { weight: 1, arbitrary: fc.constantFrom(...forms) },
);

/** Three in four are among the first `few`, so that cells, persons and pairs come together. */
const early = (few: number, count: number): fc.Arbitrary<number> =>
  fc.oneof({ weight: 3, arbitrary: fc.nat(few - 1) }, { weight: 1, arbitrary: fc.nat(count - 1) });

const view: fc.Arbitrary<ViewSpec> = fc.record({
  kind: fc.constant('view' as const),
  partition: fc.nat(pageviewPartitions - 1),
  visitor: fc.nat(visitors.length - 1),
  page: early(2, pages.length),
  spelling: fc.nat(11),
  time: early(6, times.length),
  agent: fc.nat(7),
  referrer: fc.oneof(fc.constant(0), fc.nat(11)),
  country: fc.nat(5),
  importId: fc.oneof(fc.constant(0), fc.nat(4)),
  form,
});

const edge: fc.Arbitrary<EdgeSpec> = fc.record({
  kind: fc.constant('edge' as const),
  partition: fc.nat(maxEquivPartitions - 1),
  a: early(12, visitors.length),
  b: early(12, visitors.length),
  retract: fc.nat(2).map((chance) => chance === 0),
  time: fc.nat(2),
  form,
});

const exclusion: fc.Arbitrary<ExclusionSpec> = fc.record({
  kind: fc.constant('exclusion' as const),
  partition: fc.nat(maxEquivPartitions - 1),
  by: fc.nat(exclusionKinds.length - 1),
  value: fc.nat(11),
  limits: fc.nat(7),
  include: fc.boolean(),
  time: fc.nat(2),
  form,
});

const again: fc.Arbitrary<AgainSpec> = fc.record({
  kind: fc.constant('again' as const),
  back: fc.oneof(fc.nat(8), fc.nat(150)),
  change: fc.constantFrom(
    'nothing' as const,
    'nothing' as const,
    'partition' as const,
    'form' as const,
    'time' as const,
    'ids' as const,
    'subject' as const,
    'spelling' as const,
    'userAgent' as const,
    'referrer' as const,
    'importId' as const,
  ),
  to: fc.nat(7),
});

const invalid: fc.Arbitrary<InvalidSpec> = fc.record({
  kind: fc.constant('invalid' as const),
  record: fc.nat(invalidRecords.length - 1),
  partition: fc.nat(1),
});

const record = fc.oneof(
  { weight: 12, arbitrary: view },
  { weight: 4, arbitrary: edge },
  { weight: 1, arbitrary: exclusion },
  { weight: 5, arbitrary: again },
  { weight: 1, arbitrary: invalid },
);

const partitions = pageviewPartitions + maxEquivPartitions;
const ofPartitions = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.array(arbitrary, { minLength: partitions, maxLength: partitions });

const event: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('epochs' as const),
      records: ofPartitions(fc.oneof(fc.nat(6), fc.nat(6), fc.nat(40))),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('batch' as const),
      shares: fc.oneof(
        fc.constant(Array.from({ length: partitions }, () => 1)),
        ofPartitions(fc.double({ min: 0, max: 1, noNaN: true })),
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('stall' as const), commits: fc.nat(6), dies: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), reboot: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('lose' as const),
      next: fc.boolean(),
      partition: fc.nat(partitions - 1),
    }),
  },
  { weight: 6, arbitrary: fc.constant({ kind: 'check' as const }) },
);

/** Some records, then some events. */
const chapter: fc.Arbitrary<Step[]> = fc
  .tuple(
    fc.array(record, { minLength: 24, maxLength: 32, size: 'max' }),
    fc.array(event, { minLength: 1, maxLength: 5, size: 'max' }),
  )
  .map(([records, events]) => [...records, ...events]);

/** So many of them hold everything that one can hold. */
export const enoughHistories = 60;

/** At least 240 records. All widths of base buckets are to have their turn, whatever the number of histories: the caller adds one. */
export const histories: fc.Arbitrary<Omit<History, 'bucketMinutes'>> = fc.record({
  lgK: fc.constantFrom(8, 8, 8, 12),
  window: fc.constantFrom(0, 12, 40, 1_000),
  epochTuples: fc.constantFrom(3, 10, 40),
  equivPartitions: fc.constantFrom(1, 1, maxEquivPartitions),
  steps: fc.array(chapter, { minLength: 10, maxLength: 12, size: 'max' }).map((chapters) => chapters.flat()),
});
