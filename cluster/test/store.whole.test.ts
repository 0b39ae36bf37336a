/** Services pass the conformance tests (moto and, if installed, gofakes3), and the client survives faults of the network. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  hasGofakes3,
  skipS3,
  startGofakes3,
  startIgnorant,
  startMoto,
  startProxy,
  type Proxy,
  type TestServer,
} from '../../test/s3/servers.js';
import { openStore } from '../store/open-store.js';
import { S3Store, type S3Options } from '../store/s3-store.js';
import { listAll, type Store } from '../store/store.js';
import { tempDir } from '../../test/temp-dir.js';
import { conforms, type Place } from './store-conformance.js';

async function bucketOn(server: TestServer): Promise<Place> {
  await server.makeBucket('swa-test');
  const options = {
    bucket: 'swa-test',
    prefix: 'some/where',
    endpoint: server.endpoint,
    region: 'us-east-1',
  };
  const stores: Store[] = [];
  return {
    open() {
      const store = new S3Store(options);
      stores.push(store);
      return store;
    },
    async close() {
      for (const store of stores) store.close();
      await server.close();
    },
  };
}

conforms('moto', skipS3, async () => bucketOn(await startMoto()));
if (hasGofakes3) conforms('gofakes3', false, async () => bucketOn(await startGofakes3()));

describe('a store over a network', { skip: skipS3 }, () => {
  let server: TestServer;
  let proxy: Proxy;
  before(async () => {
    server = await startMoto();
    await server.makeBucket('net');
    proxy = await startProxy(server.endpoint);
  });
  after(async () => {
    await proxy.close();
    await server.close();
  });
  const open = (change: Partial<S3Options> = {}): S3Store =>
    new S3Store({
      bucket: 'net',
      prefix: '',
      endpoint: proxy.endpoint,
      region: 'us-east-1',
      retries: { attempts: 4, firstPauseMs: 5, maxPauseMs: 20 },
      ...change,
    });
  /** Injects a fault into the first `count` requests. */
  const injectFaults = (count: number, fault: ReturnType<Proxy['fault']>): void => {
    let left = count;
    proxy.fault = () => (left-- > 0 ? fault : undefined);
  };

  for (const fault of ['drop', 500, 503] as const)
    test(`outlives requests that fail (${fault})`, async () => {
      const store = open();
      for (const [i, work] of [
        () => store.putIfAbsent(`failing-${fault}`, Buffer.from('1')),
        () => store.get(`failing-${fault}`),
        () => listAll(store, 'failing'),
        () => store.delete(`failing-${fault}`),
      ].entries()) {
        injectFaults(3, fault);
        assert.ok(i === 3 || (await work()) !== undefined);
        injectFaults(4, fault);
        await assert.rejects(work(), { code: 'store.unavailable', retryable: true });
      }
      store.close();
    });

  test('a write whose answer was lost is known as our own', async () => {
    const store = open();
    injectFaults(2, 'lose answer');
    const first = await store.putIfAbsent('lost', Buffer.from('1'));
    assert.ok(first !== undefined);
    injectFaults(2, 'lose answer');
    const second = await store.putIfMatch('lost', Buffer.from('2'), first);
    assert.equal((await store.get('lost'))?.etag, second);
    store.close();
  });

  test('the same content of another writer is not taken for our own', async () => {
    const store = open();
    await store.putIfAbsent('theirs', Buffer.from('1'));
    injectFaults(1, 'drop');
    assert.equal(await store.putIfAbsent('theirs', Buffer.from('1')), undefined);
    store.close();
  });

  test('an answer that is too slow is not waited for', async () => {
    const store = open({ timeoutMs: 100 });
    proxy.fault = ({ method }) => (method === 'GET' ? { delayMs: 5_000 } : undefined);
    await assert.rejects(store.get('slow'), { code: 'store.unavailable' });
    injectFaults(1, { delayMs: 5_000 });
    assert.equal(await store.get('slow'), undefined);
    store.close();
  });

  test('what is refused for good is said at once', async () => {
    proxy.fault = () => undefined;
    const store = open({ bucket: 'not-there' });
    await assert.rejects(store.get('any'), { code: 'store.unusable', message: /NoSuchBucket/ });
    await assert.rejects(store.putIfAbsent('any', Buffer.from('1')), { code: 'store.unusable' });
    store.close();
  });
});

test('a service that ignores conditions is refused at start', async () => {
  const server = await startIgnorant();
  try {
    const config = { store: 's3://ignored/here', storeEndpoint: server.endpoint, storeRegion: 'us-east-1' };
    await assert.rejects(openStore(config), { code: 'store.unusable', message: /ignores conditions/ });
  } finally {
    await server.close();
  }
});

test('a service that honours them is not, nor a directory', { skip: skipS3 }, async () => {
  const server = await startMoto();
  try {
    await server.makeBucket('good');
    for (const url of ['s3://good', 's3://good/a/b/', `file://${tempDir('store')}/opened`]) {
      const store = await openStore({ store: url, storeEndpoint: server.endpoint, storeRegion: 'us-east-1' });
      assert.deepEqual(await listAll(store, ''), []);
      store.close();
    }
  } finally {
    await server.close();
  }
});
