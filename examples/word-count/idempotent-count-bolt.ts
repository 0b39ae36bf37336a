/**
 * Counts each position of the text once, so that processing a tuple again changes nothing. Together with replay, every
 * word counts exactly once. The cost is a set of all positions seen; a consumer that reads from a log with offsets, as
 * the speed layer does, can store the offset with the counts instead.
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
