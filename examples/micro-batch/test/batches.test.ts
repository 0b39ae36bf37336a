/** How batch size affects throughput and latency: tests the order of the results, not their size. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { latencyOf, throughputOf } from '../batches.js';
import { tempDir } from '../../../test/temp-dir.js';

test('bigger batches carry more; waiting for a batch to fill costs latency', async () => {
  const dir = tempDir('micro-batch');
  const path = join(dir, 'counts');
  const throughput = [1, 64, 1_024].map((maxEvents) => throughputOf({ maxEvents, maxWaitMs: 0 }, path, 200));
  assert.ok((throughput[0] ?? 0) < (throughput[1] ?? 0) && (throughput[1] ?? 0) < (throughput[2] ?? 0));
  const waiting = await latencyOf({ maxEvents: 1_024, maxWaitMs: 400 }, path, 100, 5);
  const taking = await latencyOf({ maxEvents: 1_024, maxWaitMs: 0 }, path, 100, 5);
  assert.ok(waiting.p50Ms > 100 && taking.p50Ms < waiting.p50Ms, `${waiting.p50Ms} ms, ${taking.p50Ms} ms`);
});
