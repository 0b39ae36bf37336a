import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Findings } from '../../lib/errors/finding.js';
import { createSecret, secretPath } from '../../lib/files/dir-secret.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { tempDir } from '../../test/temp-dir.js';
import {
  auditErasures,
  listErasures,
  newErasure,
  requestErasure,
  type ErasureRecord,
} from '../erasure-records.js';
import { overdueErasures } from '../overdue-erasures.js';

function findingsIn(dataDir: string): string {
  const report = new Findings();
  auditErasures(dataDir, report);
  return report.findings.map(({ finding }) => finding).join('\n');
}

test('a request is stored without the ids and without duplicates, and read back', () => {
  const dataDir = tempDir('erasures');
  mkdirSync(roomOf(dataDir, 'erasures'));
  const { id, values } = requestErasure(dataDir, ['cookie:1', 'cookie:2', 'cookie:1'], 7);
  assert.equal(values.length, 2);
  assert.deepEqual(
    listErasures(dataDir).map((record) => [record.id, record.state, record.requestedAt]),
    [[id, 'requested', 7]],
  );
  assert.ok(!readFileSync(join(roomOf(dataDir, 'erasures'), `${id}.json`), 'utf8').includes('cookie'));
  assert.equal(findingsIn(dataDir), '');
});

test('the audit names a damaged record, and erasures of another secret', () => {
  const dataDir = tempDir('erasures');
  mkdirSync(roomOf(dataDir, 'erasures'));
  requestErasure(dataDir, ['cookie:1'], 7);
  rmSync(secretPath(dataDir));
  createSecret(dataDir);
  assert.match(findingsIn(dataDir), /^1 ids were erased with another secret than .*secret/);
  writeFileSync(join(roomOf(dataDir, 'erasures'), 'e-1-x.json'), '{"id":');
  assert.match(findingsIn(dataDir), /e-1-x\.json is damaged/);
});

test('an erasure that is not done within its hours is overdue, and says at which step it is', () => {
  const hourMs = 3_600_000;
  const asked = { ...newErasure(['0'.repeat(80)], 1_000, 'requested'), id: 'e-one' };
  const at = (now: number, change: Partial<ErasureRecord> = {}, hours = 24): string[] =>
    overdueErasures([{ ...asked, ...change }], { now, hours }).map(({ id, step }) => `${id} ${step}`);
  assert.deepEqual(at(1_000 + 24 * hourMs), []);
  assert.deepEqual(at(1_001 + 24 * hourMs), ['e-one requested']);
  assert.deepEqual(at(1_001 + 24 * hourMs, {}, 25), []);
  assert.deepEqual(at(1_001 + 48 * hourMs, { state: 'recorded' }), ['e-one recorded']);
  assert.deepEqual(at(1_001 + 48 * hourMs, { state: 'excluded', step: 'hosts: query on b' }), [
    'e-one hosts: query on b',
  ]);
  assert.deepEqual(at(1_001 + 48 * hourMs, { state: 'done' }), []);
  const [overdue] = overdueErasures([{ ...asked, state: 'excluded', step: 'views' }], {
    now: 1_000 + 30 * hourMs,
    hours: 24,
  });
  assert.match(overdue?.message ?? '', /e-one was requested 30 h ago.*SWA_ERASURE_HOURS=24.*step 'views'/);
});
