/** A store's metadata: its description (file STORE, never changed) and its progress (in LMDB). */
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
 * Format of stores: 2 added edges, and repeats by visitor and page as well; 3 added base buckets shorter than hours. Stores of other formats are
 * rebuilt from the log.
 */
const storeFormat = 3;

/** Everything that a store's content depends on, except the log's records. */
export interface StoreIdentity {
  readonly generation: ViewId;
  readonly logId: LogId;
  readonly partition: PartitionName;
  /** The batch view's cut: the first offset that counts. */
  readonly from: Offset;
  readonly lgK: number;
  readonly rules: RulesVersions;
  /** Maximum number of stored edges; further edges are only counted. */
  readonly maxEdges: number;
  /**
   * LMDB runs without fsync here: a store is valid as long as the machine has not restarted since it was made, because a killed process loses
   * nothing that it wrote. After a power cut the store is rebuilt.
   */
  readonly bootId: string;
}

export interface StoreDescription extends StoreIdentity {
  /**
   * The end of the log when the store was made. Earlier answers may include facts up to there, so the store does not answer before it has
   * reached it: an answer's cut never goes back.
   */
  readonly readyAt: Offset;
}

/** Position and counts of a store. Changes in the same transaction as the cells. */
export interface Progress {
  /** The next offset to read. */
  readonly next: Offset;
  /** Latest `receivedAt` among the processed records. */
  readonly lastReceivedAt: number | undefined;
  readonly pageviews: number;
  /** All cells are in the buckets [fromBucket, toBucket); both 0 while there are none. */
  readonly fromBucket: number;
  readonly toBucket: number;
  /** Number of equiv facts and of retractions, stored or not. */
  readonly equivs: number;
  readonly retractions: number;
  /** Number of stored edges of both kinds: the first ones. */
  readonly keptEdges: number;
  /** Number of exclusions and of facts that take exclusions back. */
  readonly exclusions: number;
  readonly deadLetters: number;
  /** Number of pageviews that repeat an earlier one. */
  readonly repeats: number;
  /** Number of other records that do not count, by reason. */
  readonly refused: Readonly<Record<string, number>>;
}

/** Sum of a count over several partitions. */
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

/** Progress after a commit of changes up to `next` that stores `keptEdges` edges. */
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
const offsetSchema = count.transform((value) => value as Offset); // the schema allows integers from 0 only
const descriptionSchema = z.object({
  format: z.literal(storeFormat),
  generation: z.string().transform((text) => text as ViewId), // compared with the wanted identity
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
  exclusions: count.default(0), // earlier versions counted them as invalid records
  deadLetters: count,
  repeats: count,
  refused: z.record(z.string(), count),
});

/** Content of the file STORE. */
export function encodeDescription(description: StoreDescription): string {
  return JSON.stringify({ format: storeFormat, ...description });
}

/** The description of a finished store; undefined if there is none, or it is damaged or of another format. */
export function readDescription(dir: string): StoreDescription | undefined {
  const text = readIfThere(join(dir, 'STORE'));
  return text === undefined ? undefined : validJson(descriptionSchema, text); // if damaged, the store is rebuilt
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

/** Throws `realtime.corrupt` if the bytes are not a progress record. */
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

/** Changes with every start of the machine; '' if the system has none (then no store outlives its process). */
export function readBootId(): string {
  return readIfThere('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}
