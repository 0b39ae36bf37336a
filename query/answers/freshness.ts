/** How fresh an answer is: from which facts it was made, how complete that is, and why it is not. */
import { sameRules } from '../../facts/rules-versions.js';
import { maxClockAheadMs } from '../../facts/timestamps.js';
import type { Gap, RealtimeView } from '../../facts/views/view.js';
import { parsePartitionName, type Cut } from '../../log/log.js';
import { completeWithinMs, incompleteReasons, type Freshness } from '../bodies.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import type { BucketRange } from '../../lib/time/buckets.js';

/** What an answer was computed from: without a realtime part, the batch view alone. */
export interface Used extends Pick<PinnedGeneration, 'batch' | 'layer'> {
  readonly realtime: Pick<RealtimeView, 'cut' | 'lastReceivedAt' | 'deadLetters'> | undefined;
}

/** @param range of the facts' own times; without one, those of any time are meant */
export function freshnessOf(
  engine: Engine,
  { batch, realtime, layer }: Used,
  range?: BucketRange,
): Freshness {
  const base = {
    generation: batch.meta.id,
    batch: { cut: cutOf(batch.meta.cut), createdAt: instant(batch.meta.createdAt) },
  };
  const lag = engine.lag.lagOf(realtime?.cut ?? batch.meta.cut);
  const lagMs = lag?.throughAgoMs === undefined ? null : Math.round(lag.throughAgoMs);
  const skippedOffsets = skippedIn(
    batch.meta.gaps,
    range === undefined ? -Infinity : range.from * engine.width.ms,
  );
  const unreadRecords = lag?.unreadRecords ?? null;
  const holds: Readonly<Record<(typeof incompleteReasons)[number], boolean>> = {
    'one-layer': layer !== undefined,
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
    ...(batch.meta.keptFrom === undefined ? {} : { keptFrom: instant(batch.meta.keptFrom) }),
  };
}

/**
 * How many lost offsets may belong to a range that begins at a time (UTC ms). A pageview's time is at most a little after its arrival, and it came before
 * its loss was accepted; how early its time may be is not bounded. A lost edge may join people of any time.
 */
function skippedIn(gaps: readonly Gap[], fromMs: number): number {
  const reaching = gaps.filter(
    ({ partition, acceptedAt }) =>
      parsePartitionName(partition).topic === 'equivs' || fromMs <= acceptedAt + maxClockAheadMs,
  );
  return reaching.reduce((sum, { fromOffset, toOffset }) => sum + toOffset - fromOffset, 0);
}

/** Changes with whatever an answer is made of, but for its lag, which is of the moment. */
export function versionOf(engine: Engine, { version, batch, realtime }: PinnedGeneration): string {
  const unread = engine.lag.lagOf(realtime?.cut ?? batch.meta.cut)?.unreadRecords ?? 0;
  return unread === 0 ? version : `${version}.${unread}`;
}

function cutOf(cut: Cut): Record<string, number> {
  return { ...cut.next };
}

function instant(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
