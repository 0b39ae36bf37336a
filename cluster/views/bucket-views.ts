/**
 * Batch views in a store. Each is immutable; the small object CURRENT names the one that serves, and replacing it publishes a view.
 *
 *   CURRENT                          as in a data directory; replaced by If-Match
 *   views/<id>/<file>.<part>         the files of a view, in parts of 64 MB
 *   views/<id>/META.json             written last: without it the view does not exist
 *
 * Each host fetches the serving view into its own data directory, checks every file, and sets its own CURRENT to it, so all readers of views work as
 * on one machine. Hosts need not know each other; a replaced view stays for a grace period.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SwaError } from '../../lib/errors/errors.js';
import { createFile, makeDirDurable } from '../../lib/files/durable.js';
import { readAt } from '../../lib/files/read-at.js';
import { removeScratch } from '../../lib/files/removal.js';
import { sealLine, unsealLine } from '../../lib/files/sealed.js';
import type { Clock } from '../../lib/time/clock.js';
import { reaches } from '../../log/cut.js';
import { compareViewIds } from '../../facts/views/view-id.js';
import type { ViewId, ViewMeta } from '../../facts/views/view.js';
import { currentIfAny, writeCurrent } from '../../serving/current.js';
import { fetchingDir, fileNames, isViewId, viewPath, viewsDir } from '../../serving/layout.js';
import { parseMeta, readMeta, type StoredMeta } from '../../serving/meta.js';
import { moveIntoPlace, openView, prune, rollBack } from '../../serving/store.js';
import { openViewAt } from '../../serving/view-reader.js';
import { listAll, restoreHint, urlOf, type Etag, type Store } from '../store/store.js';
import { fetchFile } from '../store/transfer.js';

export interface BucketViewsOptions {
  readonly dataDir: string;
  readonly store: Store;
  /** Number of views kept, in the store and in the data directory. */
  readonly keep: number;
  readonly clock: Clock;
  /** How long a replaced view stays in the store. */
  readonly graceMs?: number;
}

const hourMs = 3_600_000;
const partBytes = 64 * 2 ** 20;
const currentKey = 'CURRENT';
const recoveryHint = `${restoreHint}, or run \`swa batch run\``;

interface Current {
  readonly id: ViewId;
  readonly etag: Etag;
}

export class BucketViews {
  readonly #dataDir: string;
  readonly #store: Store;
  readonly #keep: number;
  readonly #clock: Clock;
  readonly #graceMs: number;
  /** Etag of the CURRENT that the data directory follows. */
  #followed: Etag | undefined;

  constructor({ dataDir, store, keep, clock, graceMs = hourMs }: BucketViewsOptions) {
    this.#dataDir = dataDir;
    this.#store = store;
    this.#keep = keep;
    this.#clock = clock;
    this.#graceMs = graceMs;
  }

  /**
   * Publishes a view of this data directory to all hosts. Throws `view.refused`, and changes nothing, if the serving view has facts that this one
   * lacks.
   */
  async publish({ id, cut }: ViewMeta): Promise<void> {
    await this.#upload(id);
    for (;;) {
      const current = await this.#current();
      if (current?.id === id) break;
      if (current !== undefined) {
        const { view } = await this.#meta(current.id);
        if (view.cut.logId !== cut.logId || !reaches(cut.next, view.cut.next))
          throw new SwaError(
            'view.refused',
            `${id} was not published: ${current.id}, which another run has published at ${this.#store.url}, has facts that it has not`,
            { hint: 'let batch runs be made on one host' },
          );
      }
      if (await this.#replaceCurrent(id, current)) break;
    }
    await this.#removeReplaced();
  }

  /**
   * Fetches the serving view and sets the local CURRENT to it; cheap if nothing has changed. Returns its id, or undefined if no view was published
   * yet. Throws `store.corrupt` naming what is damaged; the local view keeps serving.
   */
  async follow(): Promise<ViewId | undefined> {
    const there = await this.#current(this.#followed);
    if (there === undefined) return undefined;
    if (there === 'unchanged') return currentIfAny(this.#dataDir);
    const isNew = await this.fetch(there.id);
    if (currentIfAny(this.#dataDir) !== there.id) writeCurrent(this.#dataDir, there.id);
    this.#followed = there.etag;
    if (isNew) prune(this.#dataDir, this.#keep);
    return there.id;
  }

  /**
   * Like `rollBack` of a data directory, for all hosts. The default is the newest view older than the serving one. Throws `view.missing`,
   * `view.refused`.
   */
  async rollBack(to?: ViewId): Promise<ViewMeta> {
    const current = await this.#current();
    const target = to ?? (await this.#ids()).findLast((id) => current === undefined || id < current.id);
    if (target === undefined)
      throw new SwaError(
        'view.missing',
        `there is no view older than ${current?.id ?? 'none'} at ${this.#store.url}`,
        {
          hint: 'run `swa batch run`, which makes a new one',
        },
      );
    await this.fetch(target);
    const meta = await rollBack(this.#dataDir, target);
    await this.#upload(target); // it may have been removed from the store
    if (!(await this.#replaceCurrent(target, current)))
      throw new SwaError('view.refused', `a run has published another view at ${this.#store.url} meanwhile`, {
        hint: 'look at it before you roll back once more',
      });
    return meta;
  }

  /**
   * Removes the views there that were made before `id`, also those that were not put there completely.
   * @param onRemoval called with what will be removed
   */
  async removeBefore(id: ViewId, onRemoval: (paths: readonly string[]) => void): Promise<void> {
    const keys = (await listAll(this.#store, 'views/')).map(({ key }) => key);
    const current = await this.#current();
    const older = [...new Set(keys.map(idOf))]
      .filter(isViewId)
      .filter((one) => one !== current?.id && compareViewIds(one, id) < 0);
    onRemoval(older.map((one) => `views/${one}`));
    for (const one of older)
      await this.#remove(
        one,
        keys.filter((key) => idOf(key) === one),
      );
  }

  /** META first: without it the view is not there. */
  async #remove(id: ViewId, keys: readonly string[]): Promise<void> {
    await this.#store.delete(metaKey(id));
    for (const key of keys) await this.#store.delete(key);
  }

  async #current(): Promise<Current | undefined>;
  async #current(unless: Etag | undefined): Promise<Current | 'unchanged' | undefined>;
  async #current(unless?: Etag): Promise<Current | 'unchanged' | undefined> {
    const object = await (unless === undefined
      ? this.#store.get(currentKey)
      : this.#store.getUnless(currentKey, unless));
    if (object === undefined || object === 'unchanged') return object;
    const id = unsealLine(object.bytes.toString())?.body ?? '';
    if (isViewId(id)) return { id, etag: object.etag };
    throw damaged(`${urlOf(this.#store, currentKey)} is damaged: which view serves is not known`);
  }

  async #replaceCurrent(id: ViewId, current: Current | undefined): Promise<boolean> {
    const bytes = Buffer.from(sealLine(id).text);
    const etag =
      current === undefined
        ? await this.#store.putIfAbsent(currentKey, bytes)
        : await this.#store.putIfMatch(currentKey, bytes, current.etag);
    if (etag !== undefined) this.#followed = etag;
    return etag !== undefined;
  }

  async #upload(id: ViewId): Promise<void> {
    const dir = viewPath(this.#dataDir, id);
    const meta = readMeta(dir);
    for (const { name, sizeBytes } of meta.files) {
      const fd = openSync(join(dir, name), 'r');
      try {
        for (const [part, key] of partKeys(id, name, sizeBytes).entries())
          await this.#putSame(key, readAt(fd, part * partBytes, partBytes));
      } finally {
        closeSync(fd);
      }
    }
    await this.#putSame(metaKey(id), readFileSync(join(dir, fileNames.meta)));
  }

  /** Creates an object, or checks that the existing one has the same content. Throws `view.refused`. */
  async #putSame(key: string, bytes: Buffer): Promise<void> {
    if ((await this.#store.putIfAbsent(key, bytes)) !== undefined) return;
    if ((await this.#store.get(key))?.bytes.equals(bytes) === true) return;
    throw new SwaError(
      'view.refused',
      `${urlOf(this.#store, key)} is there, and is of another view of this name`,
      {
        hint: 'run `swa batch run` once more: it makes a view of another name',
      },
    );
  }

  /** Fetches a view into the data directory, whether it serves or not. Returns false if it was there already. Throws `store.corrupt`. */
  async fetch(id: ViewId): Promise<boolean> {
    if (existsSync(viewPath(this.#dataDir, id))) {
      openView(this.#dataDir, id).close();
      return false;
    }
    const { files, bytes } = await this.#meta(id);
    makeDirDurable(viewsDir(this.#dataDir));
    const dir = join(fetchingDir(this.#dataDir), randomUUID());
    mkdirSync(dir, { recursive: true });
    try {
      createFile(join(dir, fileNames.meta), bytes);
      for (const file of files)
        await fetchFile(this.#store, partKeys(id, file.name, file.sizeBytes), join(dir, file.name), file);
      openViewAt(dir).close();
      moveIntoPlace(this.#dataDir, dir, id);
      return true;
    } finally {
      removeScratch(dir);
    }
  }

  /** META of a view in the store, parsed and as stored. */
  async #meta(id: ViewId): Promise<StoredMeta & { readonly bytes: Buffer }> {
    const key = metaKey(id);
    const url = urlOf(this.#store, key);
    const object = await this.#store.get(key);
    if (object === undefined) throw damaged(`${url} is missing`);
    const { bytes } = object;
    let meta: StoredMeta;
    try {
      meta = parseMeta(bytes.toString(), url);
    } catch (cause) {
      throw damaged(`${url} is damaged, or was made by a later version`, cause);
    }
    if (meta.view.id !== id) throw damaged(`${url} is of view ${meta.view.id}`);
    return { ...meta, bytes };
  }

  /** Ids of the views in the store, oldest first. */
  async #ids(): Promise<ViewId[]> {
    return (await this.#listed()).map(({ id }) => id);
  }

  async #listed(): Promise<{ readonly id: ViewId; readonly modifiedAt: number }[]> {
    return (await listAll(this.#store, 'views/')).flatMap(({ key, modifiedAt }) => {
      const [, id = '', name] = key.split('/');
      return name === fileNames.meta && isViewId(id) ? [{ id, modifiedAt }] : [];
    });
  }

  /** Removes views from the store, except the `keep` newest and the serving one, once their successor has been there for the grace period. */
  async #removeReplaced(): Promise<void> {
    const listed = await this.#listed();
    const current = await this.#current();
    for (const [i, { id }] of listed.slice(0, -this.#keep).entries()) {
      const replacedAt = listed[i + 1]?.modifiedAt ?? Infinity;
      if (id === current?.id || replacedAt >= this.#clock() - this.#graceMs) continue;
      const keys = await listAll(this.#store, `views/${id}/`);
      await this.#remove(
        id,
        keys.map(({ key }) => key),
      );
    }
  }
}

/** Of the view that an object belongs to. */
function idOf(key: string): string {
  return key.split('/')[1] ?? '';
}

function metaKey(id: ViewId): string {
  return `views/${id}/${fileNames.meta}`;
}

/** Keys of the parts of a file; at least one. */
function partKeys(id: ViewId, name: string, sizeBytes: number): string[] {
  const parts = Math.max(1, Math.ceil(sizeBytes / partBytes));
  return Array.from({ length: parts }, (_, part) => `views/${id}/${name}.${String(part).padStart(5, '0')}`);
}

function damaged(what: string, cause?: unknown): SwaError {
  return new SwaError('store.corrupt', what, { cause, hint: recoveryHint });
}
