/** The master dataset in a store: each number is committed once, no fact is lost or stored twice, and all hosts have the same facts. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { spawnBatchRun } from '../../batch/spawn-run.js';
import { hasCode } from '../../lib/errors/errors.js';
import { seal, type Sealed } from '../../lib/files/sealed.js';
import { offset, type LogId, type PartitionName } from '../../log/log.js';
import { verifyMaster } from '../../master-data/audit.js';
import {
  keptManifests,
  nextManifest,
  type ChainHead,
  type ManifestFile,
  type Root,
} from '../../master-data/manifest.js';
import { drainLogToMaster } from '../../master-data/role.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { equiv, makeFixture, pageview } from '../../master-data/test/fixture.js';
import { BucketManifests, fileKey } from '../master/bucket-manifests.js';
import { Shared } from '../shared.js';
import { listAll } from '../store/store.js';
import { makeHost, makeStore, openMaster, watch } from './shared-store.js';
import { auditFromStore, drain, openSession, race } from './sinks.js';

const page: PartitionName = 'pageviews/0';

test('a sink commits to the store, and an empty host finds the same facts there', async (t) => {
  const fixture = await makeFixture(t);
  const store = makeStore();
  const host = makeHost(store);
  for (let round = 0; round < 3; round++) {
    await fixture.append(Array.from({ length: 40 }, (_, i) => pageview(100 * round + i)));
    await fixture.append([equiv(round)]);
    await drain(fixture, host);
  }
  const other = await auditFromStore(fixture, store);
  const [here, there] = [takeSnapshot(host.dataDir), takeSnapshot(other.dataDir)];
  assert.deepEqual(there.manifests, here.manifests);
  assert.deepEqual(
    there.files.map(({ sha256 }) => sha256),
    here.files.map(({ sha256 }) => sha256),
  );
});

test('of two sinks on one store only one commits each number; the other ends with a named error', async (t) => {
  const fixture = await makeFixture(t);
  const store = makeStore();
  await race(fixture, () => store);
});

test('killed before or after any write, a sink goes on without losing or repeating a fact', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  await fixture.append(Array.from({ length: 60 }, (_, i) => pageview(i)));
  for (let round = 0; ; round++) {
    const plain = makeStore();
    const store = watch(plain);
    const host = makeHost(store);
    let writes = 0;
    store.onWrite = () => {
      if (writes++ === round) throw new Error('killed here');
    };
    const isKilled = await drain(fixture, host).then(
      () => false,
      () => true,
    );
    store.onWrite = () => undefined;
    if (round % 3 > 0) await drain(fixture, host);
    else await drain(fixture, makeHost(store)); // its disk is lost, too
    await auditFromStore(fixture, plain);
    if (isKilled) continue;
    assert.ok(round >= 12, `only ${round} rounds were killed`);
    return;
  }
});

function fileOf(i: number, rows = 10): ManifestFile {
  const sha256 = createHash('sha256').update(`${i}:${rows}`).digest('hex');
  const [fromOffset, toOffset] = [offset(10 * i), offset(10 * i + rows)];
  const name = `${String(fromOffset).padStart(16, '0')}-${String(toOffset).padStart(16, '0')}-${sha256.slice(0, 16)}.parquet`;
  const [minTimestamp, maxTimestamp] = [1_700_000_000_000 + i, 1_700_000_000_900 + i];
  return { name, sizeBytes: 123_456_789, rows, fromOffset, toOffset, sha256, minTimestamp, maxTimestamp };
}

test('a commit writes at most 64 KB beside its facts, with 10,000 files there', async (t) => {
  const store = watch(makeStore());
  const manifests = new BucketManifests(store);
  const root: Sealed<Root> = {
    body: { version: 1, logId: 'log' as LogId, partitions: [page] },
    sha256: seal('root').sha256,
  };
  let written = 0;
  store.onWrite = (_key, sizeBytes, when) => void (when === 'after' && (written += sizeBytes));
  let head: ChainHead = { number: 0, sha256: root.sha256, files: [], gaps: [] };
  const commit = async (files: readonly ManifestFile[]): Promise<number> => {
    written = 0;
    const next = nextManifest(root, page, head, { files });
    await manifests.commit(page, head.number, next);
    head = next;
    return written;
  };
  await commit(Array.from({ length: 9_990 }, (_, i) => fileOf(i)));
  let most = 0;
  for (let i = 9_990; i < 10_040; i++) most = Math.max(most, await commit([...head.files, fileOf(i)]));
  const merged = [...head.files.slice(0, 5_000), fileOf(5_000, 80), ...head.files.slice(5_008)];
  most = Math.max(most, await commit(merged));
  t.diagnostic(`at most ${most} bytes`);
  assert.ok(most <= 64 * 1024, `${most} bytes`);
  const read = await new BucketManifests(store).read(page, head.number);
  assert.deepEqual(read?.files, merged);
  assert.equal(read.sha256, head.sha256);
});

test('replaced objects are removed after the grace period, and a writer that was suspended meanwhile is refused', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  const store = makeStore();
  let now = Date.now();
  const host = makeHost(store, { clock: () => now });
  const appendOne = (i: number): Promise<void> => fixture.append([pageview(i)]);
  await appendOne(0);
  await drain(fixture, host);
  const session = await openSession(fixture, makeHost(store)); // suspended
  for (let i = 1; i <= keptManifests + 10; i++) {
    await appendOne(i);
    await drain(fixture, host);
  }
  const manifests = new BucketManifests(store);
  const listed = await listAll(store, '');
  assert.equal((await manifests.list(page))[0]?.number, 1);
  now += 2 * 86_400_000;
  await appendOne(1_000);
  await drain(fixture, host);
  const left = new Set((await listAll(store, '')).map(({ key }) => key));
  const gone = listed.filter(({ key }) => !left.has(key));
  assert.ok(gone.some(({ key }) => key.endsWith('.parquet')));
  const first = (await manifests.list(page))[0]?.number ?? 0;
  assert.ok(first > 5, `the first manifest is ${first}`);
  await assert.rejects(
    session.run({ signal: new AbortController().signal, until: await fixture.log.latest() }),
    {
      code: 'master.conflict',
    },
  );
  await session.close();
  assert.equal((await manifests.list(page))[0]?.number, first);
  await auditFromStore(fixture, store);
});

test('recently restored manifests delay the removal of those after them', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  const store = makeStore();
  const later = Date.now() + 2 * 86_400_000;
  let now = Date.now();
  const host = makeHost(store, { clock: () => now });
  for (let i = 0; i < keptManifests + 10; i++) {
    await fixture.append([pageview(i)]);
    await drain(fixture, host);
  }
  const listed = await listAll(store, 'master/pageviews/p0/manifests/');
  for (const { key } of listed.slice(1, 3))
    utimesSync(join(fileURLToPath(store.url), key), later / 1000, later / 1000);
  now = later;
  await fixture.append([pageview(1_000)]);
  await drain(fixture, host);
  await auditFromStore(fixture, store);
  const left = new Set((await listAll(store, '')).map(({ key }) => key));
  assert.deepEqual(
    listed.filter(({ key }) => !left.has(key)),
    [],
  );
});

test('a batch run from the store makes the view that one from the directory makes', async (t) => {
  const fixture = await makeFixture(t);
  const facts = [
    ...Array.from({ length: 300 }, (_, i) => pageview(i)),
    ...Array.from({ length: 20 }, (_, i) => equiv(i)),
    ...Array.from({ length: 30 }, (_, i) => pageview(i)),
  ];
  const store = makeStore();
  const host = makeHost(store);
  for (let from = 0; from < facts.length; from += 50) {
    await fixture.append(facts.slice(from, from + 50));
    await drain(fixture, host);
  }
  await drainLogToMaster(fixture.context, { log: fixture.log });
  const plain = await spawnBatchRun({ config: fixture.context.config, trigger: 'command' });
  const empty = makeHost(store);
  const shared = new Shared(empty, store);
  const run = {
    prepare: async () => {
      await shared.master.pull();
      return shared.fetchFacts('batch run');
    },
    publish: async () => undefined,
  };
  const fromStore = await spawnBatchRun({ config: empty.config, trigger: 'command', shared: run });
  assert.ok(fromStore.counts.pageviews > 200);
  assert.equal(fromStore.contentHash, plain.contentHash);
  assert.deepEqual(fromStore.cut, plain.cut);
});

test('a flipped byte in the store is refused and named', async (t) => {
  const fixture = await makeFixture(t);
  const store = makeStore();
  const host = makeHost(store);
  await fixture.append(Array.from({ length: 40 }, (_, i) => pageview(i)));
  await drain(fixture, host);
  const other = makeHost(store);
  await other.master.pull();
  const snapshot = takeSnapshot(other.dataDir);
  const { path } = snapshot.files[0] ?? assert.fail();
  const key = path.slice(other.dataDir.length + 1);
  const object = await store.get(key);
  assert.ok(object !== undefined);
  object.bytes[50] = (object.bytes[50] ?? 0) ^ 4;
  await store.putIfMatch(key, object.bytes, object.etag);
  await assert.rejects(other.master.fetchSnapshot(snapshot), (error) => {
    assert.ok(hasCode(error, 'store.corrupt'));
    assert.ok(error.message.includes(`${store.url}/${key}`), error.message);
    return true;
  });
  assert.equal(existsSync(path), false);
});

test('the cache stays below its limit, and a larger snapshot is refused', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  const store = makeStore();
  const host = makeHost(store);
  for (let round = 0; round < 6; round++) {
    await fixture.append(Array.from({ length: 40 }, (_, i) => pageview(100 * round + i)));
    await drain(fixture, host);
  }
  const { files } = takeSnapshot(host.dataDir);
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const small = openMaster(host.dataDir, store, { cacheBytes: Math.ceil(sizeBytes / 2) });
  await assert.rejects(small.fetchSnapshot(takeSnapshot(host.dataDir)), {
    code: 'config.invalid',
    message: /SWA_CACHE_BYTES/,
  });
  await fixture.append([pageview(5_000)]);
  await drainLogToMaster(host, { log: fixture.log, shared: small });
  const left = takeSnapshot(host.dataDir).files.filter(({ path }) => existsSync(path));
  const leftBytes = left.reduce((sum, file) => sum + file.sizeBytes, 0);
  assert.ok(left.length > 0 && leftBytes <= sizeBytes / 2, `${leftBytes} of ${sizeBytes} bytes are left`);
  await host.master.fetchSnapshot(takeSnapshot(host.dataDir));
  assert.deepEqual((await verifyMaster(host.dataDir, fixture.log)).problems, []);
});

test('a directory that was used alone becomes the shared dataset; one of another history is refused', async (t) => {
  const fixture = await makeFixture(t);
  await fixture.append(Array.from({ length: 120 }, (_, i) => pageview(i)));
  await drainLogToMaster(fixture.context, { log: fixture.log });
  await fixture.append([pageview(500)]);
  const store = makeStore();
  const config = { ...fixture.context.config, store: store.url };
  await assert.rejects(drainLogToMaster({ ...fixture.context, config }, { log: fixture.log }), {
    code: 'config.invalid',
  });
  const master = openMaster(fixture.dataDir, store);
  await drainLogToMaster({ ...fixture.context, config }, { log: fixture.log, shared: master });
  await auditFromStore(fixture, store);

  await fixture.append([pageview(600)]);
  await drainLogToMaster(fixture.context, { log: fixture.log }); // without the store
  await assert.rejects(openMaster(fixture.dataDir, store).pull(), {
    code: 'master.conflict',
    message: /not what hosts share/,
  });
  const foreign = await makeFixture(t);
  const host = makeHost(store);
  await assert.rejects(drainLogToMaster(host, { log: foreign.log, shared: host.master }), {
    code: 'log.mismatch',
  });
});

test('keys in the store are paths in the data directory', () => {
  assert.equal(fileKey(page, 'x'), 'master/pageviews/p0/x');
});
