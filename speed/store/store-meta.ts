/** What a store says about itself: what it is (file STORE, never changed) and how far it has come (in LMDB). */
import { join } from 'node:path';
import { z } from 'zod';
import { SwaError } from '../../lib/errors/errors.js';
import { validJson } from '../../lib/files/valid-json.js';
import { readIfThere } from '../../lib/files/read-if-there.js';
import { sameRules, storedRulesSchema, type RulesVersions } from '../../facts/rules-versions.js';
import type { LogId, Offset, PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';
import type { Tally } from './epoch-changes.js';

/**
 * Of what a store holds: 2 since it holds edges and repeats are told by visitor and page, too; 3 since its base buckets may be shorter
 * than hours. Stores of another one are made again from the log.
 */
const storeFormat = 3;

/** All that a store's content depends on, but for the log's records. */
export interface StoreIdentity {
  readonly generation: ViewId;
  readonly logId: LogId;
  readonly partition: PartitionName;
  /** The batch view's cut: the first offset that counts. */
  readonly from: Offset;
  readonly lgK: number;
  readonly rules: RulesVersions;
  /** Edges kept at most; those beyond are counted. */
  readonly maxEdges: number;
  /**
   * LMDB runs here without fsync: a store is good as long as the machine has not gone down since it was made, since a
   * killed process loses nothing that it wrote. After a power cut the store is rebuilt.
   */
  readonly bootId: string;
}

export interface StoreDescription extends StoreIdentity {
  /**
   * The end of the log when the store was made. Earlier answers may have contained facts up to there, so until
   * the store has come this far no answer is made from it: an answer's cut never goes back.
   */
  readonly readyAt: Offset;
}

/** How far the store has come, and what it has counted besides cells. Changes in one transaction with them. */
export interface Progress {
  /** The next offset to read. */
  readonly next: Offset;
  /** Newest `receivedAt` among the records applied. */
  readonly lastReceivedAt: number | undefined;
  readonly pageviews: number;
  /** All cells lie in the buckets [fromBucket, toBucket); both 0 while there is none. */
  readonly fromBucket: number;
  readonly toBucket: number;
  /** Equiv facts and retractions, kept or not. */
  readonly equivs: number;
  readonly retractions: number;
  /** How many of the two the store holds: the first ones. */
  readonly keptEdges: number;
  /** Exclusions, and facts that take some back. */
  readonly exclusions: number;
  readonly deadLetters: number;
  /** Pageviews that were counted before. */
  readonly repeats: number;
  /** Other records that were read and not counted, by reason. */
  readonly refused: Readonly<Record<string, number>>;
}

/** Over several partitions. */
export function sumOf<P extends Partial<Progress>>(all: Iterable<P>, count: (progress: P) => number): number {
  let sum = 0;
  for (const progress of all) sum += count(progress);
  return sum;
}

export function startProgress(from: Offset): Progress {
  return {
    next: from,
    lastReceivedAt: undefined,
    pageviews: 0,
    fromBucket: 0,
    toBucket: 0,
    equivs: 0,
    retractions: 0,
    keptEdges: 0,
    exclusions: 0,
    deadLetters: 0,
    repeats: 0,
    refused: {},
  };
}

/** What becomes of the progress by a commit of changes up to `next` that stores so many edges. */
export function progressAfter(before: Progress, next: Offset, tally: Tally, keptEdges: number): Progress {
  const refused: Record<string, number> = { ...before.refused };
  for (const [reason, count] of tally.refused) refused[reason] = (refused[reason] ?? 0) + count;
  const lastReceivedAt = Math.max(before.lastReceivedAt ?? -1, tally.lastReceivedAt);
  const fromBucket = Math.min(before.toBucket === 0 ? Infinity : before.fromBucket, tally.fromBucket);
  return {
    next,
    lastReceivedAt: lastReceivedAt < 0 ? undefined : lastReceivedAt,
    pageviews: before.pageviews + tally.pageviews,
    fromBucket: fromBucket === Infinity ? 0 : fromBucket,
    toBucket: Math.max(before.toBucket, tally.toBucket),
    equivs: before.equivs + tally.equivs,
    retractions: before.retractions + tally.retractions,
    keptEdges: before.keptEdges + keptEdges,
    exclusions: before.exclusions + tally.exclusions,
    deadLetters: before.deadLetters + tally.deadLetters,
    repeats: before.repeats + tally.repeats,
    refused,
  };
}

const count = z.number().int().min(0);
const offsetSchema = count.transform((value) => value as Offset); // checked: a whole number from 0
const descriptionSchema = z.object({
  format: z.literal(storeFormat),
  generation: z.string().transform((text) => text as ViewId), // compared with what is wanted
  logId: z.string().transform((text) => text as LogId),
  partition: z.string().transform((text) => text as PartitionName),
  from: offsetSchema,
  lgK: count,
  rules: storedRulesSchema,
  maxEdges: count,
  bootId: z.string(),
  readyAt: offsetSchema,
});
const progressSchema = z.object({
  next: offsetSchema,
  lastReceivedAt: count.optional().transform((value) => value),
  pageviews: count,
  fromBucket: count,
  toBucket: count,
  equivs: count,
  retractions: count,
  keptEdges: count,
  exclusions: count.default(0), // the versions before took them for invalid records
  deadLetters: count,
  repeats: count,
  refused: z.record(z.string(), count),
});

/** As it is written when a store is finished. */
export function encodeDescription(description: StoreDescription): string {
  return JSON.stringify({ format: storeFormat, ...description });
}

/** The description of a finished store; undefined when there is none, no readable one, or one of another format. */
export function readDescription(dir: string): StoreDescription | undefined {
  const text = readIfThere(join(dir, 'STORE'));
  return text === undefined ? undefined : validJson(descriptionSchema, text); // damaged: the store is rebuilt
}

export function sameIdentity(a: StoreIdentity, b: StoreIdentity): boolean {
  return (
    a.generation === b.generation &&
    a.logId === b.logId &&
    a.partition === b.partition &&
    a.from === b.from &&
    a.lgK === b.lgK &&
    sameRules(a.rules, b.rules) &&
    a.maxEdges === b.maxEdges &&
    a.bootId === b.bootId &&
    a.bootId !== ''
  );
}

export function encodeProgress(progress: Progress): Buffer {
  return Buffer.from(JSON.stringify(progress));
}

/** Throws `realtime.corrupt` when the bytes are not a progress record. */
export function decodeProgress(bytes: Uint8Array): Progress {
  try {
    const { lastReceivedAt, ...rest } = progressSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
    return { ...rest, lastReceivedAt };
  } catch (cause) {
    throw new SwaError('realtime.corrupt', 'the progress record of a realtime store is damaged', {
      cause,
      retryable: true,
    });
  }
}

/** Changes whenever the machine starts; '' where the system does not say (then no store outlives its process). */
export function readBootId(): string {
  return readIfThere('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}
