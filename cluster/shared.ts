/**
 * What several hosts share through an object store (SWA_STORE), opened for one data directory. Each role gets its part from here: the master dataset,
 * batch views, and, with SWA_SPEED_SECRET, speed workers and realtime views of other hosts.
 */
import type { Logger } from 'pino';
import type { Config } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import type { Clock } from '../lib/time/clock.js';
import type { ViewMeta } from '../facts/views/view.js';
import { readableEnd } from '../log/cut.js';
import { openLog } from '../log/open-log.js';
import { pinSnapshot, type PinnedSnapshot } from '../master-data/pins.js';
import type { OpenCoordination } from '../speed/role.js';
import type { QueryNode } from './realtime/query-node.js';
import { BucketErasures } from './erasures/bucket-erasures.js';
import { HostErasing } from './erasures/host-erasing.js';
import { awaitFacts } from './master/await-facts.js';
import { BucketMaster } from './master/bucket-master.js';
import { openStore } from './store/open-store.js';
import type { Store } from './store/store.js';
import { BucketViews } from './views/bucket-views.js';
import { startFollower, type Follower } from './views/follower.js';

export interface SharedOptions {
  readonly config: Config;
  readonly clock: Clock;
}

/** Opens the store that the configuration names. Throws `store.unusable`, `store.unavailable`. */
export async function openShared(options: SharedOptions): Promise<Shared> {
  return new Shared(options, await openStore(options.config));
}

export class Shared {
  readonly master: BucketMaster;
  readonly views: BucketViews;
  readonly erasing: HostErasing;
  readonly #options: SharedOptions;
  readonly #store: Store;

  constructor(options: SharedOptions, store: Store) {
    const { dataDir, cacheBytes, batchKeepViews: keep } = options.config;
    const { clock } = options;
    this.#options = options;
    this.#store = store;
    this.master = new BucketMaster({ dataDir, store, cacheBytes, clock });
    this.views = new BucketViews({ dataDir, store, keep, clock });
    const { master, views } = this;
    const erasures = new BucketErasures(dataDir, store);
    const fetchFacts = async (what: string): Promise<PinnedSnapshot> => {
      await master.pull();
      return this.fetchFacts(what);
    };
    this.erasing = new HostErasing({
      config: options.config,
      clock,
      store,
      master,
      views,
      erasures,
      fetchFacts,
    });
  }

  /**
   * Prepares a batch run: fetches the serving view, waits until sinks have stored what the log holds now (or make no more progress), and fetches all
   * data files. They stay in the data directory until `release`.
   */
  async prepare(signal?: AbortSignal): Promise<PinnedSnapshot> {
    const { config, clock } = this.#options;
    const { dataDir } = config;
    openDataDir(config);
    await this.erasing.exchange(); // the run must know erased ids by the key of all hosts
    await this.views.follow();
    const log = await openLog(config, clock);
    try {
      const atLeast = await readableEnd(log);
      const patienceMs = 2 * config.sinkIntervalMs + 10_000;
      await awaitFacts({ dataDir, atLeast, patienceMs, pull: () => this.master.pull(), signal });
    } finally {
      await log.close();
    }
    return this.fetchFacts('batch run');
  }

  /** Pins the newest snapshot known in the data directory and fetches all its files. They stay until `release`. */
  async fetchFacts(what: string): Promise<PinnedSnapshot> {
    const pinned = pinSnapshot(this.#options.config.dataDir, what);
    try {
      await this.master.fetchSnapshot(pinned.snapshot);
      return pinned;
    } catch (error) {
      pinned.release();
      throw error;
    }
  }

  publish(meta: ViewMeta): Promise<void> {
    return this.views.publish(meta);
  }

  /** Fetches the serving view into the data directory now, and follows later publications until closed. */
  follow(logger: Logger): Promise<Follower> {
    openDataDir(this.#options.config, (text) => logger.warn(text));
    return startFollower({
      dataDir: this.#options.config.dataDir,
      views: this.views,
      logger,
      clock: this.#options.clock,
      alsoDo: () => this.erasing.advance(),
    });
  }

  /** What a speed worker needs to be read from other hosts; undefined without SWA_SPEED_SECRET, when only processes of its data directory read it. */
  speedNode(logger: Logger): OpenCoordination | undefined {
    const { config } = this.#options;
    if (config.speedSecret === '') return undefined;
    const options = { config, logger, store: this.#store, views: this.views };
    return async (log, closers) =>
      (await import('./realtime/speed-node.js')).openSpeedNode(options, log, closers);
  }

  /** The realtime view of the speed workers on all hosts; undefined without SWA_SPEED_SECRET, when the one of the data directory is read. */
  async realtime(logger: Logger): Promise<QueryNode | undefined> {
    const { config } = this.#options;
    if (config.speedSecret === '') return undefined;
    const { QueryNode: node } = await import('./realtime/query-node.js');
    return node.open({ config, logger, store: this.#store, views: this.views });
  }

  close(): void {
    this.#store.close();
  }
}
