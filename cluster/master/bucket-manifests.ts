/**
 * The manifests of a master dataset in a store: the same chain as in a data directory, with the same numbers and hashes, but each manifest stores its
 * list of files as a tree (file-tree.ts).
 *
 *   master/root.json                                 as in a data directory
 *   master/<topic>/p<n>/manifests/<number>.json      put-if-absent: the commit
 *   master/<topic>/p<n>/lists/<sha256>.json          nodes of the trees of files
 *   master/<topic>/p<n>/<name>.parquet               as in a data directory
 */
import { basename, join } from 'node:path';
import { z } from 'zod';
import { seal, unsealLine } from '../../lib/files/sealed.js';
import type { PartitionName } from '../../log/log.js';
import { manifestNumber, manifestPath, partitionDir } from '../../master-data/layout.js';
import { committedByAnother, type ManifestFile, type NextManifest } from '../../master-data/manifest.js';
import { damagedObject, listAll, type Store } from '../store/store.js';
import { joinFiles, splitFiles, treeSchema } from './file-tree.js';

export const rootKey = 'master/root.json';

/** The key of a data file: its path within the data directory. */
export function fileKey(name: PartitionName, file: string): string {
  return join(partitionDir('', name), file);
}

function manifestsPrefix(name: PartitionName): string {
  return fileKey(name, 'manifests/');
}

function manifestKey(name: PartitionName, number: number): string {
  return fileKey(name, join('manifests', basename(manifestPath('', name, number))));
}

function listKey(name: PartitionName, sha256: string): string {
  return fileKey(name, `lists/${sha256}.json`);
}

const storedSchema = z.object({
  /** Hash of the manifest as in a data directory: of its first line. */
  sha256: z.string(),
  /** That line with an empty list of files. Kept as text, because the order of its fields is part of the hash. */
  manifest: z.string(),
  files: treeSchema,
});

export interface BucketManifest {
  readonly number: number;
  readonly sha256: string;
  /** Content of the manifest's file in a data directory. */
  readonly text: string;
  readonly files: readonly ManifestFile[];
  /** Keys of the data files and lists that the manifest names. */
  readonly keys: ReadonlySet<string>;
}

export interface ListedManifest {
  readonly number: number;
  readonly modifiedAt: number;
}

export class BucketManifests {
  readonly #store: Store;
  /** Lists of the manifest read or committed last, by partition and hash: the next one shares most of them. */
  readonly #lists = new Map<PartitionName, ReadonlyMap<string, string>>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** The manifests of a partition, in ascending order. */
  async list(name: PartitionName): Promise<ListedManifest[]> {
    const listed = await listAll(this.#store, manifestsPrefix(name));
    return listed.flatMap(({ key, modifiedAt }) => {
      const number = manifestNumber(basename(key));
      return number === undefined ? [] : [{ number, modifiedAt }];
    });
  }

  /** Undefined if the manifest does not exist. Throws `store.corrupt`. */
  async read(name: PartitionName, number: number): Promise<BucketManifest | undefined> {
    const key = manifestKey(name, number);
    const object = await this.#store.get(key);
    if (object === undefined) return undefined;
    const body = unsealLine(object.bytes.toString())?.body;
    const stored = body === undefined ? undefined : storedSchema.safeParse(JSON.parse(body)).data;
    if (stored === undefined) throw damagedObject(this.#store, key, 'does not have the hash it names');
    const line = JSON.parse(stored.manifest) as { readonly number: number }; // sealed, so it is what we wrote
    if (line.number !== number) throw damagedObject(this.#store, key, `is manifest ${line.number}`);
    const known = this.#lists.get(name);
    const lists = new Map<string, string>();
    const files = await joinFiles(stored.files, async (sha256) => {
      const text = known?.get(sha256) ?? (await this.#readList(name, sha256));
      lists.set(sha256, text);
      return text;
    });
    this.#lists.set(name, lists);
    const { text, sha256 } = seal({ ...line, files });
    if (sha256 !== stored.sha256)
      throw damagedObject(this.#store, key, 'and its lists of files do not belong together');
    const checked = files as readonly ManifestFile[]; // the hash matches a manifest that was validated when it was made
    return { number, sha256, text, files: checked, keys: keysOf(name, checked, lists) };
  }

  /**
   * Commits a manifest: writes its lists first, then the manifest. Throws `master.conflict` if another writer took its number, or its predecessor has
   * already been removed.
   * @param before number of its predecessor in the store; 0 for none
   */
  async commit(name: PartitionName, before: number, next: NextManifest): Promise<void> {
    const { number, sha256 } = next;
    const line = JSON.parse(unsealLine(next.text)?.body ?? '') as object; // made by nextManifest
    const { lists, ...files } = splitFiles(next.files);
    const known = this.#lists.get(name);
    for (const [hash, text] of lists)
      if (known?.has(hash) !== true) await this.#store.putIfAbsent(listKey(name, hash), Buffer.from(text));
    const { text } = seal({ sha256, manifest: JSON.stringify({ ...line, files: [] }), files });
    const key = manifestKey(name, number);
    if ((await this.#store.putIfAbsent(key, Buffer.from(text))) === undefined)
      throw committedByAnother(name, number);
    // Old manifests are removed in ascending order. If the predecessor is gone, this number was used and removed before.
    if (before > 0 && (await this.#store.get(manifestKey(name, before), { from: 0, to: 1 })) === undefined) {
      await this.#store.delete(key);
      throw committedByAnother(name, number);
    }
    this.#lists.set(name, lists);
  }

  async delete(name: PartitionName, number: number): Promise<void> {
    await this.#store.delete(manifestKey(name, number));
  }

  async #readList(name: PartitionName, sha256: string): Promise<string> {
    const key = listKey(name, sha256);
    const object = await this.#store.get(key);
    if (object === undefined) throw damagedObject(this.#store, key, 'is missing');
    return object.bytes.toString();
  }
}

function keysOf(
  name: PartitionName,
  files: readonly ManifestFile[],
  lists: ReadonlyMap<string, string>,
): ReadonlySet<string> {
  return new Set([
    ...files.map((file) => fileKey(name, file.name)),
    ...[...lists.keys()].map((sha256) => listKey(name, sha256)),
  ]);
}
