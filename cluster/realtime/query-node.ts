/** A query process that reads speed workers on other hosts: finds the workers, and fetches the batch views that belong to what they serve. */
import { existsSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Config } from '../../lib/config/config.js';
import { SwaError } from '../../lib/errors/errors.js';
import { lastErrorOf } from '../../lib/process/status.js';
import type { PartitionName } from '../../log/log.js';
import { lastAnswered } from '../../facts/erasure-records.js';
import type { ViewId } from '../../facts/views/view.js';
import { holdViews } from '../../serving/held.js';
import { viewPath } from '../../serving/layout.js';
import { viewIds } from '../../serving/store.js';
import type { Store } from '../store/store.js';
import type { BucketViews } from '../views/bucket-views.js';
import { nodeOf } from './node-id.js';
import { Nodes } from './nodes.js';
import { RemoteRealtime, type Workers } from './remote-realtime.js';
import type { RemoteView } from './remote-view.js';
import { ServingWatch } from './store-pointers.js';
import { WorkerClient } from './worker-client.js';

export interface QueryNodeOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly store: Store;
  readonly views: BucketViews;
}

const pollMs = 500;
/** Minimum interval between looks that are triggered by questions. */
const minRefreshMs = 100;

export class QueryNode implements Workers {
  readonly #options: QueryNodeOptions;
  readonly #nodes: Nodes;
  readonly #watch: ServingWatch;
  readonly #realtime = new RemoteRealtime(this);
  readonly #clients = new Map<string, WorkerClient>();
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #held = '';
  #lastLogged = '';
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(options: QueryNodeOptions) {
    const { config, store } = options;
    this.#options = options;
    const url = `http://${config.httpHost}:${config.httpPort}`;
    const onError = (error: unknown): void => this.#note(error);
    this.#nodes = new Nodes({ store, own: nodeOf('query', config.dataDir, url), onError });
    this.#watch = new ServingWatch(store);
  }

  /** Throws `store.unavailable`, `store.corrupt`. */
  static async open(options: QueryNodeOptions): Promise<QueryNode> {
    const node = new QueryNode(options);
    await node.#nodes.start();
    await node.#fetchNamedViews();
    const tick = async (): Promise<void> => {
      await node.#fetchNamedViews().catch((error: unknown) => node.#announce(error));
      if (!node.#isClosed) node.#timer = setTimeout(() => void tick(), pollMs).unref();
    };
    node.#timer = setTimeout(() => void tick(), pollMs).unref();
    return node;
  }

  snapshot(): Promise<RemoteView | undefined> {
    return this.#realtime.snapshot();
  }

  serving(): { readonly generation: ViewId; readonly partitions: readonly PartitionName[] } | undefined {
    const { serving, partitions = [] } = this.#watch.known?.pointer ?? {};
    if (serving === undefined) return undefined;
    if (!existsSync(viewPath(this.#options.config.dataDir, serving)))
      throw new SwaError('speed.failed', `batch view ${serving}, which serves, is being fetched`, {
        retryable: true,
        hint: 'retry in a moment',
      });
    return { generation: serving, partitions };
  }

  holders(generation: ViewId, partition: PartitionName): readonly WorkerClient[] {
    // Includes workers whose announcement has expired: a dead worker is noticed when it is asked, and one that cannot write to the store may still
    // answer.
    return this.#nodes
      .known()
      .filter(({ role }) => role === 'speed')
      .filter(({ stores }) =>
        stores.some((one) => one.generation === generation && one.partitions.includes(partition)),
      )
      .toSorted((a, b) => a.silentMs - b.silentMs)
      .map(({ url }) => this.#client(url));
  }

  async refresh(): Promise<void> {
    if (performance.now() - this.#refreshedAt < minRefreshMs) return;
    this.#refreshedAt = performance.now();
    await Promise.all([this.#watch.refresh(), this.#nodes.refresh()]).catch((error: unknown) =>
      this.#note(error),
    );
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#realtime.close();
    await this.#nodes.close();
  }

  /** Fetches the views that the pointer names as serving and next; they need not be the newest. */
  async #fetchNamedViews(): Promise<void> {
    const { config, views } = this.#options;
    await this.#watch.refresh();
    const { serving, next } = this.#watch.known?.pointer ?? {};
    const named = [serving, next].filter((id) => id !== undefined);
    if (named.join() !== this.#held) {
      holdViews(config.dataDir, 'query-node', named);
      this.#held = named.join();
    }
    for (const id of named) if (!existsSync(viewPath(config.dataDir, id))) await views.fetch(id);
    this.#nodes.update({
      views: viewIds(config.dataDir),
      erased: lastAnswered(config.dataDir, 'host'),
      lastError: null,
    });
    this.#lastLogged = '';
  }

  #client(url: string): WorkerClient {
    const known = this.#clients.get(url);
    if (known !== undefined) return known;
    const client = new WorkerClient(url, this.#options.config.speedSecret);
    this.#clients.set(url, client);
    return client;
  }

  /** Shows an error of fetching views in the status of this node until views can be fetched again. */
  #announce(error: unknown): void {
    if (String(error) !== this.#lastLogged) this.#nodes.update({ lastError: lastErrorOf(error, Date.now()) });
    this.#note(error);
  }

  #note(error: unknown): void {
    const text = String(error);
    if (text === this.#lastLogged) return;
    this.#lastLogged = text;
    this.#options.logger.warn(
      { err: error },
      'the other hosts cannot be reached through the store; it is tried again',
    );
  }
}
