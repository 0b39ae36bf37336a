/**
 * The facts of a run, each as a row of 32-bit numbers: rank of its page, person, rank of its bucket, millisecond within the bucket, the person's
 * coupon (stored because a look-up while sorting would be slow), and the numbers of the texts that dimensions read. They are in blocks, one per
 * row group of the star, sorted by shard (plan.ts). A block is shared memory or, beyond a limit, a file: so memory is bounded whatever the
 * number of facts.
 */

/** Index of each word of a fact; the numbers of texts follow. */
export const factWords = { page: 0, person: 1, bucket: 2, millisecond: 3, coupon: 4 } as const;
export const fixedWords = 5;

export interface DealtBlock {
  readonly facts: SharedArrayBuffer | string;
  /** Words per fact. */
  readonly stride: number;
  /** Start of each shard, in facts; one more entry than there are shards. */
  readonly starts: Uint32Array;
  /** Range of the ranks of its buckets: [fromBucket, toBucket). */
  readonly fromBucket: number;
  readonly toBucket: number;
}

/** Fills `into` from a position of a block's file. */
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
