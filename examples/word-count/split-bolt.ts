/** Splits a sentence into words. Each word carries its sentence number and its position in the sentence. */
import type { Bolt, BoltOutput, TaskContext, Tuple } from '../../topology/index.js';
import { wordsOf } from './sentences.js';

export class SplitBolt implements Bolt<[sentence: string, number: number]> {
  readonly outputs = { default: ['word', 'number', 'position'] };
  private output: BoltOutput | undefined;

  prepare(_: TaskContext, output: BoltOutput): void {
    this.output = output;
  }

  execute(tuple: Tuple<[sentence: string, number: number]>): void {
    const [sentence, number] = tuple.values;
    wordsOf(sentence).forEach((word, position) => this.output?.emit([word, number, position], tuple));
    this.output?.ack(tuple);
  }
}
