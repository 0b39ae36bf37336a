import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Findings } from '../../lib/errors/finding.js';
import { createSecret, secretPath } from '../../lib/files/dir-secret.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { tempDir } from '../../test/temp-dir.js';
import { auditErasures, listErasures, requestErasure } from '../erasure-records.js';

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
