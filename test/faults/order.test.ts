/**
 * Everything that is relied on is durable first: read from the log of every write, sync and change of names, of a workload
 * that uses all that keeps files. `order.ts` says what is checked at which moment. Faults planted in the calls that sync and
 * name files must turn this red (test/planted-faults/durable-files.ts).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertInOrder, checkOrder, momentNames } from './order.js';
import { Shim, shimSkip } from './shim.js';
import type { WorkloadPart } from './workload-facts.js';

const workload = fileURLToPath(new URL('workload.js', import.meta.url));

test('nothing is relied on before it is durable, in all that keeps files', { skip: shimSkip }, (t) => {
  const base = mkdtempSync(join(tmpdir(), 'swa-order-'));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  const dataDir = join(base, 'data');
  const shim = new Shim(t, dataDir);
  const run = (first: number, ...parts: readonly WorkloadPart[]): void => {
    const args = [workload, dataDir, String(first), ...parts];
    const { status, stderr } = spawnSync(process.execPath, args, {
      env: { PATH: process.env['PATH'], ...shim.env({ log: true }) },
    });
    assert.equal(status, 0, stderr.toString());
  };
  run(0, 'log', 'sink', 'batch');
  tearTail(join(dataDir, 'log'));
  run(12, 'log', 'sink', 'batch', 'log', 'rest', 'trim');
  const report = checkOrder(shim.events(), dataDir, true);
  assertInOrder(report);
  assert.deepEqual([...report.moments.keys()], momentNames);
  for (const [name, count] of report.moments) {
    t.diagnostic(`${name}: ${count} times`);
    assert.ok(count > 0, `it never came to this: ${name}`);
  }
});

/** Leaves what a commit leaves that was under way when the machine went down. */
function tearTail(logDir: string): void {
  const last = readdirSync(logDir).findLast((name) => name.startsWith('segment-'));
  appendFileSync(join(logDir, last ?? ''), Buffer.alloc(100, 7));
}
