/**
 * The speed layer of a history: real generations over the log, in simulated time. What its worker does by and by is done
 * here step by step, with the worker's own decisions about hand-overs.
 */
import { rmSync } from 'node:fs';
import type { Config } from '../../lib/config/config.js';
import { SwaError } from '../../lib/errors/errors.js';
import type { Rules } from '../../facts/rules.js';
import { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { namesOf, offsetAt } from '../../log/cut.js';
import { offset, type Log, type Offsets } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';
import { openView } from '../../serving/store.js';
import { Generation } from '../../speed/generations/generation.js';
import { limitsOf, mayTakeOver, planned } from '../../speed/generations/hand-over.js';
import { CommitThread, type Commit } from '../../speed/store/commit-thread.js';
import { storeDir, writePointer, type Pointer } from '../../speed/store/layout.js';
import type { Seen } from './seen.js';

const stalled = 'no commit goes through';

/** A commit thread that can be told to refuse, as when its disk does not answer. */
export class StallingCommits extends CommitThread {
  #left = Number.POSITIVE_INFINITY;

  stallAfter(commits: number): void {
    this.#left = commits;
  }

  override async commit(commit: Commit): Promise<void> {
    if (this.#left <= 0) throw new SwaError('speed.failed', stalled, { retryable: true });
    this.#left--;
    return super.commit(commit);
  }
}

export interface SpeedSideOptions {
  readonly config: Config;
  readonly log: Log;
  readonly rules: Rules;
  readonly epochTuples: number;
  readonly commits: StallingCommits;
  readonly seen: Seen;
  /** Called when something new may be seen, as queries do at any moment. */
  readonly onProgress: () => void;
}

export class SpeedSide {
  readonly #options: SpeedSideOptions;
  readonly #open = new Map<ViewId, Generation>();
  /** Of processes that died: nothing of them was closed in order. */
  readonly #dead: Generation[] = [];
  #pointer: Pointer;
  /** Of a process: a new one has another key. */
  #hash = new KeyedHash();
  #boots = 1;

  constructor(options: SpeedSideOptions) {
    this.#options = options;
    this.#pointer = { partitions: options.log.partitions, serving: undefined, next: undefined };
  }

  get serving(): ViewId | undefined {
    return this.#pointer.serving;
  }

  /**
   * A worker's turn: the next generation first, then the one that serves, which may not pass it; each up to so many records
   * of each partition (all unless told). Then, if it may be, the next one takes over. `current` is the published batch view.
   */
  async advance(current: ViewId, records: readonly number[] = []): Promise<void> {
    this.#movePointer(planned(this.#pointer, current));
    const { serving, next } = this.#pointer;
    if (next !== undefined) await this.#bringIn(await this.#generation(next), records, {});
    if (serving !== undefined) {
      const generation = await this.#generation(serving);
      const ahead = next === undefined ? {} : (await this.#generation(next)).positions();
      await this.#bringIn(generation, records, limitsOf(generation.positions(), ahead));
    }
    this.#options.onProgress();
    if (!mayTakeOver(this.#pointer, true, (id, partition) => this.#open.get(id)?.stateOf(partition))) return;
    this.#movePointer({ ...this.#pointer, serving: next, next: undefined });
    this.#options.onProgress();
    const over = serving === undefined ? undefined : this.#open.get(serving);
    if (serving === undefined || over === undefined) return;
    this.#open.delete(serving);
    await over.destroy();
    this.#options.seen.handOvers++;
  }

  /** A turn in which only so many commits go through. The process may die of it: what it had in memory is lost. */
  async stall(commits: number, dies: boolean, current: ViewId): Promise<void> {
    this.#options.commits.stallAfter(commits);
    try {
      await this.advance(current);
    } catch (error) {
      if (!(error instanceof SwaError && error.message === stalled)) throw error;
      this.#options.seen.stalledEpochs++;
    } finally {
      this.#options.commits.stallAfter(Number.POSITIVE_INFINITY);
    }
    if (!dies) return;
    this.#dead.push(...this.#open.values());
    this.#open.clear();
    this.#hash = new KeyedHash();
    this.#options.seen.crashes++;
  }

  /** Ends in order; the next turn starts it again. After a reboot it trusts no store. */
  async restart(reboot: boolean): Promise<void> {
    await this.stop();
    if (reboot) this.#boots++;
    this.#hash = new KeyedHash();
    this.#options.seen.restarts++;
  }

  /** A dead process holds no files either: whoever makes a store anew in their place must not meet them. */
  async stop(): Promise<void> {
    for (const generation of [...this.#open.values(), ...this.#dead.splice(0)]) await generation.close();
    this.#open.clear();
  }

  /** Deletes a store of the generation that serves, or of the next one. */
  async lose(ofNext: boolean, partition: number): Promise<void> {
    const { config, log, seen } = this.#options;
    const id = ofNext ? this.#pointer.next : this.#pointer.serving;
    const name = log.partitions[partition];
    if (id === undefined || name === undefined) return;
    await this.stop();
    rmSync(storeDir(config.dataDir, id, name), { recursive: true, force: true });
    seen.losses++;
  }

  async #bringIn(
    generation: Generation,
    records: readonly number[],
    limits: Partial<Offsets>,
  ): Promise<void> {
    const end = await this.#options.log.latest();
    const positions = generation.positions();
    const limit = Object.fromEntries(
      namesOf(end).map((name, i) => {
        const most = Math.min(offsetAt(end, name), limits[name] ?? Number.POSITIVE_INFINITY);
        return [
          name,
          offset(Math.min(most, offsetAt(positions, name) + (records[i] ?? Number.POSITIVE_INFINITY))),
        ];
      }),
    );
    while ((await generation.runEpochs({ waitMs: 0, limit })) > 0);
  }

  async #generation(id: ViewId): Promise<Generation> {
    const open = this.#open.get(id);
    if (open !== undefined) return open;
    const { config, log, rules, epochTuples, commits } = this.#options;
    const { dataDir, lgK, dedupWindow } = config;
    const generation = await Generation.open({
      dataDir,
      log,
      rules,
      clock: () => 0,
      lgK,
      dedupWindow,
      epochTuples,
      bootId: `boot ${this.#boots}`,
      commits,
      hash: this.#hash,
      partitions: log.partitions,
      view: openView(dataDir, id),
    });
    this.#open.set(id, generation);
    return generation;
  }

  #movePointer(to: Pointer): void {
    this.#pointer = to;
    writePointer(this.#options.config.dataDir, to);
  }
}
