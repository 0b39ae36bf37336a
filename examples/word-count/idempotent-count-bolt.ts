/**
 * Counts each place in the text once: doing the same tuple again changes nothing. With replay that makes every word
 * count exactly once in effect. The price is a memory of all places seen; who reads from a log with offsets, as the
 * speed layer does, can instead store the offset together with the counts.
 */
import type { Tuple } from '../../topology/index.js';
import { CountBolt } from './count-bolt.js';
import type { Word } from './count-bolt.js';

export class IdempotentCountBolt extends CountBolt {
  private readonly seen = new Set<string>();

  protected override alreadyCounted(tuple: Tuple<Word>): boolean {
    const [, number, position] = tuple.values;
    const place = `${number}/${position}`;
    const known = this.seen.has(place);
    this.seen.add(place);
    return known;
  }
}
