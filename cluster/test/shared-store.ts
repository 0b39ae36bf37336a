/** Several hosts for tests: data directories that share only a store. */
import { systemClock } from '../../lib/time/clock.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import { contextOf } from '../../master-data/test/fixture.js';
import type { RoleContext } from '../../lib/process/role.js';
import { BucketMaster, type BucketMasterOptions } from '../master/bucket-master.js';
import { DirectoryStore } from '../store/directory-store.js';
import type { Store } from '../store/store.js';
import { tempDir } from '../../test/temp-dir.js';

export function makeStore(): DirectoryStore {
  const dir = tempDir('shared');
  return new DirectoryStore(dir);
}

export interface Host extends RoleContext {
  readonly dataDir: string;
  readonly master: BucketMaster;
}

/** Makes a host: a new data directory on the store. */
export function makeHost(store: Store, change: Partial<BucketMasterOptions> = {}): Host {
  const dataDir = tempDir('host');
  const context = contextOf(dataDir, { store: store.url, sinkMaxRows: 50 });
  openDataDir(context.config);
  return { ...context, dataDir, master: openMaster(dataDir, store, change) };
}

export function openMaster(
  dataDir: string,
  store: Store,
  change: Partial<BucketMasterOptions> = {},
): BucketMaster {
  return new BucketMaster({ dataDir, store, cacheBytes: 2 ** 40, clock: systemClock, ...change });
}

export interface Watched extends Store {
  /** Called before and after each write; its errors are thrown to the writer. */
  onWrite: (key: string, sizeBytes: number, when: 'before' | 'after') => void | Promise<void>;
}

/** Wraps a store so that every write can be observed. */
export function watch(store: Store): Watched {
  const seen = async <T>(key: string, sizeBytes: number, write: () => Promise<T>): Promise<T> => {
    await watched.onWrite(key, sizeBytes, 'before');
    const result = await write();
    await watched.onWrite(key, sizeBytes, 'after');
    return result;
  };
  const watched: Watched = {
    url: store.url,
    onWrite: () => undefined,
    get: (key, range) => store.get(key, range),
    getUnless: (key, etag) => store.getUnless(key, etag),
    putIfAbsent: (key, content) =>
      seen(key, content instanceof Uint8Array ? content.length : content.sizeBytes, () =>
        store.putIfAbsent(key, content),
      ),
    putIfMatch: (key, bytes, etag) => seen(key, bytes.length, () => store.putIfMatch(key, bytes, etag)),
    list: (prefix) => store.list(prefix),
    delete: (key) => store.delete(key),
    close: () => store.close(),
  };
  return watched;
}
