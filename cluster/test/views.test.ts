/** Batch views in a store: published once for all hosts, fetched and checked by each, rolled back, removed. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { configWith } from '../../lib/config/config.js';
import { hasCode } from '../../lib/errors/errors.js';
import type { ViewId } from '../../facts/views/view.js';
import { currentIfAny } from '../../serving/current.js';
import { viewPath } from '../../serving/layout.js';
import { checkSeals, openView, viewIds } from '../../serving/store.js';
import { readStatus } from '../../lib/process/status.js';
import { eventually } from '../../test/eventually.js';
import { QueryNode } from '../realtime/query-node.js';
import { readNodes } from '../realtime/nodes.js';
import { listAll } from '../store/store.js';
import { startFollower } from '../views/follower.js';
import { makeHost, makeStore } from './shared-store.js';
import { Publisher, viewsOf } from './publisher.js';

test('an empty host fetches the serving view, follows, and removes old ones', async (t) => {
  const store = makeStore();
  let now = Date.now();
  const publisher = await Publisher.make(t, store, { clock: () => now });
  const { dataDir } = makeHost(store);
  const views = viewsOf(dataDir, store);
  assert.equal(await views.follow(), undefined);
  const published: ViewId[] = [];
  for (let i = 0; i < 5; i++) {
    published.push((await publisher.publish(3)).id);
    assert.equal(await views.follow(), published.at(-1));
    assert.equal(currentIfAny(dataDir), published.at(-1));
    assert.equal(await views.follow(), published.at(-1));
  }
  for (const id of viewIds(dataDir)) await checkSeals(viewPath(dataDir, id));
  assert.deepEqual(viewIds(dataDir), published.slice(-3));
  const stored = async (): Promise<string[]> => [
    ...new Set((await listAll(store, 'views/')).map(({ key }) => key.split('/')[1] ?? '')),
  ];
  assert.deepEqual(await stored(), published);
  now += 2 * 3_600_000;
  published.push((await publisher.publish(3)).id);
  assert.deepEqual(await stored(), published.slice(-3));

  // Back for all hosts, also from one that has no view yet.
  const third = makeHost(store);
  const back = await viewsOf(third.dataDir, store).rollBack();
  assert.equal(back.id, published.at(-2));
  assert.equal(await views.follow(), back.id);
  assert.equal(await publisher.views.follow(), back.id);
  assert.equal(currentIfAny(third.dataDir), back.id);
  await assert.rejects(views.rollBack('v000001-00000000' as ViewId), {
    code: 'store.corrupt',
    message: /is missing/,
  });
});

test('a view that lacks facts of the one that serves is not published', async (t) => {
  const store = makeStore();
  const publisher = await Publisher.make(t, store);
  const first = await publisher.build(3);
  const second = await publisher.build(3);
  await publisher.views.publish(second);
  await assert.rejects(publisher.views.publish(first), {
    code: 'view.refused',
    message: /has facts that it has not/,
  });
  assert.equal(await viewsOf(makeHost(store).dataDir, store).follow(), second.id);
  await publisher.views.publish(second);
});

test('a flipped byte in the store is refused and named, and the previous view keeps serving', async (t) => {
  const store = makeStore();
  const publisher = await Publisher.make(t, store);
  const first = await publisher.publish(3);
  const { dataDir } = makeHost(store);
  const views = viewsOf(dataDir, store);
  await views.follow();
  const second = await publisher.publish(3);
  for (const { key } of await listAll(store, `views/${second.id}/`)) {
    const object = (await store.get(key)) ?? assert.fail();
    if (object.sizeBytes === 0) continue;
    const flipped = Buffer.from(object.bytes);
    const at = Math.floor(flipped.length / 2);
    flipped[at] = (flipped[at] ?? 0) ^ 8;
    const etag = (await store.putIfMatch(key, flipped, object.etag)) ?? assert.fail();
    await assert.rejects(views.follow(), (error) => {
      assert.ok(hasCode(error, 'store.corrupt'), String(error));
      assert.ok(error.message.includes(`${store.url}/${key}`), error.message);
      return true;
    });
    assert.equal(currentIfAny(dataDir), first.id);
    openView(dataDir, first.id).close();
    assert.deepEqual(viewIds(dataDir), [first.id]);
    await store.putIfMatch(key, object.bytes, etag);
  }
  assert.equal(await views.follow(), second.id);
  assert.deepEqual(readdirSync(join(dataDir, 'serving', 'fetching')), []);
});

test('the status board shows what a follower cannot fetch, until it can', async (t) => {
  const store = makeStore();
  const publisher = await Publisher.make(t, store);
  const first = await publisher.publish(3);
  const { dataDir } = makeHost(store);
  const views = viewsOf(dataDir, store);
  const logger = { error: () => undefined, info: () => undefined };
  const follower = await startFollower({ dataDir, views, logger, clock: Date.now, pollMs: 10 });
  t.after(() => follower.close());
  const entry = () => readStatus(dataDir).find(({ role }) => role === 'follower');
  assert.deepEqual([entry()?.lastError, entry()?.details['view']], [null, first.id]);
  const current = (await store.get('CURRENT')) ?? assert.fail();
  const damaged = (await store.putIfMatch('CURRENT', Buffer.from('?'), current.etag)) ?? assert.fail();
  await eventually('the error is there', () => entry()?.lastError?.code === 'store.corrupt');
  assert.equal(entry()?.details['view'], first.id);
  await store.putIfMatch('CURRENT', current.bytes, damaged);
  await eventually('it is over', () => entry()?.lastError === null);
});

test('a query node announces that it cannot fetch the views that serve, until it can', async (t) => {
  const store = makeStore();
  const { dataDir } = makeHost(store);
  const config = configWith({ store: store.url, dataDir });
  const logger = pino({ level: 'silent' });
  const node = await QueryNode.open({ config, logger, store, views: viewsOf(dataDir, store) });
  t.after(() => node.close());
  const lastError = async () => (await readNodes(store))[0]?.lastError;
  assert.equal(await lastError(), null);
  await store.putIfAbsent('speed/SERVING', Buffer.from('?'));
  await eventually('the error is announced', async () => (await lastError())?.code === 'store.corrupt');
  await store.delete('speed/SERVING');
  await eventually('it is over', async () => (await lastError()) === null);
});
