import assert from 'node:assert/strict';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { StatusReporter, readStatus } from '../process/status.js';
import { tempDir } from '../../test/temp-dir.js';

test('an unchanged status entry is written again only when it is due', (t) => {
  const dataDir = tempDir('status');
  let now = 1_000_000;
  const status = new StatusReporter({ dataDir, role: 'batch', clock: () => now });
  t.after(() => {
    status.report({ state: 'stopped' });
    rmSync(dataDir, { recursive: true, force: true });
  });
  const inode = (): number => statSync(join(dataDir, 'status', 'batch-0.json')).ino;
  const updatedAt = (): number | undefined => readStatus(dataDir)[0]?.updatedAt;
  status.report({ state: 'running', details: { runs: 1 } });
  const first = inode();
  now += 1_000;
  status.report({ state: 'running', details: { runs: 1 } });
  assert.deepEqual([inode(), updatedAt()], [first, 1_000_000]);
  status.report({ details: { runs: 2 } });
  assert.equal(updatedAt(), now);
  now += 5_000;
  status.report({ details: { runs: 2 } });
  assert.equal(updatedAt(), now);
});
