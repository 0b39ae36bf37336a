/**
 * Carries out erasures in a process that exits, as by kill -9, before or after the nth call that changes files. Arguments: data directory, n,
 * 'before' or 'after'.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { configWith } from '../../lib/config/config.js';

const [dataDir = '', number, when] = process.argv.slice(2);
let left = Number(number);

for (const name of [
  'renameSync',
  'linkSync',
  'rmSync',
  'unlinkSync',
  'fsyncSync',
  'writeSync',
  'mkdirSync',
] as const) {
  const call = fs[name] as (...args: unknown[]) => unknown;
  const counted = (...args: unknown[]): unknown => {
    const isLast = --left === 0; // a call may make further ones
    if (isLast && when === 'before') process.kill(process.pid, 'SIGKILL');
    try {
      return call(...args);
    } finally {
      if (isLast) process.kill(process.pid, 'SIGKILL');
    }
  };
  Object.assign(fs, { [name]: counted });
}
syncBuiltinESMExports();

const { advanceErasures } = await import('../erasing.js');
const { testClock } = await import('./data-dir.js');
const config = configWith({ dataDir, partitions: 2, batchThreads: 1, batchMemory: '512MB', sinkMaxRows: 40 });
const isDone = await advanceErasures({ config, clock: testClock, signal: new AbortController().signal });
process.exit(isDone ? 0 : 1);
