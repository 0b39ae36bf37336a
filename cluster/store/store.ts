/**
 * The port to an object store: what an S3-compatible service and a shared directory can both do. Everything that hosts share lies behind it. Two
 * writes are conditional, and whatever must happen only once is built on them: `putIfAbsent` (if several writers create the same key, one wins) and
 * `putIfMatch` (if several writers replace the same content, one wins). Reads are consistent: they see a write as soon as it has returned.
 *
 * Keys are ASCII paths with `/`, made by this system. Every method throws `store.unavailable` (retryable) if the store did not answer repeated
 * requests, and `store.unusable` if it refuses them.
 */
import { SwaError } from '../../lib/errors/errors.js';

/** Bytes in memory, or a whole file that does not change during the write. */
export type Content =
  | Uint8Array
  | {
      readonly path: string;
      readonly sizeBytes: number;
      /** Lower-case hex. Content with another hash is not stored. */
      readonly sha256: string;
    };

/** Identifies one content of a key; different content has another etag. */
export type Etag = string & { readonly brand?: 'etag' };

export interface StoreObject {
  /** The whole object, or the requested range. */
  readonly bytes: Buffer;
  readonly etag: Etag;
  /** Size of the whole object. */
  readonly sizeBytes: number;
}

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  /** When it was written, UTC ms by the store's clock. */
  readonly modifiedAt: number;
}

/** Bytes [from, to) of an object, cut off at its end. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

export interface Store {
  /** For messages: `s3://bucket/prefix`, `file:///path`. */
  readonly url: string;
  /** Undefined if there is no such key. `from` of a range must lie within the object. */
  get(key: string, range?: ByteRange): Promise<StoreObject | undefined>;
  /** Reads an object unless it still has this etag. */
  getUnless(key: string, etag: Etag): Promise<StoreObject | 'unchanged' | undefined>;
  /** Creates an object. Returns undefined, and changes nothing, if the key exists. */
  putIfAbsent(key: string, content: Content): Promise<Etag | undefined>;
  /** Replaces the content with this etag. Returns undefined, and changes nothing, if the object has another etag or is gone. */
  putIfMatch(key: string, bytes: Uint8Array, etag: Etag): Promise<Etag | undefined>;
  /** All keys that begin with `prefix`, ascending. */
  list(prefix: string): AsyncIterable<ListedObject>;
  /** Deletes an object if it exists. */
  delete(key: string): Promise<void>;
  close(): void;
}

/** Hint for objects that are missing or damaged. */
export const restoreHint = 'restore the object from a version or a copy of the bucket';

/** The error for an object that is missing or damaged. */
export function damagedObject(store: Pick<Store, 'url'>, key: string, what: string): SwaError {
  return new SwaError('store.corrupt', `${urlOf(store, key)} ${what}`, { hint: restoreHint });
}

/** URL of an object, for messages. */
export function urlOf(store: Pick<Store, 'url'>, key: string): string {
  return `${store.url}/${key}`;
}

/** Lists into memory; for prefixes with few keys. */
export async function listAll(store: Pick<Store, 'list'>, prefix: string): Promise<ListedObject[]> {
  const objects: ListedObject[] = [];
  for await (const object of store.list(prefix)) objects.push(object);
  return objects;
}

/** Writes whatever is there; for objects of one writer. Of several at once, the last wins. */
export async function put(store: Store, key: string, bytes: Uint8Array): Promise<void> {
  for (;;) {
    const there = await store.get(key);
    const etag =
      there === undefined
        ? await store.putIfAbsent(key, bytes)
        : await store.putIfMatch(key, bytes, there.etag);
    if (etag !== undefined) return;
  }
}
