/** Unit test of the chain of manifests: each number is given once. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { offset, type LogId, type PartitionName } from '../../log/log.js';
import { manifestPath, manifestsDir } from '../layout.js';
import { commitManifest, openRoot, readHead } from '../manifest.js';
import { tempDir } from '../../test/temp-dir.js';

const gap = (toOffset: number) => ({
  gaps: [{ fromOffset: offset(0), toOffset: offset(toOffset), acceptedAt: 0, reason: 'test' }],
});

test('a manifest number is given once: the later writer is rejected, and the existing manifest stays', () => {
  const dataDir = tempDir('manifest');
  const name: PartitionName = 'pageviews/0';
  const partitions = [name];
  const root = openRoot(dataDir, { id: 'log' as LogId, partitions });
  const head = readHead(dataDir, root, name);
  const first = commitManifest(dataDir, root, name, head, gap(5));
  const text = readFileSync(manifestPath(dataDir, name, 1), 'utf8');
  assert.throws(() => commitManifest(dataDir, root, name, head, gap(7)), { code: 'master.conflict' });
  assert.equal(readFileSync(manifestPath(dataDir, name, 1), 'utf8'), text);
  assert.deepEqual(readHead(dataDir, root, name), first);
  assert.equal(readdirSync(manifestsDir(dataDir, name)).length, 1);
  assert.equal(commitManifest(dataDir, root, name, first, gap(7)).number, 2);
});
