/** What every store must do. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { refuseUnconditional } from '../store/open-store.js';
import { listAll, type Store } from '../store/store.js';
import { fetchFile } from '../store/transfer.js';
import { tempDir } from '../../test/temp-dir.js';

export interface Place {
  /** Another client of the same place. */
  open(): Store;
  close(): Promise<void>;
}

const scratch = tempDir('store');
const text = (store: Store, key: string) => store.get(key).then((object) => object?.bytes.toString());
const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function addOne(client: Store): Promise<void> {
  for (;;) {
    const now = await client.get('counter');
    assert.ok(now !== undefined);
    const next = Buffer.from(String(Number(now.bytes.toString()) + 1));
    if ((await client.putIfMatch('counter', next, now.etag)) !== undefined) return;
  }
}

export function conforms(name: string, skip: false | string, makePlace: () => Promise<Place>): void {
  describe(name, { skip }, () => {
    let place: Place;
    let store: Store;
    before(async () => {
      place = await makePlace();
      store = place.open();
      await refuseUnconditional(store);
    });
    after(() => place.close());

    test('what was written is read as it was, whole and by ranges', async () => {
      const bytes = randomBytes(100_000);
      const etag = await store.putIfAbsent('a/one', bytes);
      const got = await store.get('a/one');
      assert.deepEqual([got?.bytes, got?.etag, got?.sizeBytes], [bytes, etag, bytes.length]);
      const piece = await store.get('a/one', { from: 99_000, to: 200_000 });
      assert.deepEqual(
        [piece?.bytes, piece?.etag, piece?.sizeBytes],
        [bytes.subarray(99_000), etag, bytes.length],
      );
      assert.deepEqual((await store.get('a/one', { from: 5, to: 9 }))?.bytes, bytes.subarray(5, 9));
      assert.equal(await store.get('a/none'), undefined);
      assert.equal(await store.get('a'), undefined);
    });

    test('an etag stands for one content', async () => {
      const first = await store.putIfAbsent('etag', Buffer.from('1'));
      assert.ok(first !== undefined);
      assert.equal(await store.getUnless('etag', first), 'unchanged');
      const second = await store.putIfMatch('etag', Buffer.from('2'), first);
      assert.notEqual(second, first);
      const got = await store.getUnless('etag', first);
      assert.ok(typeof got === 'object');
      assert.deepEqual([got.bytes.toString(), got.etag], ['2', second]);
      assert.equal(await store.putIfMatch('etag', Buffer.from('3'), first), undefined);
      assert.equal(await store.putIfMatch('etag-none', Buffer.from('3'), first), undefined);
      assert.equal(await store.getUnless('etag-none', first), undefined);
      assert.equal(await text(store, 'etag'), '2');
      assert.equal(await text(store, 'etag-none'), undefined);
    });

    test('of 32 that write where nothing is, one wins', async () => {
      const clients = Array.from({ length: 4 }, () => place.open());
      for (let round = 0; round < 3; round++) {
        const key = `races/${round}`;
        const won = await Promise.all(
          Array.from({ length: 32 }, (_, i) =>
            (clients[i % 4] ?? store).putIfAbsent(key, Buffer.from(String(i))),
          ),
        );
        const winners = won.flatMap((etag, i) => (etag === undefined ? [] : [i]));
        assert.equal(winners.length, 1);
        assert.equal(await text(store, key), String(winners[0]));
      }
    });

    test('of many that replace the same content, one wins each time, and none is lost', async () => {
      await store.putIfAbsent('counter', Buffer.from('0'));
      const clients = Array.from({ length: 4 }, () => place.open());
      await Promise.all(
        clients.map(async (client) => {
          for (let i = 0; i < 10; i++) await addOne(client);
        }),
      );
      assert.equal(await text(store, 'counter'), '40');
    });

    test('a list has the keys below a prefix, in order, whatever their number', async () => {
      const keys = Array.from({ length: 45 }, (_, i) => `list/m-${String(i).padStart(5, '0')}`);
      const queue = keys.toReversed();
      const putNext = async (): Promise<void> => {
        for (let key = queue.pop(); key !== undefined; key = queue.pop())
          await store.putIfAbsent(key, Buffer.from(key));
      };
      await Promise.all(Array.from({ length: 4 }, putNext));
      await store.putIfAbsent('lists', Buffer.from(''));
      const listed = await listAll(store, 'list/');
      assert.deepEqual(
        listed.map(({ key }) => key),
        keys,
      );
      assert.ok(
        listed.every(
          ({ sizeBytes, modifiedAt }) => sizeBytes === 12 && Math.abs(Date.now() - modifiedAt) < 600_000,
        ),
      );
      await store.delete('list/m-00000');
      await store.delete('list/m-00000');
      assert.equal(await store.get('list/m-00000'), undefined);
      assert.equal((await listAll(store, 'list/m-0000')).length, 9);
      assert.deepEqual(await listAll(store, 'nothing/'), []);
    });

    test('a file goes up and comes down whole; a flipped byte is refused and named', async () => {
      const bytes = randomBytes(9 * 2 ** 20);
      const path = join(scratch, `${name}-up`);
      writeFileSync(path, bytes);
      const content = { path, sizeBytes: bytes.length, sha256: sha256Of(bytes) };
      assert.ok((await store.putIfAbsent('files/one', content)) !== undefined);
      assert.equal(await store.putIfAbsent('files/one', content), undefined);
      const down = join(scratch, `${name}-down`);
      await fetchFile(store, ['files/one'], down, content);
      assert.deepEqual(readFileSync(down), bytes);
      const other = Buffer.from(bytes);
      other[4_000_000] = (other[4_000_000] ?? 0) ^ 1;
      await store.putIfAbsent('files/flipped', other);
      const refused = join(scratch, `${name}-refused`);
      await assert.rejects(
        fetchFile(store, ['files/flipped'], refused, content),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'store.corrupt');
          assert.ok(error.message.includes(`${store.url}/files/flipped`), error.message);
          return true;
        },
      );
      await assert.rejects(fetchFile(store, ['files/none'], refused, content), { code: 'store.corrupt' });
      assert.equal(existsSync(refused), false);
    });
  });
}
