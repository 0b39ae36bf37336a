/** Erasing on each host of a shared system: the copies in its data directory go, then it says so. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { eraseHere, removeOldStores, whileErasing } from '../../batch/erase-here.js';
import { recordRequested, type SharedErasing } from '../../batch/erasing.js';
import {
  saveAnswer,
  readAnswer,
  lastAnswered,
  readOrder,
  withFiles,
  type ErasedFile,
  type ErasureOrder,
} from '../../facts/erasure-records.js';
import { compareViewIds } from '../../facts/views/view-id.js';
import type { ViewId } from '../../facts/views/view.js';
import type { Config } from '../../lib/config/config.js';
import { removeScratch } from '../../lib/files/removal.js';
import type { Clock } from '../../lib/time/clock.js';
import { namesIn } from '../../log/stored.js';
import { fetchingDir as fetchedFacts } from '../../master-data/layout.js';
import type { PinnedSnapshot } from '../../master-data/pins.js';
import { currentIfAny } from '../../serving/current.js';
import { fetchingDir as fetchedViews } from '../../serving/layout.js';
import { holdsErasures } from '../../serving/store.js';
import type { BucketMaster } from '../master/bucket-master.js';
import { expireMs, readNodes } from '../realtime/nodes.js';
import { readServing } from '../realtime/store-pointers.js';
import type { Store } from '../store/store.js';
import type { BucketViews } from '../views/bucket-views.js';
import type { BucketErasures } from './bucket-erasures.js';

export interface HostErasingOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly store: Store;
  readonly master: BucketMaster;
  readonly views: BucketViews;
  readonly erasures: BucketErasures;
  readonly fetchFacts: (what: string) => Promise<PinnedSnapshot>;
}

/** What is being fetched for longer was left by a process that was killed. */
const leftAfterMs = 3_600_000;

export class HostErasing implements SharedErasing {
  readonly url: string;
  readonly #options: HostErasingOptions;

  constructor(options: HostErasingOptions) {
    this.#options = options;
    this.url = options.store.url;
  }

  exchange(): Promise<void> {
    return this.#options.erasures.exchange();
  }

  fetchFacts(what: string): Promise<PinnedSnapshot> {
    return this.#options.fetchFacts(what);
  }

  saveOrder(order: ErasureOrder): Promise<void> {
    return this.#options.erasures.saveOrder(order);
  }

  async removeViewsBefore(id: ViewId, onRemoval: (paths: readonly string[]) => void): Promise<boolean> {
    const { store, views } = this.#options;
    const serving = (await readServing(store))?.pointer.serving;
    const hasWorkers = (await this.#living()).some(({ role }) => role === 'speed');
    if (hasWorkers && serving !== undefined && compareViewIds(serving, id) < 0) return false;
    await views.removeBefore(id, onRemoval);
    return true;
  }

  async hostsWithout(orderId: string): Promise<readonly string[]> {
    const late = (await this.#living()).filter(({ erased }) => erased !== orderId);
    return late.map(({ role, host, url }) => `${role} on ${host} (${url})`);
  }

  async carryOutHere(): Promise<boolean> {
    const { dataDir } = this.#options.config;
    const order = readOrder(dataDir);
    if (order === undefined || readAnswer(dataDir, order, 'master')?.isDone !== true) return false;
    if (!(await this.#options.master.dropReplaced())) return false;
    if (![fetchedFacts(dataDir), fetchedViews(dataDir)].every(removeLeft)) return false;
    const files = readAnswer(dataDir, order, 'host')?.files ?? [];
    saveAnswer(dataDir, 'host', { id: order.id, isDone: true, files });
    return true;
  }

  /** Does what is left to do on this host, for who follows the views that serve; call it again and again. */
  async advance(): Promise<void> {
    const { config, clock } = this.#options;
    const { dataDir } = config;
    await recordRequested(config, clock);
    await this.exchange();
    const order = readOrder(dataDir);
    const current = currentIfAny(dataDir);
    if (order === undefined || current === undefined) return;
    if (lastAnswered(dataDir, 'host') === order.id || !holdsErasures(dataDir, current, order.values)) return;
    const note = (_what: string, more: readonly ErasedFile[]): void => {
      const files = withFiles(readAnswer(dataDir, order, 'host')?.files ?? [], more);
      saveAnswer(dataDir, 'host', { id: order.id, isDone: false, files });
    };
    await whileErasing(dataDir, async () => {
      if (!removeOldStores(dataDir, current)) return false;
      return eraseHere({ dataDir, order, current, note }) && this.carryOutHere();
    });
  }

  async #living() {
    return (await readNodes(this.#options.store)).filter(({ silentMs }) => silentMs <= expireMs);
  }
}

/** Removes what killed processes have left where files are fetched to. Returns false if something may still be fetched. */
function removeLeft(dir: string): boolean {
  return namesIn(dir).every((name) => {
    const path = join(dir, name);
    const at = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    if (at === undefined) return true;
    if (at >= Date.now() - leftAfterMs) return false;
    removeScratch(path);
    return true;
  });
}
