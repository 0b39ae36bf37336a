/**
 * One worker of the speed layer: works on its partitions in the serving generation and in the next one, follows the
 * pointer, and, if it works on the first partition, moves the pointer.
 *
 * The loop never waits for anything but the log: a generation that is being opened opens beside it, and the serving
 * generation keeps up meanwhile. What fails is either a store that cannot be trusted (it is made again from the log),
 * something that may pass (reported, tried again), or the end of the role.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { OwnerLock } from '../lib/files/owner-lock.js';
import { SwaError } from '../lib/errors.js';
import type { Log, PartitionName } from '../lib/log/log.js';
import type { BatchView, ViewId } from '../lib/views/view.js';
import { Generation, removeGeneration, type GenerationOptions } from './generation.js';
import { limitsOf, mayTakeOver, planned, samePointer } from './hand-over.js';
import {
  generationIds,
  lockPath,
  readPointer,
  storeDir,
  writePointer,
  type Pointer,
} from './store/layout.js';
import { measureMappingError, type MappingError } from './mapping-error.js';
import { readStanding, type Standing } from './store/partition-store.js';

export interface WorkerOptions extends Omit<GenerationOptions, 'view' | 'signal' | 'partitions'> {
  readonly log: Log;
  /** How many workers there are, and which one this is, from 0. */
  readonly workers: number;
  readonly worker: number;
  /** The published batch view. */
  readonly current: () => ViewId;
  /** Throws `view.missing` for one that is no longer there. */
  readonly openView: (id: ViewId) => BatchView;
  /** Keeps these batch views, and no others, from being removed. Asked of the worker that moves the pointer. */
  readonly holdViews: (ids: readonly ViewId[]) => void;
  /** Told after a hand-over, and about twice a second. */
  readonly onProgress: (worker: SpeedWorker) => void;
  readonly onError: (error: unknown) => void;
}

/** How long an idle worker sleeps in the log before it looks around. */
const idleMs = 50;
/** Small epochs are gathered to at most one in this time: busy cells are then written once, not once per pageview. */
const paceMs = 40;
const retryMs = 500;
const progressEveryMs = 500;

export class SpeedWorker {
  readonly partitions: readonly PartitionName[];
  handOvers = 0;
  /** What the last hand-over showed. */
  mappingError: MappingError | undefined;
  readonly #options: WorkerOptions;
  readonly #locks: OwnerLock[] = [];
  readonly #leads: boolean;
  #pointer: Pointer;
  #serving: Generation | undefined;
  #next: Generation | undefined;
  #opening:
    { readonly id: ViewId; readonly done: Promise<void>; readonly cancel: AbortController } | undefined;
  #openingFailed: unknown;
  /** Generations whose batch view cannot be opened (any more): their stores stand still until they are replaced. */
  readonly #unavailable = new Set<ViewId>();
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(options: WorkerOptions) {
    const { log, workers, worker } = options;
    this.#options = options;
    this.partitions = log.partitions.filter((_name, i) => i % workers === worker);
    this.#leads = worker === 0;
    this.#pointer = { partitions: log.partitions, serving: undefined, next: undefined };
  }

  /** The generation that answers, and the one that is being made; ours only when it is open. */
  get pointer(): Pointer {
    return this.#pointer;
  }
  get serving(): Generation | undefined {
    return this.#serving;
  }
  get next(): Generation | undefined {
    return this.#next;
  }

  /** Works until the signal aborts. Rejects with what it cannot go on with; its stores and locks are given back then. */
  async run(signal: AbortSignal): Promise<void> {
    this.#takePartitions();
    try {
      while (!signal.aborted) {
        try {
          await this.#step(signal);
        } catch (error) {
          await this.#recover(error, signal);
        }
      }
    } finally {
      await this.#close();
    }
  }

  async #step(signal: AbortSignal): Promise<void> {
    const began = performance.now();
    await this.#follow();
    const records = await this.#advance(signal);
    if (this.#leads) this.#lead();
    if (this.#options.clock() - this.#reportedAt >= progressEveryMs) this.#report();
    if (records >= this.#options.epochTuples) return;
    const restMs = paceMs - (performance.now() - began);
    if (restMs > 0) await sleep(restMs, undefined, { signal }).catch(ignoreAbort);
  }

  /** Both generations one epoch on, the next one first. */
  async #advance(signal: AbortSignal): Promise<number> {
    const next = this.#next;
    const serving = this.#serving;
    const waitMs = next === undefined || serving === undefined ? idleMs : 0;
    let records = 0;
    if (next !== undefined) {
      next.requireSound();
      records += await next.runEpoch({ waitMs, limit: {}, isShared: serving !== undefined, signal });
    }
    if (serving !== undefined) {
      serving.requireSound();
      const limit = limitsOf(serving.positions(), next?.positions());
      records += await serving.runEpoch({ waitMs, limit, signal });
    }
    return records;
  }

  /** Brings what is open into line with the pointer. */
  async #follow(): Promise<void> {
    if (!this.#leads) this.#pointer = readPointer(this.#options.dataDir) ?? this.#pointer;
    const { serving, next } = this.#pointer;
    if (this.#serving !== undefined && this.#serving.id !== serving) {
      const over = this.#serving;
      if (this.#next !== undefined && this.#next.id === serving) await this.#measure(over, this.#next);
      this.#serving = undefined;
      await over.destroy();
    }
    if (this.#next !== undefined && this.#next.id === serving) {
      this.#serving = this.#next;
      this.#next = undefined;
      this.handOvers++;
      this.#options.onProgress(this);
    }
    if (this.#next !== undefined && this.#next.id !== next) {
      const over = this.#next;
      this.#next = undefined;
      await over.destroy();
    }
    if (this.#opening !== undefined && this.#opening.id !== serving && this.#opening.id !== next) {
      this.#opening.cancel.abort();
    }
    if (this.#opening !== undefined) return;
    if (this.#openingFailed !== undefined) {
      const error = this.#openingFailed;
      this.#openingFailed = undefined;
      throw error;
    }
    const missing = [
      this.#serving === undefined ? serving : undefined,
      this.#next === undefined ? next : undefined,
    ].find((id) => id !== undefined && !this.#unavailable.has(id));
    if (missing !== undefined) this.#beginOpening(missing);
  }

  /** Before the old generation goes: what its mapping cost. Nothing depends on it, so a failure is only reported. */
  async #measure(old: Generation, next: Generation): Promise<void> {
    try {
      while ((await old.runEpoch({ waitMs: 0, limit: next.positions() })) > 0);
      this.mappingError = await measureMappingError(old, next, this.#options.lgK);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  #beginOpening(id: ViewId): void {
    const cancel = new AbortController();
    const done = this.#open(id, cancel.signal)
      .catch((error: unknown) => void (this.#openingFailed = error))
      .finally(() => void (this.#opening = undefined));
    this.#opening = { id, done, cancel };
  }

  async #open(id: ViewId, signal: AbortSignal): Promise<void> {
    let view: BatchView;
    try {
      view = this.#options.openView(id);
    } catch (error) {
      if (!(error instanceof SwaError) || (error.code !== 'view.missing' && error.code !== 'view.corrupt'))
        throw error;
      this.#unavailable.add(id);
      this.#options.onError(error);
      return;
    }
    const generation = await Generation.open({ ...this.#options, partitions: this.partitions, view, signal });
    if (signal.aborted) await generation.close();
    else if (id === this.#pointer.serving) this.#serving = generation;
    else this.#next = generation;
  }

  /** Moves the pointer when it should be elsewhere; puts it back when somebody deleted it. */
  #lead(): void {
    const { dataDir, current } = this.#options;
    const { serving, next } = this.#pointer;
    const servingLives = serving !== undefined && !this.#unavailable.has(serving);
    let wanted = planned(this.#pointer, current());
    if (wanted.next !== undefined && this.#unavailable.has(wanted.next))
      wanted = { ...wanted, next: current() };
    const takesOver =
      wanted.next === next &&
      mayTakeOver(this.#pointer, servingLives, (id, name) => this.#standing(id, name));
    if (takesOver) wanted = { ...wanted, serving: next, next: undefined };
    const stored = pointerIfSound(dataDir);
    if (stored !== undefined && samePointer(stored, wanted)) return;
    this.#movePointer(wanted);
    if (takesOver) this.#sweep(serving); // who still works in the old one removes his stores himself
  }

  /** Whoever reads the pointer must find its batch views: all that it named or will name are held while it moves. */
  #movePointer(to: Pointer): void {
    const { dataDir, holdViews } = this.#options;
    holdViews([...new Set([...named(this.#pointer), ...named(to)])]);
    writePointer(dataDir, to);
    this.#pointer = to;
    holdViews(named(to));
  }

  #standing(id: ViewId, partition: PartitionName): Standing | undefined {
    const ours = [this.#next, this.#serving].find((generation) => generation?.id === id);
    return ours?.standing(partition) ?? readStanding(storeDir(this.#options.dataDir, id, partition));
  }

  /** Removes generations that the pointer does not name. */
  #sweep(but: ViewId | undefined): void {
    const { serving, next } = this.#pointer;
    for (const id of generationIds(this.#options.dataDir)) {
      if (id !== serving && id !== next && id !== but) removeGeneration(this.#options.dataDir, id);
    }
  }

  #takePartitions(): void {
    const { dataDir, log } = this.#options;
    try {
      for (const name of this.partitions) {
        this.#locks.push(OwnerLock.acquire(lockPath(dataDir, name), `the speed worker of ${name}`));
      }
    } catch (error) {
      for (const lock of this.#locks) lock.release();
      throw error;
    }
    if (!this.#leads) return;
    // Without a pointer nobody knows what was answered: whatever stores there are, they are made again from the log.
    this.#pointer = pointerIfSound(dataDir) ?? {
      partitions: log.partitions,
      serving: undefined,
      next: undefined,
    };
    this.#options.holdViews(named(this.#pointer));
    this.#sweep(undefined);
  }

  async #recover(problem: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const damaged = problem instanceof SwaError && problem.code === 'view.corrupt';
    if (!damaged && !(problem instanceof SwaError && problem.retryable)) throw problem;
    this.#options.onError(problem);
    if (damaged) await this.#closeGenerations();
    await sleep(retryMs, undefined, { signal }).catch(ignoreAbort);
  }

  async #closeGenerations(): Promise<void> {
    this.#opening?.cancel.abort();
    await this.#opening?.done;
    await this.#next?.close();
    await this.#serving?.close();
    this.#next = undefined;
    this.#serving = undefined;
  }

  async #close(): Promise<void> {
    await this.#closeGenerations();
    for (const lock of this.#locks) lock.release();
  }

  #report(): void {
    this.#reportedAt = this.#options.clock();
    this.#options.onProgress(this);
  }
}

function named({ serving, next }: Pointer): ViewId[] {
  return [serving, next].filter((id) => id !== undefined);
}

function pointerIfSound(dataDir: string): Pointer | undefined {
  try {
    return readPointer(dataDir);
  } catch (error) {
    if (error instanceof SwaError && error.code === 'view.corrupt') return undefined;
    throw error;
  }
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error;
}
