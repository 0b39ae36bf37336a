/**
 * Counts words and emits each new count. Fields grouping on the word sends every occurrence of a word to the same task,
 * so a plain map is enough. A word whose sentence was replayed is counted twice.
 */
import type { Bolt, BoltOutput, TaskContext, Tuple } from '../../topology/index.js';

export type Word = [word: string, number: number, position: number];

export class CountBolt implements Bolt<Word> {
  readonly outputs = { default: ['word', 'count'] };
  private readonly counts = new Map<string, number>();
  private output: BoltOutput | undefined;

  prepare(_: TaskContext, output: BoltOutput): void {
    this.output = output;
  }

  execute(tuple: Tuple<Word>): void {
    const [word] = tuple.values;
    const before = this.counts.get(word) ?? 0;
    const count = this.alreadyCounted?.(tuple) === true ? before : before + 1;
    this.counts.set(word, count);
    this.output?.emit([word, count], tuple);
    this.output?.ack(tuple);
  }

  /** Returns true if this tuple's position in the text has been counted. A plain count cannot know. */
  protected alreadyCounted?(tuple: Tuple<Word>): boolean;
}
