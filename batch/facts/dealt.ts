/**
 * The facts of a run, each as five 32-bit numbers: rank of its page, person, rank of its hour, millisecond within the hour,
 * and the person's coupon, which would be a costly look-up for whoever sorts the facts. They lie in blocks, one for each row
 * group of the star, and in a block shard after shard (plan.ts). A block is memory that threads share, or, beyond a limit, a
 * file of its own: so memory is bounded whatever the number of facts.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { readInto } from '../../lib/files/read-at.js';

/** The words of a fact. */
export const factWords = { page: 0, person: 1, hour: 2, millisecond: 3, coupon: 4 } as const;
export const wordsPerFact = 5;

export interface DealtBlock {
  readonly facts: SharedArrayBuffer | string;
  /** Where each shard begins, in facts; one more than there are shards. */
  readonly starts: Uint32Array;
  /** Ranks of the hours that it holds: [fromHour, toHour). */
  readonly fromHour: number;
  readonly toHour: number;
}

/** The block, its facts in the file instead. */
export function spilled(block: DealtBlock, words: Uint32Array, path: string): DealtBlock {
  writeFileSync(path, words);
  return { ...block, facts: path };
}

/** The facts of shards [from, to) of a block, as words. */
export function factsIn({ facts, starts }: DealtBlock, from: number, to: number): Uint32Array {
  const [start, end] = [starts[from] ?? 0, starts[to] ?? 0];
  if (typeof facts !== 'string')
    return new Uint32Array(facts, 4 * wordsPerFact * start, wordsPerFact * (end - start));
  const words = new Uint32Array(wordsPerFact * (end - start));
  const bytes = new Uint8Array(words.buffer);
  const fd = openSync(facts, 'r');
  try {
    const read = readInto(fd, 4 * wordsPerFact * start, bytes);
    if (read < bytes.length) throw new RangeError(`${facts} ends early`);
  } finally {
    closeSync(fd);
  }
  return words;
}
