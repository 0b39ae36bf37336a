/**
 * Emits one sentence with its number per call. If tracked, the number is also the message id, and a sentence whose tree
 * failed is emitted again: at least once. If untracked, failures are never reported: at most once.
 */
import type { Spout, SpoutOutput, TaskContext } from '../../topology/index.js';

export class SentenceSpout implements Spout {
  readonly outputs = { default: ['sentence', 'number'] };
  private output: SpoutOutput | undefined;
  private next = 0;

  constructor(
    private readonly sentences: readonly string[],
    private readonly tracked: boolean,
  ) {}

  open(_: TaskContext, output: SpoutOutput): void {
    this.output = output;
  }

  nextTuple(): void {
    if (this.next < this.sentences.length) this.emit(this.next++);
  }

  fail(messageId: unknown): void {
    this.emit(Number(messageId));
  }

  private emit(number: number): void {
    this.output?.emit([this.sentences[number], number], this.tracked ? number : undefined);
  }
}
