/** What is fixed when a data directory is created. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkDataDir, formatPath, openDataDir } from '../files/data-dir.js';
import { tempDir } from '../../test/temp-dir.js';

const quiet = (): void => undefined;

test('a data directory keeps its width of base buckets, and names it when another is requested', () => {
  const dataDir = join(tempDir('data-dir'), 'data');
  openDataDir({ dataDir, lgK: 12, bucketMinutes: 15 }, quiet);
  openDataDir({ dataDir, lgK: 12, bucketMinutes: 15 }, quiet);
  const before = readFileSync(formatPath(dataDir), 'utf8');
  for (const bucketMinutes of [60, 30] as const) {
    for (const open of [checkDataDir, openDataDir]) {
      assert.throws(() => open({ dataDir, lgK: 12, bucketMinutes }, quiet), {
        code: 'config.invalid',
        message: `SWA_BUCKET_MINUTES is ${bucketMinutes}, but '${dataDir}' was made with 15`,
        hint: /^set SWA_BUCKET_MINUTES=15;/,
      });
    }
  }
  assert.equal(readFileSync(formatPath(dataDir), 'utf8'), before);
});

test('a data directory of a version that did not record the width has hours', () => {
  const dataDir = join(tempDir('data-dir'), 'data');
  mkdirSync(dataDir);
  writeFileSync(formatPath(dataDir), '{"layout":1,"lgK":12}');
  openDataDir({ dataDir, lgK: 12, bucketMinutes: 60 }, quiet);
  assert.throws(() => checkDataDir({ dataDir, lgK: 12, bucketMinutes: 15 }), {
    code: 'config.invalid',
    message: /was made with 60$/,
  });
});

test('an unsupported width is rejected with a list of the supported ones', () => {
  const dataDir = join(tempDir('data-dir'), 'data');
  mkdirSync(dataDir);
  writeFileSync(formatPath(dataDir), '{"layout":1,"lgK":12,"bucketMinutes":20}');
  assert.throws(() => checkDataDir({ dataDir, lgK: 12, bucketMinutes: 60 }), { code: 'data-dir.unusable' });
});
