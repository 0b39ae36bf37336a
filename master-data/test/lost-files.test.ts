/**
 * What a partial restore or a bad disk leaves: the sink stops and names the file, and facts are never removed (I10).
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { hasCode } from '../../lib/errors/errors.js';
import { partitionName } from '../../log/log.js';
import { partitionDir } from '../layout.js';
import { drainLogToMaster } from '../role.js';
import { takeSnapshot } from '../snapshot.js';
import { makeFixture, pageview, type Fixture } from './fixture.js';

test('a replaced file stays while what replaces it is damaged', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  await fixture.append([pageview(1)]);
  await drainLogToMaster(fixture.context);
  const dir = partitionDir(fixture.dataDir, partitionName('pageviews', 0));
  const [stored] = takeSnapshot(fixture.dataDir).files;
  assert.ok(stored);
  const orphan = join(dir, '0000000000000000-0000000000000001-0123456789abcdef.parquet');
  writeFileSync(orphan, 'perhaps the only copy');
  const bytes = readFileSync(stored.path);
  writeFileSync(stored.path, Buffer.concat([bytes.subarray(1), Buffer.alloc(1)])); // of the same size
  await fixture.append([pageview(2)]);
  await drainLogToMaster(fixture.context);
  assert.equal(readFileSync(orphan, 'utf8'), 'perhaps the only copy');
  writeFileSync(stored.path, bytes);
  await fixture.append([pageview(3)]);
  await drainLogToMaster(fixture.context);
  assert.ok(!existsSync(orphan));
});

/** A dataset of several files and manifests in each partition, and all names in it. */
async function makeStored(t: TestContext): Promise<{ fixture: Fixture; listing: () => string[] }> {
  const fixture = await makeFixture(t, { partitions: 1, sinkMaxRows: 10 });
  for (let round = 0; round < 3; round++) {
    await fixture.append(Array.from({ length: 25 }, (_, i) => pageview(100 * round + i)));
    await drainLogToMaster(fixture.context);
  }
  const master = join(fixture.dataDir, 'master');
  return {
    fixture,
    listing: () =>
      (readdirSync(master, { recursive: true }) as string[]).filter((name) => /\d{10}/.test(name)),
  };
}

for (const [what, spoil] of [
  ['all manifests', (manifests: readonly string[]) => manifests],
  ['all but the first manifest', (manifests: readonly string[]) => manifests.slice(1)],
  ['the newest three manifests', (manifests: readonly string[]) => manifests.slice(-3)],
] as const) {
  test(`a partition that has lost ${what} stops the sink, and nothing is removed`, async (t) => {
    const { fixture, listing } = await makeStored(t);
    const dir = join(partitionDir(fixture.dataDir, partitionName('pageviews', 0)), 'manifests');
    for (const name of spoil(readdirSync(dir).toSorted())) rmSync(join(dir, name));
    const before = listing();
    await assert.rejects(drainLogToMaster(fixture.context), (error) => {
      assert.ok(hasCode(error, 'master.corrupt'), String(error));
      assert.match(error.message, /master\/pageviews\/p0.*\.parquet/);
      assert.match(error.hint ?? '', /swa recover/);
      return true;
    });
    assert.deepEqual(listing(), before);
  });
}

test('a missing or truncated data file stops the sink with an error that names it', async (t) => {
  const { fixture } = await makeStored(t);
  const { path } = takeSnapshot(fixture.dataDir).files[1] ?? assert.fail();
  const bytes = readFileSync(path);
  for (const spoil of [() => rmSync(path), () => writeFileSync(path, bytes.subarray(1))]) {
    spoil();
    await assert.rejects(drainLogToMaster(fixture.context), {
      code: 'master.corrupt',
      message: new RegExp(basename(path)),
    });
    writeFileSync(path, bytes);
  }
  await drainLogToMaster(fixture.context);
});

test('a missing root stops the sink; no new one is created beside the facts', async (t) => {
  const { fixture } = await makeStored(t);
  const root = join(fixture.dataDir, 'master', 'root.json');
  rmSync(root);
  await assert.rejects(drainLogToMaster(fixture.context), {
    code: 'master.corrupt',
    message: /root\.json is missing/,
  });
  assert.ok(!existsSync(root));
});
