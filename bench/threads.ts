/**
 * Row `threads`: the word count with a CPU-heavy count bolt (examples/word-count/threads.ts), its two tasks on worker threads, against one task on
 * the topology's own thread: the gain of parallel tasks minus the cost of copying tuples.
 */
import { countOnThreads, type ThreadsOptions } from '../examples/word-count/threads.js';
import type { BenchOptions, BenchResult } from './row.js';

const targetSpeedUp = 1.5;

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const options: ThreadsOptions = {
    grouping: 'fields',
    threads: 2,
    sentences: quick ? 400 : 2_000,
    hashes: 200,
    deathAfter: 0,
  };
  let [alone, together] = [Infinity, Infinity];
  for (let round = 0; round < (quick ? 2 : 5); round++) {
    alone = Math.min(alone, (await countOnThreads({ ...options, threads: 0 })).milliseconds);
    together = Math.min(together, (await countOnThreads(options)).milliseconds);
  }
  const ratio = alone / together;
  return {
    target: `>= ${targetSpeedUp} times the speed of one task with two threads on two cores`,
    met: ratio >= targetSpeedUp,
    ratio,
    figures: {
      sentences: options.sentences,
      hashesPerWord: options.hashes,
      oneTaskMs: Math.round(alone),
      twoThreadsMs: Math.round(together),
    },
  };
}
