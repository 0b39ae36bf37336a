import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { StatusReporter, isAtWork, readStatus } from '../process/status.js';
import { tempDir } from '../../test/temp-dir.js';

test('a status board that cannot be written, as on a full disk, stops no role; a damaged entry hides no other', () => {
  const dataDir = tempDir('status');
  const status = new StatusReporter({ dataDir, role: 'sink', clock: () => 1 });
  rmSync(join(dataDir, 'status'), { recursive: true });
  status.report({ state: 'running', details: { lag: 1 } });
  assert.deepEqual(readStatus(dataDir), []);
  mkdirSync(join(dataDir, 'status'));
  writeFileSync(join(dataDir, 'status', 'query-0.json'), '{"role": "que');
  status.report({ state: 'stopped' });
  assert.deepEqual(
    readStatus(dataDir).map(({ role, state, details }) => [role, state, details]),
    [['sink', 'stopped', { lag: 1 }]],
  );
});

test('a role counts as running only while its entry is current: one far ahead, from before the clock went back, does not count', (t) => {
  const dataDir = tempDir('status');
  const hourMs = 3_600_000;
  const status = new StatusReporter({ dataDir, role: 'sink', clock: () => hourMs });
  status.report({ state: 'running' });
  t.after(() => status.withdraw());
  const [entry] = readStatus(dataDir);
  assert.ok(entry !== undefined);
  assert.deepEqual(
    [hourMs, 2 * hourMs, 0].map((now) => isAtWork(entry, () => now)),
    [true, false, false],
  );
});
