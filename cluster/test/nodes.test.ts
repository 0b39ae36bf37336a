/** What hosts agree on through the store: members, the leader, the serving generation, and who keeps a partition. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSharedIfSet } from '../../cli/shared.js';
import { configWith, type Config } from '../../lib/config/config.js';
import type { PartitionName, Share } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';
import { eventually } from '../../test/eventually.js';
import { tempDir } from '../../test/temp-dir.js';
import { StickyShare } from '../realtime/speed-node.js';
import { readNodeStatus } from '../realtime/node-status.js';
import { Nodes, type Node } from '../realtime/nodes.js';
import { StorePointers, readServing } from '../realtime/store-pointers.js';
import type { Store } from '../store/store.js';
import { makeStore, watch } from './shared-store.js';

const partitions: PartitionName[] = ['pageviews/0', 'equivs/0'];
const [v1, v2] = ['v000001-00000001', 'v000002-00000002'] as [ViewId, ViewId];

async function nodeOf(
  t: TestContext,
  store: Store,
  id: string,
  role: Node['role'] = 'speed',
): Promise<Nodes> {
  const own = { id, role, host: 'host', pid: 1, url: `http://127.0.0.1:1/${id}`, startedAt: 0 };
  const times = { renewMs: 20, pollMs: 10, expireMs: 2_000 };
  const nodes = new Nodes({ store, own, ...times, onError: (error) => assert.fail(String(error)) });
  await nodes.start();
  t.after(() => nodes.close());
  return nodes;
}

async function pointersOf(t: TestContext, store: Store, nodes: Nodes): Promise<StorePointers> {
  const pointers = new StorePointers({
    store,
    nodes,
    secret: '',
    partitions: () => partitions,
    onError: (error) => assert.fail(String(error)),
  });
  await pointers.start();
  t.after(() => pointers.close());
  return pointers;
}

/** Indexes of the workers that lead. */
function leading(...workers: readonly StorePointers[]): number[] {
  return workers.flatMap((worker, i) => (worker.leads(true) ? [i] : []));
}

test('a node that closes while a change waits to be announced leaves no announcement', async (t) => {
  const store = makeStore();
  const watched = watch(store);
  const node = await nodeOf(t, watched, 'speed-a');
  watched.onWrite = () => sleep(20);
  node.update({ views: [v1] });
  node.update({ views: [v2] });
  await node.close();
  await sleep(200); // longer than a write takes
  assert.equal(await store.get('nodes/speed-a.json'), undefined);
});

test('a node that announces itself is known to all with its latest state; one that dies silently expires', async (t) => {
  const store = makeStore();
  const watched = watch(store);
  let isDead = false;
  watched.onWrite = () => (isDead ? new Promise(() => undefined) : undefined);
  const a = await nodeOf(t, store, 'speed-a');
  const own = { id: 'speed-b', role: 'speed' as const, host: 'b', pid: 2, url: 'http://b', startedAt: 0 };
  const b = new Nodes({ store: watched, own, renewMs: 20, pollMs: 10, onError: () => undefined });
  await b.start();
  const stores = [{ generation: v1, partitions }];
  b.update({ stores });
  await eventually('it is known', () =>
    a.liveNodes().some(({ id, stores: [first] }) => id === 'speed-b' && first?.generation === v1),
  );
  isDead = true;
  await eventually('it expires', () => !a.liveNodes().some(({ id }) => id === 'speed-b'));
  assert.ok(a.liveNodes().some(({ id }) => id === 'speed-a'));
  assert.ok(
    a.known().some(({ id }) => id === 'speed-b'),
    'it is remembered: it may only be unable to write',
  );
});

test('one of several workers leads; another takes over when it is gone, and what the first one writes then is refused', async (t) => {
  const store = makeStore();
  const nodes = [await nodeOf(t, store, 'speed-a'), await nodeOf(t, store, 'speed-b')] as const;
  const a = await pointersOf(t, store, nodes[0]);
  const b = await pointersOf(t, store, nodes[1]);
  await eventually('one leads', () => leading(a, b).length === 1);
  const [first, second] = leading(a, b)[0] === 0 ? [a, b] : [b, a];
  const [firstNode] = first === a ? nodes : [nodes[1]];
  const serving = { partitions, serving: v1, next: undefined };
  await eventually('it moves the pointer', () => first.write(serving));
  await eventually('the other one sees it', () => second.read()?.serving === v1);
  assert.equal(second.write({ partitions, serving: v2, next: undefined }), false);
  const epoch = (await readServing(store))?.epoch ?? 0;

  await firstNode.close(); // the worker itself does not know
  await eventually('the other one leads', () => second.leads(false));
  assert.equal((await readServing(store))?.epoch, epoch + 1);
  await eventually('and moves it on', () => second.write({ partitions, serving: v2, next: undefined }));
  for (let i = 0; i < 20; i++) first.write({ partitions, serving: v1, next: undefined });
  await eventually('the first one has noticed', () => !first.leads(true) && first.read()?.serving === v2);
  assert.equal((await readServing(store))?.pointer.serving, v2);
});

test('a hand-over waits for live query processes that lack the batch view, but not for dead ones', async (t) => {
  const store = makeStore();
  const node = await nodeOf(t, store, 'speed-a');
  const worker = await pointersOf(t, store, node);
  await eventually('it leads', () => worker.leads(true));
  await eventually('the first pointer', () => worker.write({ partitions, serving: undefined, next: v1 }));
  const query = await nodeOf(t, store, 'query-a', 'query');
  await eventually('the query process is known', () => node.liveNodes().some(({ id }) => id === query.id));
  const to = { partitions, serving: v1, next: undefined };
  for (let i = 0; i < 20; i++) {
    assert.equal(worker.write(to), false);
    await sleep(10); // what was written in the background would have been by then
  }
  assert.equal(worker.read()?.serving, undefined);
  query.update({ views: [v1] });
  await eventually('it has the view', () => worker.write(to));
  await query.close();
  await eventually('none is waited for', () => worker.write({ partitions, serving: v2, next: undefined }));
});

test('a hand-over waits until each live worker that serves a partition is ready in the next generation, but not for dead ones', async (t) => {
  const store = makeStore();
  const [a, b] = [await nodeOf(t, store, 'speed-a'), await nodeOf(t, store, 'speed-b')];
  const worker = await pointersOf(t, store, a);
  await eventually('it leads', () => worker.leads(true));
  const serving = { partitions, serving: v1, next: v2 };
  await eventually('the first pointer', () => worker.write(serving));
  const ofV1 = { generation: v1, partitions };
  const ofV2 = { generation: v2, partitions };
  a.update({ stores: [ofV2, ofV1] });
  b.update({ stores: [{ ...ofV2, partitions: partitions.slice(0, 1) }, ofV1] });
  await eventually('both are known', () => a.liveNodes().every(({ stores }) => stores.length === 2));
  const to = { partitions, serving: v2, next: undefined };
  for (let i = 0; i < 20; i++) {
    assert.equal(worker.write(to), false);
    await sleep(10); // what was written in the background would have been by then
  }
  assert.equal(worker.read()?.serving, v1);
  await b.close();
  await eventually('a dead one is not waited for', () => worker.write(to));
});

test('a partition assigned to other workers is kept until enough of them can be asked', () => {
  let assigned: PartitionName[] = ['pageviews/0', 'equivs/0'];
  const holders = new Map<PartitionName, number>();
  const ofLog: Share = { kind: 'moving', partitions: () => assigned, leave: () => Promise.resolve() };
  const share = new StickyShare(ofLog, 2, (name) => holders.get(name) ?? 0);
  assert.deepEqual(share.partitions(), assigned);
  assigned = ['equivs/0'];
  assert.deepEqual(share.partitions().toSorted(), ['equivs/0', 'pageviews/0']);
  holders.set('pageviews/0', 1); // it may have died, and not expired yet
  assert.deepEqual(share.partitions().toSorted(), ['equivs/0', 'pageviews/0']);
  holders.set('pageviews/0', 2);
  assert.deepEqual(share.partitions(), ['equivs/0']);
  holders.clear();
  assert.deepEqual(share.partitions(), ['equivs/0'], 'what was let go of is not taken back');
});

test('swa status shows the workers and query processes of all hosts, who leads, and what is wrong', async (t) => {
  const store = makeStore();
  const worker = await nodeOf(t, store, 'speed-host-a');
  const query = await nodeOf(t, store, 'query-host-b', 'query');
  const pointers = await pointersOf(t, store, worker);
  await eventually('it leads', () => pointers.leads(true));
  worker.update({ stores: [{ generation: v1, partitions }] });
  const lastError = { at: 1, code: 'store.corrupt', message: 'a part is damaged' };
  query.update({ views: [v1], lastError });
  const config = configWith({ store: store.url, dataDir: tempDir('no-host') });
  const entries = await eventually('all is written', async () => {
    const read = await readNodeStatus(config, Date.now);
    return read.some((entry) => entry.lastError !== null) && read.some(({ details }) => v1 in details)
      ? read
      : undefined;
  });
  const [ofQuery, ofWorker] = entries;
  assert.deepEqual(
    [ofQuery?.role, ofQuery?.worker, ofQuery?.details['views'], ofQuery?.lastError],
    ['query', 'host-b', v1, lastError],
  );
  assert.deepEqual(
    [ofWorker?.role, ofWorker?.details['leads'], ofWorker?.details[v1]],
    ['speed', true, 'pageviews/0 equivs/0'],
  );
});

test('a worker that would be read over HTTP without a secret, or without a shared log and store, is refused', async () => {
  const refused: [Partial<Config>, RegExp][] = [
    [{ speedReplicas: 2 }, /SWA_SPEED_REPLICAS is set, but SWA_SPEED_SECRET is empty/],
    [{ speedUrl: 'http://a:1' }, /SWA_SPEED_URL is set, but SWA_SPEED_SECRET is empty/],
    [{ speedSecret: 'x'.repeat(16) }, /SWA_STORE is empty/],
    [{ speedSecret: 'x'.repeat(16), store: 'file:///nowhere' }, /SWA_KAFKA_BROKERS is empty/],
  ];
  for (const [change, message] of refused)
    await assert.rejects(openSharedIfSet({ config: configWith(change), clock: Date.now }), {
      code: 'config.invalid',
      message,
    });
});
