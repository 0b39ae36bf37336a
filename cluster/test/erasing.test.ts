/** What hosts exchange about erasures, and what is removed from the store without the usual time for readers. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import {
  saveAnswer,
  readAnswer,
  listErasures,
  readOrder,
  requestErasure,
  saveErasure,
  erasureFilterOf,
  type ErasureOrder,
} from '../../facts/erasure-records.js';
import { agedEdgesOf, saveAgedEdges } from '../../facts/aged-edges.js';
import { erasureHashOf } from '../../facts/erasures.js';
import type { PartitionName } from '../../log/log.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { makeFixture, pageview } from '../../master-data/test/fixture.js';
import { BucketErasures } from '../erasures/bucket-erasures.js';
import { fileKey } from '../master/bucket-manifests.js';
import { listAll } from '../store/store.js';
import { makeHost, makeStore, openMaster } from './shared-store.js';
import { auditFromStore, drain, openSession } from './sinks.js';

const page: PartitionName = 'pageviews/0';
const inTwoHours = (): number => Date.now() + 2 * 3_600_000;

/** 40 pageviews of one partition in a store, put there by `host`. */
async function makeStored(t: TestContext) {
  const fixture = await makeFixture(t, { partitions: 1 });
  const store = makeStore();
  const host = makeHost(store);
  await fixture.append(Array.from({ length: 40 }, (_, i) => pageview(i)));
  await drain(fixture, host);
  return { fixture, store, host };
}

test('hosts hash ids with one key, know the same erasures, and the furthest state stays', async () => {
  const store = makeStore();
  const [a, b] = [makeHost(store), makeHost(store)];
  const hashes = (): string[] => [a, b].map(({ dataDir }) => erasureHashOf(dataDir).valueOf('user:1'));
  assert.notEqual(hashes()[0], hashes()[1]);
  const [ofA, ofB] = [new BucketErasures(a.dataDir, store), new BucketErasures(b.dataDir, store)];
  await ofA.exchange();
  await ofB.exchange();
  assert.equal(hashes()[0], hashes()[1]);

  const asked = requestErasure(b.dataDir, ['user:1'], 5);
  await ofB.exchange();
  await ofA.exchange();
  assert.deepEqual(listErasures(a.dataDir), [asked]);
  saveErasure(a.dataDir, { ...asked, state: 'done', doneAt: 7, notes: ['all'] });
  saveErasure(b.dataDir, { ...asked, state: 'recorded' });
  await ofA.exchange();
  await ofB.exchange();
  await ofA.exchange();
  assert.deepEqual(listErasures(b.dataDir), listErasures(a.dataDir));
  assert.equal(listErasures(b.dataDir)[0]?.state, 'done');
});

test('an order reaches the sink on another host, and its answer comes back', async () => {
  const store = makeStore();
  const [batch, sink] = [makeHost(store), makeHost(store)];
  const [ofBatch, ofSink] = [
    new BucketErasures(batch.dataDir, store),
    new BucketErasures(sink.dataDir, store),
  ];
  await ofBatch.exchange();
  const values = [erasureHashOf(batch.dataDir).valueOf('user:1')];
  const order: ErasureOrder = { id: '0a', values, olderThan: 9, edges: 1, before: {} };
  const pair = { a: 'user:1', b: 'cookie:é' };
  saveAgedEdges(batch.dataDir, order.id, agedEdgesOf([erasureHashOf(batch.dataDir).ofPair(pair)]));
  await ofBatch.saveOrder(order);
  await ofSink.exchangeOrder();
  assert.deepEqual(readOrder(sink.dataDir), order);
  const { edges } = erasureFilterOf(sink.dataDir, order);
  assert.ok(
    edges.has(pair) && edges.has({ a: pair.b, b: pair.a }) && !edges.has({ a: 'user:1', b: 'user:2' }),
  );
  saveAnswer(sink.dataDir, 'master', { id: '0a', isDone: false, files: [] });
  await ofSink.exchangeOrder();
  await ofBatch.exchange();
  assert.equal(readAnswer(batch.dataDir, order, 'master'), undefined, 'it is not done yet');
  const stored = { id: '0a', isDone: true, files: [{ path: 'master/x', records: 3 }] };
  saveAnswer(sink.dataDir, 'master', stored);
  await ofSink.exchangeOrder();
  await ofBatch.exchange();
  assert.deepEqual(readAnswer(batch.dataDir, order, 'master'), stored);
});

test('a host that has erased ids with another key is told so, and keeps its own', async () => {
  const store = makeStore();
  const [a, b] = [makeHost(store), makeHost(store)];
  requestErasure(b.dataDir, ['user:1'], 5);
  const before = erasureHashOf(b.dataDir).valueOf('user:1');
  await new BucketErasures(a.dataDir, store).exchange();
  await assert.rejects(new BucketErasures(b.dataDir, store).exchange(), { code: 'data-dir.unusable' });
  assert.equal(erasureHashOf(b.dataDir).valueOf('user:1'), before);
});

test('a purge leaves what the newest manifest names; who was suspended has lost', async (t) => {
  const { fixture, store, host } = await makeStored(t);
  const session = await openSession(fixture, makeHost(store)); // suspended
  for (let round = 1; round < 30; round++) {
    await fixture.append([pageview(1_000 + round)]);
    await drain(fixture, host);
  }
  const files = (await listAll(store, `${fileKey(page, '')}/`)).filter(({ key }) => key.endsWith('.parquet'));
  const named = takeSnapshot(host.dataDir).files.filter(({ topic }) => topic === 'pageviews');
  assert.ok(files.length > named.length, 'compaction has replaced files, which stay for a day');
  assert.equal(await host.master.purge(page), true);
  const left = (await listAll(store, `${fileKey(page, '')}/`)).map(({ key }) => key);
  assert.equal(left.filter((key) => key.endsWith('.parquet')).length, named.length);
  assert.equal(left.filter((key) => key.includes('/manifests/')).length, 1);
  await auditFromStore(fixture, store);
  const signal = new AbortController().signal;
  await assert.rejects(session.run({ signal, until: await fixture.log.latest() }), {
    code: 'master.conflict',
  });
  await session.close();
  await auditFromStore(fixture, store);
});

test('a purge waits for a file that may be about to be committed, and removes one that was left', async (t) => {
  const { fixture, store, host } = await makeStored(t);
  const file = takeSnapshot(host.dataDir).files[0] ?? assert.fail();
  const left = fileKey(page, '0000000000000000-0000000000000007-0123456789abcdef.parquet');
  const later = fileKey(page, '0000000000000040-0000000000000047-0123456789abcdef.parquet');
  for (const key of [left, later]) await store.putIfAbsent(key, readFileSync(file.path));
  assert.equal(await host.master.purge(page), false);
  assert.ok((await store.get(left)) !== undefined);
  assert.equal(await openMaster(host.dataDir, store, { clock: inTwoHours }).purge(page), true);
  assert.equal(await store.get(left), undefined);
  assert.ok((await store.get(later)) !== undefined, 'it is not of facts that are stored');
  await auditFromStore(fixture, store);
});
