/** `node dist/examples/word-count/on-threads.js`: the runs in docs/guaranteed-processing.md, "Tasks in parallel". */
import { countOnThreads, type ThreadsOptions, type ThreadsResult } from './threads.js';

const base: ThreadsOptions = { grouping: 'fields', threads: 2, sentences: 400, hashes: 200, deathAfter: 0 };

const runs: readonly (readonly [string, ThreadsOptions])[] = [
  ['one task, no thread of its own', { ...base, threads: 0 }],
  ['two threads, fields grouping', base],
  ['two threads, shuffle grouping', { ...base, grouping: 'shuffle' }],
  ['two threads, fields, one dies', { ...base, deathAfter: 700 }],
];

for (const [name, options] of runs) process.stdout.write(lineOf(name, await countOnThreads(options)));

function lineOf(name: string, { counts, trueCounts, replayed, milliseconds }: ThreadsResult): string {
  const missing = sum(trueCounts) - sum(counts);
  const verdict = missing === 0 ? 'right' : `${missing} lost`;
  const time = `${Math.round(milliseconds)} ms`;
  return `${name.padEnd(31)} ${String(sum(counts)).padStart(5)} words, ${verdict.padEnd(9)} ${String(replayed).padStart(3)} replayed ${time.padStart(8)}\n`;
}

function sum(numbers: ReadonlyMap<string, number>): number {
  return [...numbers.values()].reduce((a, b) => a + b, 0);
}
