/** How fresh an answer is: from which facts it was made, how complete that is, and why it is not. */
import { z } from 'zod';
import { sameRules } from '../../facts/rules.js';
import { maxClockAheadMs } from '../../facts/timestamps.js';
import type { Gap } from '../../facts/views/view.js';
import { hourMs } from '../../lib/time/buckets.js';
import { parsePartitionName, type Cut } from '../../log/log.js';
import type { Engine } from '../engine/engine.js';
import type { Generation } from '../engine/generations.js';
import type { HourRange } from '../engine/tally.js';

/** An answer whose cut reached the log's end this long ago still counts as complete. */
const completeWithinMs = 5_000;

const cutSchema = z.record(z.string(), z.number()).describe('Next offset of every topic partition.');
export const instantSchema = z.string().describe('RFC 3339, UTC.');

const incompleteReasons = ['other-rules', 'behind', 'unread-partitions', 'lost-facts'] as const;

export const freshnessSchema = z.object({
  generation: z.string(),
  batch: z.object({ cut: cutSchema, createdAt: instantSchema }),
  realtime: z
    .object({
      cut: cutSchema,
      lastReceivedAt: instantSchema.nullable(),
      deadLetters: z.number(),
      lagRecords: z.number().nullable(),
      lagMs: z.number().nullable().describe('Every fact durable this long ago is in the answer.'),
    })
    .nullable()
    .describe(
      'null where the answer is the batch view alone: always that of the bounce rate, others while the speed layer does not serve, or the batch view was made by other rules.',
    ),
  complete: z
    .boolean()
    .describe(`Every fact durable ${completeWithinMs} ms ago is in the answer, counted by the rules of now.`),
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
      'other-rules: the batch view was made by other rules than new facts are counted by (an upgrade, SWA_URL_QUERY_ALLOW, SWA_BOTS), so it answers alone until the run that makes a new one has ended. behind: facts are missing, or how many is not known. unread-partitions: `unreadRecords` are not counted. lost-facts: `skippedOffsets` are not counted. The first that holds is named; null when complete.',
    ),
});

export type Freshness = z.infer<typeof freshnessSchema>;

/** What an answer was computed from: without a realtime view, the batch view alone. */
export type Used = Pick<Generation, 'batch' | 'realtime'>;

/** @param range of the facts' own times; without one, those of any time are meant */
export function freshnessOf(engine: Engine, { batch, realtime }: Used, range?: HourRange): Freshness {
  const base = {
    generation: batch.meta.id,
    batch: { cut: cutOf(batch.meta.cut), createdAt: instant(batch.meta.createdAt) },
  };
  const lag = engine.lag.lagOf(realtime?.cut ?? batch.meta.cut);
  const lagMs = lag?.throughAgoMs === undefined ? null : Math.round(lag.throughAgoMs);
  const skippedOffsets = skippedIn(batch.meta.gaps, range);
  const unreadRecords = lag?.unreadRecords ?? null;
  const holds: Readonly<Record<(typeof incompleteReasons)[number], boolean>> = {
    'other-rules': !sameRules(batch.meta.rules, engine.rules),
    behind: lagMs === null || lagMs > completeWithinMs,
    'unread-partitions': unreadRecords !== null && unreadRecords > 0,
    'lost-facts': skippedOffsets > 0,
  };
  const incompleteReason = incompleteReasons.find((reason) => holds[reason]) ?? null;
  return {
    ...base,
    realtime:
      realtime === undefined
        ? null
        : {
            cut: cutOf(realtime.cut),
            lastReceivedAt: realtime.lastReceivedAt === undefined ? null : instant(realtime.lastReceivedAt),
            deadLetters: realtime.deadLetters,
            lagRecords: lag?.records ?? null,
            lagMs,
          },
    complete: incompleteReason === null,
    skippedOffsets,
    unreadRecords,
    incompleteReason,
  };
}

/**
 * How many lost offsets may belong to a range. A pageview's time is at most a little after its arrival, and it came before
 * its loss was accepted; how early its time may be is not bounded. A lost edge may join people of any time.
 */
function skippedIn(gaps: readonly Gap[], range: HourRange | undefined): number {
  const fromMs = range === undefined ? -Infinity : range.from * hourMs;
  const reaching = gaps.filter(
    ({ partition, acceptedAt }) =>
      parsePartitionName(partition).topic === 'equivs' || fromMs <= acceptedAt + maxClockAheadMs,
  );
  return reaching.reduce((sum, { fromOffset, toOffset }) => sum + toOffset - fromOffset, 0);
}

/** Changes with whatever an answer is made of, but for its lag, which is of the moment. */
export function versionOf(engine: Engine, { version, batch, realtime }: Generation): string {
  const unread = engine.lag.lagOf(realtime?.cut ?? batch.meta.cut)?.unreadRecords ?? 0;
  return unread === 0 ? version : `${version}.${unread}`;
}

function cutOf(cut: Cut): Record<string, number> {
  return { ...cut.next };
}

function instant(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
