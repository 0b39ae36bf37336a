/**
 * The port to an object store: what an S3-compatible service and a shared directory can both do. All that several hosts have in
 * common lies behind it. Two writes are conditional, and everything that must not happen twice is built on them: `putIfAbsent`
 * (of any number of writers to a key that is not there, one wins) and `putIfMatch` (of any number that have seen the same content,
 * one wins). A store reads what was written as soon as the write has returned.
 *
 * Keys are paths with `/`, made by us of plain ASCII. Every method throws `store.unavailable` (retryable) when the store gave no
 * answer to repeated requests, and `store.unusable` when it refuses them.
 */
import { SwaError } from '../../lib/errors/errors.js';

/** Bytes in memory, or a whole file that does not change meanwhile. */
export type Content =
  | Uint8Array
  | {
      readonly path: string;
      readonly sizeBytes: number;
      /** Lower-case hex: content that differs is not stored. */
      readonly sha256: string;
    };

/** Stands for one content of a key; another write gives another one. */
export type Etag = string & { readonly brand?: 'etag' };

export interface StoreObject {
  /** The whole object, or the range that was asked for. */
  readonly bytes: Buffer;
  readonly etag: Etag;
  /** Of the whole object. */
  readonly sizeBytes: number;
}

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  /** When it was written, UTC ms by the store's clock. */
  readonly modifiedAt: number;
}

/** Bytes [from, to) of an object; what lies behind its end is left out. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

export interface Store {
  /** For messages: `s3://bucket/prefix`, `file:///path`. */
  readonly url: string;
  /** Undefined when there is no such key. `from` of a range must lie within the object. */
  get(key: string, range?: ByteRange): Promise<StoreObject | undefined>;
  /** The same without sending it again to who has it. */
  getUnless(key: string, etag: Etag): Promise<StoreObject | 'unchanged' | undefined>;
  /** Writes where nothing is. Undefined when something is there: then nothing has changed. */
  putIfAbsent(key: string, content: Content): Promise<Etag | undefined>;
  /** Replaces exactly the content that `etag` stands for. Undefined when it is not that any more: then nothing has changed. */
  putIfMatch(key: string, bytes: Uint8Array, etag: Etag): Promise<Etag | undefined>;
  /** All keys that begin with `prefix`, ascending. */
  list(prefix: string): AsyncIterable<ListedObject>;
  /** It may be gone already. */
  delete(key: string): Promise<void>;
  close(): void;
}

/** The way on from what is missing or damaged in a store. */
export const restoreHint = 'restore the object from a version or a copy of the bucket';

/** The error for an object that is missing, or not what was stored. */
export function damagedObject(store: Pick<Store, 'url'>, key: string, what: string): SwaError {
  return new SwaError('store.corrupt', `${urlOf(store, key)} ${what}`, { hint: restoreHint });
}

/** Where a key lies, for messages. */
export function urlOf(store: Pick<Store, 'url'>, key: string): string {
  return `${store.url}/${key}`;
}

/** The whole list: for prefixes below which few keys lie. */
export async function listAll(store: Pick<Store, 'list'>, prefix: string): Promise<ListedObject[]> {
  const objects: ListedObject[] = [];
  for await (const object of store.list(prefix)) objects.push(object);
  return objects;
}
