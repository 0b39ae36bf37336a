/**
 * `node dist/examples/micro-batch/main.js`: measures latency and throughput by batch size. See docs/from-the-book.md.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { latencyOf, throughputOf, type BatchRule } from './batches.js';

const everyMs = 5;
const events = 400;
const throughputMs = 1_000;

const rules: readonly (readonly [string, BatchRule])[] = [
  ['one at a time', { maxEvents: 1, maxWaitMs: 0 }],
  ['64, within 500 ms', { maxEvents: 64, maxWaitMs: 500 }],
  ['1,024, within 500 ms', { maxEvents: 1_024, maxWaitMs: 500 }],
  ['1,024, without waiting', { maxEvents: 1_024, maxWaitMs: 0 }],
];

const dir = mkdtempSync(join(tmpdir(), 'swa-micro-batch-'));
try {
  process.stdout.write(
    `one event every ${everyMs} ms, or as many as the worker takes; each batch is committed durably\n`,
  );
  for (const [name, rule] of rules) {
    const path = join(dir, 'counts');
    const perSecond = Math.round(throughputOf(rule, path, throughputMs));
    const { p50Ms, p99Ms } = await latencyOf(rule, path, events, everyMs);
    process.stdout.write(
      `${name.padEnd(23)} ${perSecond.toLocaleString('en').padStart(9)} events/s, latency ${p50Ms.toFixed(0).padStart(3)} ms (p99 ${p99Ms.toFixed(0)} ms)\n`,
    );
  }
} finally {
  rmSync(dir, { recursive: true });
}
