/**
 * Membership: each speed worker and each query process announces itself in the store and reads the announcements of the others.
 *
 *   nodes/<id>.json     what it is, its URL, what can be read from it; renewed every few seconds
 *
 * An announcement that is not renewed expires, so dead nodes disappear. Ages are measured by the store's clock alone, since the clocks of hosts may
 * differ: each reader also writes, so the newest announcement tells the current time.
 */
import { z } from 'zod';
import { SwaError } from '../../lib/errors/errors.js';
import { validJson } from '../../lib/files/valid-json.js';
import type { PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';
import { listAll, type Etag, type ListedObject, type Store } from '../store/store.js';

const viewId = z.string().transform((text) => text as ViewId); // only compared
const partition = z.string().transform((text) => text as PartitionName); // likewise

const nodeSchema = z.object({
  id: z.string(),
  role: z.enum(['speed', 'query']),
  host: z.string(),
  pid: z.number(),
  /** Where a worker's stores are read, or where a query process answers. */
  url: z.string(),
  /** UTC ms by the node's own clock. */
  startedAt: z.number(),
  /** Stores that can be read from a worker. */
  stores: z.array(z.object({ generation: viewId, partitions: z.array(partition) })).default([]),
  /** Batch views in the data directory of a query process. */
  views: z.array(viewId).default([]),
  /** The last order to erase that its data directory has carried out. */
  erased: z.string().nullable().default(null),
  lastError: z
    .object({ at: z.number(), code: z.string(), message: z.string(), hint: z.string().optional() })
    .nullable()
    .default(null),
});
export type Node = z.output<typeof nodeSchema>;

export interface KnownNode extends Node {
  /** Age of its announcement by the store's clock. */
  readonly silentMs: number;
}

export interface NodesOptions {
  readonly store: Store;
  readonly own: Pick<Node, 'id' | 'role' | 'host' | 'pid' | 'url' | 'startedAt'>;
  readonly renewMs?: number;
  readonly pollMs?: number;
  readonly expireMs?: number;
  /** Called with errors of background work, which is then retried. */
  readonly onError: (error: unknown) => void;
}

/** Who has said nothing for so long counts as dead. */
export const expireMs = 12_000;
const prefix = 'nodes/';
/** Announcements older than this are deleted. */
const forgetMs = 600_000;

interface Read {
  readonly listed: ListedObject;
  readonly etag: Etag;
  readonly node: Node;
  /**
   * Whether a later look found it unchanged. The store's timestamps may have a resolution of 1 s, so until then it is read again although its time is
   * the same.
   */
  readonly isSettled: boolean;
}

export class Nodes {
  readonly #store: Store;
  readonly #key: string;
  readonly #renewMs: number;
  readonly #pollMs: number;
  readonly #expireMs: number;
  readonly #onError: (error: unknown) => void;
  #own: Node;
  #written = '';
  #etag: Etag | undefined;
  #wroteAt = Number.NEGATIVE_INFINITY;
  #known = new Map<string, Read>();
  #loading: Promise<void> | undefined;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: NodesOptions) {
    const { store, own, renewMs = 3_000, pollMs = 1_000, onError } = options;
    this.#store = store;
    this.#key = `${prefix}${own.id}.json`;
    this.#renewMs = renewMs;
    this.#pollMs = pollMs;
    this.#expireMs = options.expireMs ?? expireMs;
    this.#onError = onError;
    this.#own = { ...own, stores: [], views: [], erased: null, lastError: null };
  }

  get id(): string {
    return this.#own.id;
  }

  /** Announces this node and reads the others; then repeats both in the background. Throws `store.unavailable`. */
  async start(): Promise<void> {
    await this.#announce();
    await this.refresh();
    const tick = async (): Promise<void> => {
      const began = performance.now();
      await Promise.all([this.#announce(), this.refresh()]).catch(this.#onError);
      if (this.#isClosed) return;
      const restMs = Math.max(this.#pollMs / 4, this.#pollMs - (performance.now() - began));
      this.#timer = setTimeout(() => void tick(), restMs).unref();
    };
    this.#timer = setTimeout(() => void tick(), this.#pollMs).unref();
  }

  /** Changes this node's announcement. */
  update(change: Partial<Pick<Node, 'stores' | 'views' | 'erased' | 'lastError' | 'url'>>): void {
    this.#own = { ...this.#own, ...change };
    if (JSON.stringify(this.#own) !== this.#written) this.#announce().catch(this.#onError);
  }

  /** Nodes whose announcement has not expired, including this one. */
  liveNodes(): readonly KnownNode[] {
    return this.known().filter(({ silentMs }) => silentMs <= this.#expireMs);
  }

  /** All nodes with an announcement, including expired ones that were not deleted yet. */
  known(): readonly KnownNode[] {
    const all = [...this.#known.values()];
    const newest = Math.max(...all.map(({ listed }) => listed.modifiedAt));
    return all.map(({ listed, node }) => ({ ...node, silentMs: newest - listed.modifiedAt }));
  }

  /** Reads the announcements; concurrent calls share one read. */
  refresh(): Promise<void> {
    this.#loading ??= this.#load().finally(() => void (this.#loading = undefined));
    return this.#loading;
  }

  /** Deletes the announcement of this node. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await Promise.all([this.#loading, this.#writing]).catch(() => undefined);
    await this.#store.delete(this.#key).catch(() => undefined); // it expires by itself
  }

  async #load(): Promise<void> {
    const listed = await listAll(this.#store, prefix);
    const newest = Math.max(...listed.map(({ modifiedAt }) => modifiedAt));
    const read = async (object: ListedObject): Promise<Read | undefined> => {
      if (newest - object.modifiedAt > forgetMs) {
        await this.#store.delete(object.key);
        return undefined;
      }
      const known = this.#known.get(object.key);
      const isSame = known?.listed.modifiedAt === object.modifiedAt;
      if (known !== undefined && isSame && known.isSettled) return known;
      const found =
        known === undefined
          ? await this.#store.get(object.key)
          : await this.#store.getUnless(object.key, known.etag);
      if (found === undefined) return undefined;
      // Stores list times in seconds: another change may follow within the same second.
      const isSettled = isSame && newest - object.modifiedAt > 1_000;
      if (found === 'unchanged') return known && { ...known, listed: object, isSettled };
      const node = validJson(nodeSchema, found.bytes.toString());
      return node && { listed: object, etag: found.etag, node, isSettled: false };
    };
    const all = await Promise.all(listed.map(read));
    this.#known = new Map(all.flatMap((one) => (one === undefined ? [] : [[one.listed.key, one]])));
  }

  async #announce(): Promise<void> {
    const text = JSON.stringify(this.#own);
    const isDue = performance.now() - this.#wroteAt >= this.#renewMs;
    if (this.#isClosed || (text === this.#written && !isDue)) return;
    while (this.#writing !== undefined) await this.#writing.catch(() => undefined);
    if (this.#isClosed) return; // a write now would undo the deletion in close()
    this.#writing = this.#write(JSON.stringify(this.#own)).finally(() => void (this.#writing = undefined));
    await this.#writing;
  }

  async #write(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    for (let attempt = 0; attempt < 3; attempt++) {
      const etag =
        this.#etag === undefined
          ? await this.#store.putIfAbsent(this.#key, bytes)
          : await this.#store.putIfMatch(this.#key, bytes, this.#etag);
      this.#etag = etag ?? (await this.#store.get(this.#key))?.etag; // the object of an earlier process of this node
      if (etag === undefined) continue;
      this.#written = text;
      this.#wroteAt = performance.now();
      return;
    }
    throw new SwaError('store.unavailable', `${this.#key} changes as often as it is written`, {
      retryable: true,
      hint: 'two processes may have one data directory',
    });
  }
}

/** Reads all announcements without making one. Ages are relative to the newest announcement, so they are too small if all nodes have died. */
export async function readNodes(store: Store): Promise<readonly KnownNode[]> {
  const listed = await listAll(store, prefix);
  const newest = Math.max(...listed.map(({ modifiedAt }) => modifiedAt));
  const nodes = await Promise.all(
    listed.map(async ({ key, modifiedAt }) => {
      const node = validJson(nodeSchema, (await store.get(key))?.bytes.toString() ?? '');
      return node === undefined ? [] : [{ ...node, silentMs: newest - modifiedAt }];
    }),
  );
  return nodes.flat();
}
