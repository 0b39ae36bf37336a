/**
 * The master dataset in a store, as used by the sink and the readers of one host. Manifests are copied to the data directory. Data files are fetched
 * when needed, checked against the hash in their manifest, and evicted when they exceed the cache size.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SwaError, hasCode, systemCode } from '../../lib/errors/errors.js';
import { createFile, makeDirDurable } from '../../lib/files/durable.js';
import { moveDurably, removeReplaced, removeScratch } from '../../lib/files/removal.js';
import type { Sealed } from '../../lib/files/sealed.js';
import type { PartitionName } from '../../log/log.js';
import {
  dataFileRange,
  fetchingDir,
  manifestPath,
  manifestsDir,
  masterDir,
  partitionDir,
  rootPath,
} from '../../master-data/layout.js';
import {
  dataFiles,
  keptManifests,
  manifestNumbers,
  readHead,
  readManifest,
  readRoot,
  type ChainHead,
  type ManifestFile,
  type NextManifest,
  type Root,
} from '../../master-data/manifest.js';
import { pinnedManifests } from '../../master-data/pins.js';
import { unlessSinking } from '../../master-data/role.js';
import type { SharedMaster } from '../../master-data/shared-master.js';
import type { Snapshot } from '../../master-data/snapshot.js';
import { deadFiles } from '../../master-data/sweep.js';
import type { Clock } from '../../lib/time/clock.js';
import { BucketErasures } from '../erasures/bucket-erasures.js';
import { damagedObject, listAll, urlOf, type Store } from '../store/store.js';
import { fetchFile, sizeOf } from '../store/transfer.js';
import { BucketManifests, fileKey, rootKey, type BucketManifest } from './bucket-manifests.js';

export interface BucketMasterOptions {
  readonly dataDir: string;
  readonly store: Store;
  /** Maximum bytes of data files in the data directory. */
  readonly cacheBytes: number;
  readonly clock: Clock;
  /** How long replaced objects stay in the store, for readers on other hosts. */
  readonly graceMs?: number;
}

const dayMs = 86_400_000;
/** Maximum number of manifests removed per call; the next call continues. */
const removedAtOnce = 32;
const parallelFetches = 3;
/** A writer that has not committed its file for so long was killed. */
const strandedMs = 3_600_000;

export class BucketMaster implements SharedMaster {
  readonly #dataDir: string;
  readonly #store: Store;
  readonly #manifests: BucketManifests;
  readonly #erasures: BucketErasures;
  readonly #cacheBytes: number;
  readonly #clock: Clock;
  readonly #graceMs: number;
  /** By partition: the number up to which local manifests are known to equal those of the store. */
  readonly #agreed = new Map<PartitionName, number>();

  constructor({ dataDir, store, cacheBytes, clock, graceMs = dayMs }: BucketMasterOptions) {
    this.#dataDir = dataDir;
    this.#store = store;
    this.#manifests = new BucketManifests(store);
    this.#erasures = new BucketErasures(dataDir, store);
    this.#cacheBytes = cacheBytes;
    this.#clock = clock;
    this.#graceMs = graceMs;
  }

  async pull(): Promise<void> {
    const root = await this.#store.get(rootKey);
    if (root === undefined) return;
    makeDirDurable(masterDir(this.#dataDir));
    const path = rootPath(this.#dataDir);
    if (!createFile(path, root.bytes) && readFileSync(path, 'utf8') !== root.bytes.toString())
      throw this.#otherHistory(path, `${urlOf(this.#store, rootKey)} is of another log`);
    const { body, sha256 } = this.#root();
    for (const name of body.partitions) await this.#pullPartition({ body, sha256 }, name);
  }

  async adopt(): Promise<void> {
    if ((await this.#store.get(rootKey)) !== undefined) return;
    const root = this.#root();
    for (const name of root.body.partitions) {
      const head = readHead(this.#dataDir, root, name);
      if (head.number === 0) continue;
      const text = readFileSync(manifestPath(this.#dataDir, name, head.number), 'utf8');
      if ((await this.#manifests.read(name, head.number))?.sha256 === head.sha256) continue; // done by an adoption that was interrupted
      await this.#commit(name, 0, head.files, { ...head, text });
    }
    // Written last: other hosts see nothing before it.
    if ((await this.#store.putIfAbsent(rootKey, readFileSync(rootPath(this.#dataDir)))) === undefined)
      await this.pull();
  }

  async commit(name: PartitionName, head: ChainHead, next: NextManifest): Promise<void> {
    const known = new Set(head.files.map((file) => file.name));
    await this.#commit(
      name,
      head.number,
      next.files.filter((file) => !known.has(file.name)),
      next,
    );
    this.#agreed.set(name, next.number);
  }

  async fetch(name: PartitionName, files: readonly ManifestFile[]): Promise<void> {
    const queue = files.toReversed();
    const fetchNext = async (): Promise<void> => {
      for (let file = queue.pop(); file !== undefined; file = queue.pop()) await this.#fetchOne(name, file);
    };
    await Promise.all(Array.from({ length: parallelFetches }, fetchNext));
  }

  /** Fetches all files of a pinned snapshot. Throws `config.invalid` if the cache is too small for them. */
  async fetchSnapshot(snapshot: Snapshot): Promise<void> {
    const sizeBytes = snapshot.files.reduce((sum, file) => sum + file.sizeBytes, 0);
    if (sizeBytes > this.#cacheBytes)
      throw new SwaError(
        'config.invalid',
        `the files of the master dataset have ${sizeBytes} bytes, and SWA_CACHE_BYTES allows ${this.#cacheBytes}`,
        { hint: 'a run reads all of them: give it a larger cache' },
      );
    const missing = snapshot.files.filter(({ path }) => !existsSync(path));
    await this.#evict(missing.reduce((sum, file) => sum + file.sizeBytes, 0));
    for (const name of this.#root().body.partitions) {
      const ofIt = missing.filter(({ topic, partition }) => `${topic}/${partition}` === name);
      await this.fetch(
        name,
        ofIt.map((file) => ({ ...file, name: basename(file.path) })),
      );
    }
  }

  async tidy(name: PartitionName, head: ChainHead): Promise<void> {
    await this.#removeReplaced(name, { goneBefore: this.#clock() - this.#graceMs, kept: keptManifests });
    this.#removeDead(this.#root(), name, head);
    await this.#evict(0);
  }

  async purge(name: PartitionName): Promise<boolean> {
    const now = { goneBefore: Infinity, kept: 1 };
    while ((await this.#removeReplaced(name, now)) > 0);
    return this.#removeStranded(name);
  }

  /** Removes copies here of data files that the newest manifest of the store does not name. Returns false if some are still being read. */
  async dropReplaced(): Promise<boolean> {
    await this.pull();
    const root = readRoot(this.#dataDir);
    if (root === undefined) return true;
    const { partitions } = root.body;
    unlessSinking(this.#dataDir, () => {
      for (const name of partitions) this.#removeDead(root, name, readHead(this.#dataDir, root, name));
    });
    return partitions.every((name) => {
      const isNamed = new Set(readHead(this.#dataDir, root, name).files.map((file) => file.name));
      return dataFiles(this.#dataDir, name).every((file) => isNamed.has(file));
    });
  }

  exchangeErasures(): Promise<void> {
    return this.#erasures.exchangeOrder();
  }

  #root(): Sealed<Root> {
    const root = readRoot(this.#dataDir);
    if (root === undefined)
      throw new SwaError('internal.invariant', `no root of the master dataset in ${this.#dataDir}`);
    return root;
  }

  async #pullPartition(root: Sealed<Root>, name: PartitionName): Promise<void> {
    makeDirDurable(manifestsDir(this.#dataDir, name));
    const here = manifestNumbers(this.#dataDir, name).at(-1) ?? 0;
    const listed = await this.#manifests.list(name);
    const newest = listed.at(-1)?.number ?? 0;
    if (here > newest && (manifestNumbers(this.#dataDir, name).at(-1) ?? 0) === here)
      throw this.#otherHistory(
        manifestPath(this.#dataDir, name, here),
        `${this.#store.url} ends with number ${newest}`,
      );
    if (here > 0 && this.#agreed.get(name) !== here) {
      const same = listed.some(({ number }) => number === here)
        ? await this.#manifests.read(name, here)
        : undefined;
      if (same !== undefined && same.sha256 !== readManifest(this.#dataDir, root, name, here).sha256)
        throw this.#otherHistory(
          manifestPath(this.#dataDir, name, here),
          `that of ${this.#store.url} is another one`,
        );
    }
    for (const { number } of listed.filter((one) => one.number > here).slice(-keptManifests)) {
      const manifest = await this.#manifests.read(name, number).catch((error: unknown) => {
        if (number < newest && hasCode(error, 'store.corrupt')) return undefined; // it is being removed
        throw error;
      });
      if (manifest === undefined) continue; // replaced in the meantime
      createFile(manifestPath(this.#dataDir, name, number), manifest.text);
      readManifest(this.#dataDir, root, name, number);
    }
    this.#agreed.set(name, Math.max(here, newest));
  }

  async #commit(
    name: PartitionName,
    before: number,
    files: readonly ManifestFile[],
    next: NextManifest,
  ): Promise<void> {
    for (const { name: file, sizeBytes, sha256 } of files) {
      const key = fileKey(name, file);
      const path = join(partitionDir(this.#dataDir, name), file);
      const stored = await this.#store.putIfAbsent(key, { path, sizeBytes, sha256 });
      // The name contains the hash of the content, so the existing object is the same file.
      if (stored === undefined) await this.#requireStored(key, sizeBytes);
    }
    await this.#manifests.commit(name, before, next);
  }

  async #requireStored(key: string, sizeBytes: number): Promise<void> {
    const actual = await sizeOf(this.#store, key);
    if (actual === sizeBytes) return;
    const what = actual === undefined ? 'is missing' : `has ${actual} bytes`;
    throw damagedObject(this.#store, key, `${what}, and was written with ${sizeBytes}`);
  }

  async #fetchOne(
    name: PartitionName,
    file: Pick<ManifestFile, 'name' | 'sizeBytes' | 'sha256'>,
  ): Promise<void> {
    const path = join(partitionDir(this.#dataDir, name), file.name);
    if (existsSync(path)) return;
    mkdirSync(fetchingDir(this.#dataDir), { recursive: true });
    const temp = join(fetchingDir(this.#dataDir), randomUUID());
    await fetchFile(this.#store, [fileKey(name, file.name)], temp, file);
    try {
      moveDurably(temp, path);
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error; // another process has fetched it as well
      removeScratch(temp);
    }
  }

  #removeDead(root: Sealed<Root>, name: PartitionName, head: ChainHead): void {
    const dir = partitionDir(this.#dataDir, name);
    const dead = deadFiles(this.#dataDir, root, name, head).map((file) => join(dir, file));
    // The local manifest equals the store's, so the store has every file that it names.
    removeReplaced(dead, () => void readManifest(this.#dataDir, root, name, head.number));
  }

  /**
   * Removes some old manifests from the store in ascending order, each with the objects that its successor no longer names. Keeps the newest `kept`
   * and those replaced at `goneBefore` or later. Returns the number removed.
   */
  async #removeReplaced(
    name: PartitionName,
    { goneBefore, kept }: { readonly goneBefore: number; readonly kept: number },
  ): Promise<number> {
    const listed = await this.#manifests.list(name);
    let old: BucketManifest | undefined;
    let removed = 0;
    for (const [i, { number }] of listed.slice(0, -kept).slice(0, removedAtOnce).entries()) {
      const successor = listed[i + 1];
      if (successor === undefined || successor.modifiedAt >= goneBefore) break;
      old ??= await this.#manifests.read(name, number); // all but the first were read as `next`
      const next = await this.#manifests.read(name, successor.number);
      if (next === undefined) break; // another sink is removing them
      if (old !== undefined) await this.#removeKeys(name, old, next);
      await this.#manifests.delete(name, number);
      old = next;
      removed++;
    }
    return removed;
  }

  /**
   * Data files of the store that no manifest names although they lie before its end: of writers that were killed before they committed. Returns
   * false while one is so young that its writer may be about to.
   */
  async #removeStranded(name: PartitionName): Promise<boolean> {
    const prefix = `${fileKey(name, '')}/`;
    const stored = await listAll(this.#store, prefix);
    const newest = (await this.#manifests.list(name)).at(-1);
    const head = newest === undefined ? undefined : await this.#manifests.read(name, newest.number);
    const end = head?.files.at(-1)?.toOffset ?? 0;
    let isRid = true;
    for (const { key, modifiedAt } of stored) {
      const range = dataFileRange(key.slice(prefix.length));
      if (range === undefined || range.fromOffset >= end || head?.keys.has(key) === true) continue;
      if (modifiedAt >= this.#clock() - strandedMs) isRid = false;
      else await this.#store.delete(key);
    }
    return isRid;
  }

  async #removeKeys(name: PartitionName, old: BucketManifest, next: BucketManifest): Promise<void> {
    for (const file of next.files) {
      const key = fileKey(name, file.name);
      if (!old.keys.has(key)) await this.#requireStored(key, file.sizeBytes);
    }
    for (const key of old.keys) if (!next.keys.has(key)) await this.#store.delete(key);
  }

  /** Evicts local data files, oldest first, until `roomBytes` more fit into the cache. Pinned files stay. */
  async #evict(roomBytes: number): Promise<void> {
    const root = this.#root();
    const pinned = pinnedManifests(this.#dataDir);
    if (pinned === 'everything') return;
    const here: { path: string; key: string; sizeBytes: number; since: number }[] = [];
    let totalBytes = 0;
    for (const name of root.body.partitions) {
      const held = new Set<string>();
      for (const number of pinned.get(name) ?? [])
        if (number > 0)
          for (const file of readManifest(this.#dataDir, root, name, number).body.files) held.add(file.name);
      const named = new Set(readHead(this.#dataDir, root, name).files.map((file) => file.name));
      for (const file of dataFiles(this.#dataDir, name)) {
        const path = join(partitionDir(this.#dataDir, name), file);
        const stat = statSync(path, { throwIfNoEntry: false });
        if (stat === undefined) continue;
        totalBytes += stat.size;
        if (named.has(file) && !held.has(file))
          here.push({ path, key: fileKey(name, file), sizeBytes: stat.size, since: stat.mtimeMs });
      }
    }
    for (const { path, key, sizeBytes } of here.toSorted((a, b) => a.since - b.since)) {
      if (totalBytes + roomBytes <= this.#cacheBytes) return;
      await this.#requireStored(key, sizeBytes);
      removeReplaced([path], () => undefined); // the store has it
      totalBytes -= sizeBytes;
    }
  }

  #otherHistory(path: string, what: string): SwaError {
    return new SwaError('master.conflict', `${path} is not what hosts share: ${what}`, {
      hint: 'this data directory was used without SWA_STORE, or with another: use an empty one, or an empty bucket',
    });
  }
}
