/** Bolts that the tests run on worker threads. */
import { threadId } from 'node:worker_threads';
import type { Bolt, BoltOutput, TaskContext, Tuple } from '../index.js';

/** Options in the data given to `createBolt`. */
export interface Wish {
  readonly kind: 'pass' | 'throwOnThird' | 'dieOnSeventh' | 'dieAtOnce' | 'holdAWhile';
}

/** Emits each number with the id of its thread, unless the options say otherwise. */
class NumberBolt implements Bolt<[item: number]> {
  readonly outputs = { default: ['item', 'thread'] };
  private output: BoltOutput | undefined;
  private calls = 0;
  private held: Tuple<[item: number]>[] = [];

  constructor(private readonly wish: Wish) {
    if (wish.kind === 'dieAtOnce') throw new Error('cannot start');
  }
  prepare(_: TaskContext, output: BoltOutput): void {
    this.output = output;
  }
  execute(tuple: Tuple<[item: number]>): void {
    this.calls++;
    if (this.wish.kind === 'throwOnThird' && this.calls % 3 === 0) throw new Error('third');
    // Ends the thread, as a crash in native code would.
    if (this.wish.kind === 'dieOnSeventh' && this.calls % 7 === 0) process.exit(9);
    if (this.wish.kind !== 'holdAWhile') return this.pass(tuple);
    if (this.held.push(tuple) === 1)
      setTimeout(() => this.held.splice(0).forEach((held) => this.pass(held)), 10);
  }
  private pass(tuple: Tuple<[item: number]>): void {
    this.output?.emit([tuple.values[0], threadId], tuple);
    this.output?.ack(tuple);
  }
}

export function createBolt(data: Wish): Bolt {
  return new NumberBolt(data);
}
