/**
 * How speed workers on different hosts coordinate. This replaces the files that workers of one data directory share: workers announce themselves in
 * the object store, the pointer is an object there, and an HTTP endpoint lets query processes on other hosts read the stores.
 */
import type { Logger } from 'pino';
import type { Config } from '../../lib/config/config.js';
import { hasCode } from '../../lib/errors/errors.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { OwnerLock } from '../../lib/files/owner-lock.js';
import type { Closers } from '../../lib/process/closers.js';
import type { LastError } from '../../lib/process/status.js';
import type { Log, PartitionName, Share } from '../../log/log.js';
import type { ShareGroup } from '../../log/share.js';
import { lastAnswered } from '../../facts/erasure-records.js';
import type { BatchView, ViewId } from '../../facts/views/view.js';
import { currentIfAny } from '../../serving/current.js';
import { holdViews } from '../../serving/held.js';
import { openView } from '../../serving/store.js';
import type { SpeedWorker } from '../../speed/generations/worker.js';
import type { SpeedCoordination } from '../../speed/role.js';
import { join } from 'node:path';
import type { Store } from '../store/store.js';
import type { BucketViews } from '../views/bucket-views.js';
import { nodeOf } from './node-id.js';
import { Nodes } from './nodes.js';
import { RealtimeServer } from './server.js';
import { StorePointers } from './store-pointers.js';
import type { StateAnswer } from './wire.js';

export interface SpeedNodeOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly store: Store;
  readonly views: BucketViews;
}

/**
 * Starts the endpoint, the announcement and the pointer; the closers stop them when the worker has ended. Throws `port.in-use`, `data-dir.in-use`,
 * `store.unavailable`.
 */
export async function openSpeedNode(
  options: SpeedNodeOptions,
  log: Pick<Log, 'partitions'>,
  closers: Closers,
): Promise<SpeedCoordination> {
  const { config, logger, store, views } = options;
  const { dataDir, lgK, speedHost: host, speedPort: port, speedSecret: secret } = config;
  const lock = OwnerLock.acquire(
    join(roomOf(dataDir, 'locks'), 'speed-node.lock'),
    'speed worker of this host',
  );
  closers.add(() => lock.release());
  holdViews(dataDir, 'speed', []); // of a time before this host had a worker that others read
  await publishFirst(views, dataDir);
  const node = new SpeedNode(options, log);
  const server = await RealtimeServer.start({
    dataDir,
    host,
    port,
    secret,
    lgK,
    logger,
    holds: (generation, partition) => node.holds(generation, partition),
    state: () => node.state(),
  });
  closers.add(() => server.close());
  const shownHost = host.includes(':') ? `[${host}]` : host;
  const url = config.speedUrl === '' ? `http://${shownHost}:${server.port}` : config.speedUrl;
  await node.start(
    new Nodes({ store, own: nodeOf('speed', dataDir, url), onError: (error) => node.note(error) }),
  );
  closers.add(() => node.close());
  return node;
}

/** If no view was published to all hosts yet, publishes the one from which this worker starts, because query processes need it beside the stores. */
async function publishFirst(views: BucketViews, dataDir: string): Promise<void> {
  if ((await views.follow()) !== undefined) return;
  const current = currentIfAny(dataDir);
  if (current === undefined) return;
  const view = openView(dataDir, current);
  try {
    await views.publish(view.meta);
  } catch (error) {
    if (!hasCode(error, 'view.refused')) throw error;
    await views.follow(); // another worker was first
  } finally {
    view.close();
  }
}

class SpeedNode implements SpeedCoordination {
  readonly among: ShareGroup;
  readonly #options: SpeedNodeOptions;
  readonly #log: Pick<Log, 'partitions'>;
  #nodes: Nodes | undefined;
  #pointers: StorePointers | undefined;
  #worker: SpeedWorker | undefined;
  #held = '';
  #lastLogged = '';

  constructor(options: SpeedNodeOptions, log: Pick<Log, 'partitions'>) {
    this.#options = options;
    this.#log = log;
    this.among = { home: options.store.url, replicas: options.config.speedReplicas };
  }

  async start(nodes: Nodes): Promise<void> {
    const { store, config } = this.#options;
    this.#nodes = nodes;
    await nodes.start();
    this.#pointers = new StorePointers({
      store,
      nodes,
      secret: config.speedSecret,
      partitions: () => this.#log.partitions,
      onError: (error) => this.note(error),
    });
    await this.#pointers.start();
  }

  get pointers(): StorePointers {
    if (this.#pointers === undefined) throw new TypeError('used before it was started');
    return this.#pointers;
  }

  /** Logs an error unless it repeats the last one. */
  note(error: unknown): void {
    const text = String(error);
    if (text === this.#lastLogged) return;
    this.#lastLogged = text;
    this.#options.logger.warn(
      { err: error },
      'the other hosts cannot be reached through the store; it is tried again',
    );
  }

  share(ofLog: Share): Share {
    const { speedReplicas } = this.#options.config;
    return new StickyShare(ofLog, speedReplicas, (partition) => this.#holdersOf(partition));
  }

  async openView(id: ViewId): Promise<BatchView> {
    const { views, config } = this.#options;
    this.#hold([...this.#named(), id]);
    await views.fetch(id);
    return openView(config.dataDir, id);
  }

  taken(): readonly string[] {
    return this.#others().flatMap(({ stores }) => stores.flatMap(({ partitions }) => partitions));
  }

  progress(worker: SpeedWorker, lastError: LastError | null): void {
    this.#worker = worker;
    this.#hold(this.#named());
    const stores = [worker.next, worker.serving].flatMap((generation) => {
      if (generation === undefined) return [];
      const partitions = generation.partitions.filter((name) => {
        const state = generation.stateOf(name);
        return state !== undefined && state.next >= state.readyAt;
      });
      return [{ generation: generation.id, partitions }];
    });
    const erased = lastAnswered(this.#options.config.dataDir, 'host');
    this.#nodes?.update({ stores, erased, lastError });
  }

  holds(id: ViewId, partition: PartitionName): boolean {
    const generations = [this.#worker?.serving, this.#worker?.next];
    return generations.find((generation) => generation?.id === id)?.stateOf(partition) !== undefined;
  }

  /** The next generation comes first: when it is as far as the serving one, it stays so (hand-over.ts). */
  state(): StateAnswer {
    const stores = [this.#worker?.next, this.#worker?.serving].flatMap((generation) =>
      (generation?.partitions ?? []).flatMap((partition) => {
        const state = generation?.stateOf(partition);
        return generation === undefined || state === undefined
          ? []
          : [{ generation: generation.id, partition, ...state }];
      }),
    );
    return { stores };
  }

  async close(): Promise<void> {
    await this.#pointers?.close();
    await this.#nodes?.close();
  }

  #named(): ViewId[] {
    const { serving, next } = this.#pointers?.serving?.pointer ?? {};
    return [serving, next].filter((id) => id !== undefined);
  }

  #hold(ids: readonly ViewId[]): void {
    if (ids.join() === this.#held) return;
    this.#held = ids.join();
    holdViews(this.#options.config.dataDir, 'speed-node', ids);
  }

  #others() {
    const nodes = this.#nodes;
    return nodes?.liveNodes().filter(({ id, role }) => role === 'speed' && id !== nodes.id) ?? [];
  }

  /** How many other workers can be asked for a partition of the serving generation; Infinity if none serves. */
  #holdersOf(partition: PartitionName): number {
    const serving = this.#pointers?.serving?.pointer.serving;
    if (serving === undefined) return Infinity;
    return this.#others().filter(({ stores }) =>
      stores.some(({ generation, partitions }) => generation === serving && partitions.includes(partition)),
    ).length;
  }
}

/**
 * A share that keeps a partition until `replicas` other workers can be asked for it. Each worker has stores of its own, so a worker that was just
 * assigned a partition must first read the log, and a current holder may just have died. A worker that loses contact with the log's group, and so has
 * no share, keeps its partitions as well. An additional holder does no harm.
 */
export class StickyShare implements Share {
  readonly kind = 'moving';
  readonly #ofLog: Share;
  readonly #replicas: number;
  readonly #holdersOf: (partition: PartitionName) => number;
  #had: readonly PartitionName[] = [];

  /** @param holdersOf how many other workers can be asked for a partition */
  constructor(ofLog: Share, replicas: number, holdersOf: (partition: PartitionName) => number) {
    this.#ofLog = ofLog;
    this.#replicas = replicas;
    this.#holdersOf = holdersOf;
  }

  partitions(): readonly PartitionName[] {
    const given = this.#ofLog.partitions();
    const kept = this.#had.filter((name) => !given.includes(name) && this.#holdersOf(name) < this.#replicas);
    this.#had = kept.length === 0 ? given : [...given, ...kept];
    return this.#had;
  }

  trouble() {
    return this.#ofLog.trouble?.();
  }

  leave(): Promise<void> {
    return this.#ofLog.leave();
  }
}
