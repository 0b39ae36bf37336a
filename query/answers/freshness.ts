/** How fresh an answer is: from which facts it was made, and whether it is complete or why not. */
import { sameRules } from '../../facts/rules-versions.js';
import { maxClockAheadMs } from '../../facts/timestamps.js';
import type { Gap, RealtimeView } from '../../facts/views/view.js';
import { parsePartitionName, type Cut } from '../../log/log.js';
import { completeWithinMs, incompleteReasons, type Freshness } from '../bodies.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import type { BucketRange } from '../../lib/time/buckets.js';

/** The parts of a generation that an answer used; without a realtime part it used the batch view alone. */
export interface AnswerSource extends Pick<PinnedGeneration, 'batch' | 'layer'> {
  readonly realtime: Pick<RealtimeView, 'cut' | 'lastReceivedAt' | 'deadLetters'> | undefined;
}

/** @param range of the facts' timestamps; all times if undefined */
export function freshnessOf(
  engine: Engine,
  { batch, realtime, layer }: AnswerSource,
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
 * Number of lost offsets whose facts may belong to a range that begins at `fromMs` (UTC ms). A lost pageview's timestamp is at most `maxClockAheadMs`
 * after the time the loss was accepted, but may be arbitrarily early. A lost edge may join people of any time.
 */
function skippedIn(gaps: readonly Gap[], fromMs: number): number {
  const reaching = gaps.filter(
    ({ partition, acceptedAt }) =>
      parsePartitionName(partition).topic === 'equivs' || fromMs <= acceptedAt + maxClockAheadMs,
  );
  return reaching.reduce((sum, { fromOffset, toOffset }) => sum + toOffset - fromOffset, 0);
}

/** Version of everything that an answer depends on except its lag, which changes all the time. */
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
