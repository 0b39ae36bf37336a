/** Keeps the latest count of each word: the view that is printed at the end. */
import type { Bolt, BoltOutput, TaskContext, Tuple } from '../../topology/index.js';

export class LatestBolt implements Bolt<[word: string, count: number]> {
  readonly counts = new Map<string, number>();
  private output: BoltOutput | undefined;

  prepare(_: TaskContext, output: BoltOutput): void {
    this.output = output;
  }

  execute(tuple: Tuple<[word: string, count: number]>): void {
    const [word, count] = tuple.values;
    this.counts.set(word, count);
    this.output?.ack(tuple);
  }
}
