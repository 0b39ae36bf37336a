/**
 * The pointer of a realtime view whose workers share nothing but the object store: the object `speed/SERVING`. It names the leader, the one node that
 * may move it, and an epoch, which grows with each change of leader. Another worker may take the lead when the leader is no longer announced. Every
 * change is a `putIfMatch` of what was read, so a leader that was suspended in between cannot overwrite its successor: its write does not match, and
 * it then reads the new leader.
 */
import { z } from 'zod';
import { SwaError, hasCode } from '../../lib/errors/errors.js';
import { validJson } from '../../lib/files/valid-json.js';
import type { PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';
import { samePointer } from '../../speed/generations/hand-over.js';
import type { Pointers } from '../../speed/generations/pointers.js';
import type { Pointer } from '../../speed/store/layout.js';
import type { StoreState } from '../../speed/store/partition-store.js';
import { urlOf, restoreHint, type Etag, type Store } from '../store/store.js';
import type { Node, Nodes } from './nodes.js';
import { WorkerClient } from './worker-client.js';

const key = 'speed/SERVING';
const viewId = z.string().transform((text) => text as ViewId); // only compared
const servingSchema = z.object({
  partitions: z.array(z.string().transform((text) => text as PartitionName)), // written by us from the log's partitions
  serving: viewId.nullable(),
  next: viewId.nullable(),
  leader: z.string(),
  epoch: z.int().min(1),
});

export interface Serving {
  readonly pointer: Pointer;
  /** Id of the node that may move it. */
  readonly leader: string;
  readonly epoch: number;
  readonly etag: Etag;
}

/** Undefined if no worker has ever led. Throws `store.corrupt`. */
export async function readServing(store: Store): Promise<Serving | undefined> {
  const object = await store.get(key);
  return object === undefined ? undefined : parse(store, object.bytes, object.etag);
}

function parse(store: Store, bytes: Buffer, etag: Etag): Serving {
  const stored = validJson(servingSchema, bytes.toString());
  if (stored === undefined)
    throw new SwaError('store.corrupt', `${urlOf(store, key)} is damaged`, {
      hint: `${restoreHint}, or delete it: the realtime view is then made again from the log`,
    });
  const { partitions, serving, next, leader, epoch } = stored;
  return {
    pointer: { partitions, serving: serving ?? undefined, next: next ?? undefined },
    leader,
    epoch,
    etag,
  };
}

/** Caches the content of SERVING. */
export class ServingWatch {
  readonly #store: Store;
  #known: Serving | undefined;
  #loading: Promise<void> | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  get known(): Serving | undefined {
    return this.#known;
  }

  set known(serving: Serving | undefined) {
    this.#known = serving;
  }

  refresh(): Promise<void> {
    this.#loading ??= this.#load().finally(() => void (this.#loading = undefined));
    return this.#loading;
  }

  async #load(): Promise<void> {
    const known = this.#known;
    const found =
      known === undefined ? await this.#store.get(key) : await this.#store.getUnless(key, known.etag);
    if (found === 'unchanged') return;
    this.#known = found === undefined ? undefined : parse(this.#store, found.bytes, found.etag);
  }
}

export interface StorePointersOptions {
  readonly store: Store;
  readonly nodes: Nodes;
  readonly secret: string;
  /** All partitions of the log. */
  readonly partitions: () => readonly PartitionName[];
  readonly onError: (error: unknown) => void;
}

const pollMs = 500;
/** Poll interval while a generation is being made. */
const busyPollMs = 200;
/** How long a hand-over waits for live processes that are not ready for it. */
const readyPatienceMs = 60_000;

export class StorePointers implements Pointers {
  readonly areTogether = false;
  readonly #options: StorePointersOptions;
  readonly #watch: ServingWatch;
  /** States of other workers' stores, by generation and partition. */
  #states = new Map<string, StoreState>();
  #moving: Promise<void> | undefined;
  /** When the current hand-over began to wait for other processes. */
  #waitsSince: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: StorePointersOptions) {
    this.#options = options;
    this.#watch = new ServingWatch(options.store);
  }

  /** Reads the pointer, then polls it in the background. Throws the errors of reading the store. */
  async start(): Promise<void> {
    await this.#watch.refresh();
    const tick = async (): Promise<void> => {
      await Promise.all([this.#watch.refresh(), this.#readStates()]).catch(this.#options.onError);
      if (this.#isClosed) return;
      const isBusy = this.#watch.known?.pointer.next !== undefined;
      this.#timer = setTimeout(() => void tick(), isBusy ? busyPollMs : pollMs).unref();
    };
    this.#timer = setTimeout(() => void tick(), busyPollMs).unref();
  }

  get serving(): Serving | undefined {
    return this.#watch.known;
  }

  leads(hasFirst: boolean): boolean {
    const { known } = this.#watch;
    const { nodes } = this.#options;
    if (known?.leader === nodes.id) return true;
    const isFree = known === undefined || !nodes.liveNodes().some(({ id }) => id === known.leader);
    if (isFree && (hasFirst || known !== undefined)) this.#begin(() => this.#takeLead(known));
    return false;
  }

  read(): Pointer | undefined {
    return this.#watch.known?.pointer;
  }

  stored(): Pointer | undefined {
    return this.#watch.known?.pointer;
  }

  write(to: Pointer): boolean {
    const { known } = this.#watch;
    if (known === undefined || known.leader !== this.#options.nodes.id) return false;
    if (samePointer(known.pointer, to)) return true;
    if (to.serving !== known.pointer.serving && !this.#areReady(known.pointer.serving, to.serving))
      return false;
    this.#begin(() => this.#put({ ...known, pointer: to }, known));
    return false;
  }

  stateOf(generation: ViewId, partition: PartitionName): StoreState | undefined {
    return this.#states.get(`${generation} ${partition}`);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#moving;
  }

  #begin(act: () => Promise<void>): void {
    this.#moving ??= act()
      .catch(this.#options.onError)
      .finally(() => void (this.#moving = undefined));
  }

  async #takeLead(known: Serving | undefined): Promise<void> {
    const pointer = known?.pointer ?? {
      partitions: this.#options.partitions(),
      serving: undefined,
      next: undefined,
    };
    await this.#put({ pointer, leader: this.#options.nodes.id, epoch: (known?.epoch ?? 0) + 1 }, known);
  }

  async #put({ pointer, leader, epoch }: Omit<Serving, 'etag'>, known: Serving | undefined): Promise<void> {
    const { store } = this.#options;
    const { partitions, serving = null, next = null } = pointer;
    const bytes = Buffer.from(JSON.stringify({ partitions, serving, next, leader, epoch }));
    const etag = await (known === undefined
      ? store.putIfAbsent(key, bytes)
      : store.putIfMatch(key, bytes, known.etag));
    if (etag === undefined) return this.#watch.refresh();
    this.#watch.known = { pointer, leader, epoch, etag };
    this.#waitsSince = undefined;
  }

  /**
   * Whether every live query process has the batch view of a generation, and every live worker can be asked for all partitions of it that it has of
   * the previous one: otherwise the death of the only ready replica would leave none. Slow processes are waited for up to `readyPatienceMs`.
   */
  #areReady(from: ViewId | undefined, to: ViewId | undefined): boolean {
    if (to === undefined) return true;
    const isReady = ({ role, views, stores }: Node): boolean => {
      if (role === 'query') return views.includes(to);
      const of = (id: ViewId | undefined) =>
        stores.find(({ generation }) => generation === id)?.partitions ?? [];
      return of(from).every((name) => of(to).includes(name));
    };
    this.#waitsSince ??= performance.now();
    return (
      this.#options.nodes.liveNodes().every(isReady) || performance.now() - this.#waitsSince > readyPatienceMs
    );
  }

  /** While a generation is being made, the leader reads how far the other workers are. */
  async #readStates(): Promise<void> {
    const { nodes, secret } = this.#options;
    const { known } = this.#watch;
    if (known?.leader !== nodes.id || known.pointer.next === undefined) return;
    const states = new Map<string, StoreState>();
    const others = nodes.liveNodes().filter(({ id, role }) => role === 'speed' && id !== nodes.id);
    const answers = await Promise.all(others.map(({ url }) => stateOf(new WorkerClient(url, secret))));
    for (const { generation, partition, next, readyAt } of answers.flat()) {
      const name = `${generation} ${partition}`;
      const best = states.get(name);
      // Among replicas the ready one that is furthest counts; answers never go back to one that is behind.
      if (best === undefined || isBetter({ next, readyAt }, best)) states.set(name, { next, readyAt });
    }
    this.#states = states;
  }
}

function isBetter(a: StoreState, b: StoreState): boolean {
  const [aIsReady, bIsReady] = [a.next >= a.readyAt, b.next >= b.readyAt];
  return aIsReady === bIsReady ? a.next > b.next : aIsReady;
}

/** The stores of a worker; none if it does not answer, so that it does not block the others. */
async function stateOf(worker: WorkerClient) {
  try {
    return (await worker.state()).stores;
  } catch (error) {
    if (hasCode(error, 'realtime.gone')) return [];
    throw error;
  }
}
