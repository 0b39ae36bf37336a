/** Opens the store that the configuration names, and tests first that it honours conditional writes. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { SwaError } from '../../lib/errors/errors.js';
import type { Config } from '../../lib/config/config.js';
import { DirectoryStore } from './directory-store.js';
import type { Store } from './store.js';

export type StoreConfig = Pick<Config, 'store' | 'storeEndpoint' | 'storeRegion'>;

/** Throws `store.unusable` if the store cannot be written or ignores conditions, `store.unavailable` if it does not answer. */
export async function openStore(config: StoreConfig): Promise<Store> {
  const store = await openStoreToRead(config);
  try {
    await refuseUnconditional(store);
    return store;
  } catch (error) {
    store.close();
    throw error;
  }
}

/** Opens the store without the test, for callers that only read. @param config its `store` is not empty */
export async function openStoreToRead({ store, storeEndpoint, storeRegion }: StoreConfig): Promise<Store> {
  const { protocol, hostname, pathname } = new URL(store);
  if (protocol === 'file:') return new DirectoryStore(fileURLToPath(store).replace(/\/+$/, ''));
  const { S3Store } = await import('./s3-store.js'); // its client is large
  return new S3Store({
    bucket: hostname,
    prefix: decodeURIComponent(pathname).replaceAll(/^\/+|\/+$/g, ''),
    region: storeRegion,
    ...(storeEndpoint === '' ? {} : { endpoint: storeEndpoint }),
  });
}

/**
 * Writes probe objects to test that conditions are honoured. Some services accept conditional writes and ignore the conditions: two sinks would
 * overwrite each other. Throws `store.unusable`.
 */
export async function refuseUnconditional(store: Store): Promise<void> {
  const key = `probes/${randomUUID()}`;
  const ignores = (what: string): SwaError =>
    new SwaError('store.unusable', `${store.url} ignores conditions: ${what}`, {
      hint: 'use a service whose PUT honours If-None-Match and If-Match',
    });
  try {
    const first = await store.putIfAbsent(key, Buffer.from('1'));
    if (first === undefined) throw ignores('it refused a first write');
    if ((await store.putIfAbsent(key, Buffer.from('2'))) !== undefined)
      throw ignores('it wrote over an object that was to be absent');
    const second = await store.putIfMatch(key, Buffer.from('3'), first);
    if (second === undefined) throw ignores('it refused to replace what it had just written');
    if ((await store.putIfMatch(key, Buffer.from('4'), first)) !== undefined)
      throw ignores('it replaced an object that had another etag');
  } finally {
    await store.delete(key).catch(() => undefined); // do not hide the first error
  }
}
