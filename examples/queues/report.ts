/** Prints the three kinds of queue side by side as a table. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fireAndForget } from './fire-and-forget.js';
import { multiConsumer } from './multi-consumer.js';
import { applications, itemCount, type Tally } from './scenario.js';
import { singleConsumer } from './single-consumer.js';

export async function report(): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'swa-queues-'));
  try {
    const copies = itemCount * applications.length;
    return [
      `${itemCount} items, in bursts; 3 in 100 attempts fail, 2 in 100 kill the worker`,
      ...section('fire and forget', 0, fireAndForget()),
      ...section('single-consumer queue', copies, await singleConsumer(join(dir, 'single'))),
      ...section('multi-consumer queue', itemCount, await multiConsumer(join(dir, 'multi'))),
      '',
    ].join('\n');
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function section(kind: string, written: number, tallies: readonly Tally[]): string[] {
  return [
    '',
    `${kind} (${written} items written to disk)`,
    ...tallies.map(
      ({ application, once, lost, repeated }) =>
        `  ${application.padEnd(8)} ${cell(once, 'once')} ${cell(lost, 'lost')} ${cell(repeated, 'repeated')}`,
    ),
  ];
}

function cell(count: number, word: string): string {
  return `${String(count).padStart(4)} ${word}`;
}
