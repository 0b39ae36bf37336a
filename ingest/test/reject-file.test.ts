import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { openDataDir } from '../../lib/files/data-dir.js';
import { RejectFile, defaultRejectPath } from '../reject-file.js';
import { tempDir } from '../../test/temp-dir.js';

test('the longest file name there can be leaves room for the rejects, cut between characters', () => {
  const dataDir = tempDir('rejects');
  openDataDir({ dataDir, lgK: 14, bucketMinutes: 60 });
  for (const [name, kept] of [
    ['short.log', 'short.log'],
    ['a'.repeat(255), 'a'.repeat(200)],
    [`a${'\u20ac'.repeat(84)}`, `a${'\u20ac'.repeat(66)}`],
    [`ab${'\u{1f600}'.repeat(63)}`, `ab${'\u{1f600}'.repeat(49)}`],
  ] as const) {
    const path = defaultRejectPath(dataDir, join('/logs', name), () => 0);
    const rejects = new RejectFile(path);
    rejects.add({ line: 1, reason: 'no', text: '' });
    rejects.close();
    assert.equal(basename(path), `${kept}-1970-01-01T00-00-00-000Z.ndjson`);
    assert.equal(readFileSync(path, 'utf8'), '{"line":1,"reason":"no","text":""}\n');
  }
});
