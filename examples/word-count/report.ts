/** Formats the output of a word count run. */
import type { WordCountOptions, WordCountResult } from './word-count.js';

export function reportOf(options: WordCountOptions, result: WordCountResult): string {
  const { delivery, failure } = options;
  const { counts, trueCounts, metrics } = result;
  const spout = metrics.get('sentences');
  const [split, count] = [metrics.get('split'), metrics.get('count')];
  const tracked = delivery !== 'at-most-once';
  const trees = tracked
    ? `${spout?.emitted} begun, ${spout?.acked} acked, ${spout?.failed} failed (${spout?.timedOut} by timeout)`
    : 'none: nothing is tracked';
  const words = [...trueCounts].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return [
    `${options.sentences} sentences, delivery ${delivery}, failures ${failure} (${result.simulatedMs / 1000} simulated seconds)`,
    `  trees   ${trees}`,
    `  split   ${split?.executed} sentences, ${split?.acked} acked, ${split?.failed} failed, ${split?.emitted} words emitted`,
    `  count   ${count?.executed} words, ${count?.acked} acked, ${count?.failed} failed`,
    `  counts  ${sum(counts)}, truly ${sum(trueCounts)}: ${verdict(sum(counts) - sum(trueCounts))}`,
    ...words.slice(0, 5).map(([word, truly]) => `    ${line(word, counts.get(word) ?? 0, truly)}`),
    '',
  ].join('\n');
}

function line(word: string, counted: number, truly: number): string {
  const difference = counted - truly;
  const sign = difference > 0 ? '+' : '';
  return `${word.padEnd(6)} ${String(counted).padStart(4)}${difference === 0 ? '' : ` (${sign}${difference})`}`;
}

function verdict(difference: number): string {
  if (difference === 0) return 'right';
  return difference > 0 ? `${difference} too many` : `${-difference} too few`;
}

function sum(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}
