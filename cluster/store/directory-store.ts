/**
 * An object store in a directory, of one machine or of a shared file system. Put-if-absent is link(2); a replacement is rename(2) under a lock for
 * the key, which is released when its process ends. The etag is made of inode, modification time and size, so new content never has the etag of
 * earlier content.
 */
import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  linkSync,
  readdirSync,
  statSync,
  type BigIntStats,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { SwaError, messageOf, systemCode } from '../../lib/errors/errors.js';
import {
  createFile,
  fsyncDir,
  fsyncLargeFile,
  makeDirDurable,
  replaceFile,
} from '../../lib/files/durable.js';
import { OwnerLock } from '../../lib/files/owner-lock.js';
import { removeReplaced, removeScratch } from '../../lib/files/removal.js';
import type { ByteRange, Content, Etag, ListedObject, Store, StoreObject } from './store.js';

const locks = '.locks';
const tempSuffix = '.tmp';
const lockWaitMs = 10_000;
const lockPauseMs = 5;

export class DirectoryStore implements Store {
  readonly url: string;
  readonly #root: string;
  /** Replacements within this process queue here instead of polling the lock. */
  #turn: Promise<unknown> = Promise.resolve();
  #temps = 0;

  /** @param root absolute path; created if missing */
  constructor(root: string) {
    this.#root = root;
    this.url = pathToFileURL(root).href;
    this.#named(() => makeDirDurable(join(root, locks)));
  }

  async get(key: string, range?: ByteRange): Promise<StoreObject | undefined> {
    const file = await this.#open(key);
    if (file === undefined) return undefined;
    try {
      const stat = await file.stat({ bigint: true });
      if (!stat.isFile()) return undefined;
      const sizeBytes = Number(stat.size);
      const from = range?.from ?? 0;
      const bytes = Buffer.alloc(Math.max(0, Math.min(range?.to ?? sizeBytes, sizeBytes) - from));
      for (let done = 0; done < bytes.length;) {
        const { bytesRead } = await file.read(bytes, done, bytes.length - done, from + done);
        if (bytesRead === 0) throw new Error(`${this.#path(key)} ended while it was read`);
        done += bytesRead;
      }
      return { bytes, etag: etagOf(stat), sizeBytes };
    } finally {
      await file.close();
    }
  }

  async getUnless(key: string, etag: Etag): Promise<StoreObject | 'unchanged' | undefined> {
    return this.#etag(key) === etag ? 'unchanged' : this.get(key);
  }

  async putIfAbsent(key: string, content: Content): Promise<Etag | undefined> {
    const path = this.#path(key);
    this.#named(() => makeDirDurable(dirname(path)));
    if (content instanceof Uint8Array)
      return this.#named(() => createFile(path, content)) ? this.#etag(key) : undefined;
    const temp = `${path}.${process.pid}.${this.#temps++}${tempSuffix}`;
    try {
      const hash = createHash('sha256');
      const hashed = async function* (pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
        for await (const piece of pieces) {
          hash.update(piece);
          yield piece;
        }
      };
      await pipeline(createReadStream(content.path), hashed, createWriteStream(temp, { flags: 'wx' }));
      if (hash.digest('hex') !== content.sha256)
        throw new SwaError(
          'store.corrupt',
          `cannot store ${content.path} as ${key}: its SHA-256 is not ${content.sha256}`,
        );
      await fsyncLargeFile(temp);
      return this.#named(() => link(temp, path)) ? this.#etag(key) : undefined;
    } finally {
      removeScratch(temp);
    }
  }

  async putIfMatch(key: string, bytes: Uint8Array, etag: Etag): Promise<Etag | undefined> {
    const replaced = this.#turn.then(async () => {
      const lock = await this.#lock(key);
      try {
        if (this.#etag(key) !== etag) return undefined;
        this.#named(() => replaceFile(this.#path(key), bytes));
        return this.#etag(key);
      } finally {
        lock.release();
      }
    });
    this.#turn = replaced.catch(() => undefined);
    return replaced;
  }

  async *list(prefix: string): AsyncIterable<ListedObject> {
    const keys = readdirSync(this.#root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.#root.length + 1))
      .filter((key) => key.startsWith(prefix) && !key.startsWith(`${locks}/`) && !key.endsWith(tempSuffix));
    for (const key of keys.toSorted()) {
      const stat = statSync(this.#path(key), { throwIfNoEntry: false });
      if (stat !== undefined) yield { key, sizeBytes: stat.size, modifiedAt: stat.mtimeMs };
    }
  }

  async delete(key: string): Promise<void> {
    if (this.#etag(key) !== undefined) removeReplaced([this.#path(key)], () => undefined); // the caller has proved that it may go (lib/files/removal.ts)
  }

  close(): void {
    // nothing is open
  }

  #path(key: string): string {
    return join(this.#root, key);
  }

  async #open(key: string): Promise<Awaited<ReturnType<typeof open>> | undefined> {
    try {
      return await open(this.#path(key), 'r');
    } catch (error) {
      if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  }

  #etag(key: string): Etag | undefined {
    const stat = statSync(this.#path(key), { bigint: true, throwIfNoEntry: false });
    return stat?.isFile() === true ? etagOf(stat) : undefined;
  }

  async #lock(key: string): Promise<OwnerLock> {
    const path = join(this.#root, locks, `${createHash('sha256').update(key).digest('hex')}.lock`);
    for (let waitedMs = 0; ; waitedMs += lockPauseMs) {
      const lock = OwnerLock.tryAcquire(path, `a replacement of ${key}`);
      if (lock instanceof OwnerLock) return lock;
      if (waitedMs >= lockWaitMs)
        throw new SwaError('store.unavailable', `${lock.what} holds the lock ${path}`, { retryable: true });
      await sleep(lockPauseMs);
    }
  }

  /** Rethrows file system errors as `store.unusable`, naming the store. */
  #named<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw new SwaError('store.unusable', `cannot write to ${this.url}: ${messageOf(cause)}`, { cause });
    }
  }
}

/** Returns false if the path already exists. */
function link(temp: string, path: string): boolean {
  try {
    linkSync(temp, path);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
  fsyncDir(dirname(path));
  return true;
}

function etagOf({ ino, mtimeNs, size }: BigIntStats): Etag {
  return [ino, mtimeNs, size].map((part) => part.toString(36)).join('-');
}
