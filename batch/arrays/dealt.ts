/**
 * The facts of a run, each as some 32-bit numbers: rank of its page, person, rank of its bucket, millisecond within the bucket,
 * the person's coupon, which would be a costly look-up when the facts are sorted, and those of the texts that dimensions read. They lie in blocks, one for each row
 * group of the star, and in a block shard after shard (plan.ts). A block is memory that threads share, or, beyond a limit, a
 * file of its own: so memory is bounded whatever the number of facts.
 */

/** The words of every fact; those of texts follow. */
export const factWords = { page: 0, person: 1, bucket: 2, millisecond: 3, coupon: 4 } as const;
export const fixedWords = 5;

export interface DealtBlock {
  readonly facts: SharedArrayBuffer | string;
  /** Words of a fact. */
  readonly stride: number;
  /** Where each shard begins, in facts; one more than there are shards. */
  readonly starts: Uint32Array;
  /** Ranks of the buckets that it holds: [fromBucket, toBucket). */
  readonly fromBucket: number;
  readonly toBucket: number;
}

/** Reads from a position of a block's file until `into` is full. */
export type ReadFacts = (path: string, position: number, into: Uint8Array) => void;

/** The facts of shards [from, to) of a block, as words. */
export function factsIn(
  { facts, starts, stride }: DealtBlock,
  from: number,
  to: number,
  readFacts: ReadFacts,
): Uint32Array {
  const position = 4 * stride * starts[from];
  const length = stride * (starts[to] - starts[from]);
  if (typeof facts !== 'string') return new Uint32Array(facts, position, length);
  const words = new Uint32Array(length);
  readFacts(facts, position, new Uint8Array(words.buffer));
  return words;
}
