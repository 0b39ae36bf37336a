/**
 * A worker of the speed layer: updates its partitions in the serving generation and in the next one, follows its share and the pointer and, if
 * it leads (see Pointers), moves the pointer.
 *
 * The loop waits only for the log: generations and partitions are opened concurrently, while the others are kept up to date. An error means one
 * of four things: a store that cannot be trusted (it is rebuilt from the log), a generation that cannot be made (the worker waits for the next
 * batch view), a temporary problem (reported and retried), or the end of the role.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SwaError, hasCode } from '../../lib/errors/errors.js';
import { sameRules, showRules, type RulesVersions } from '../../facts/rules-versions.js';
import type { Log, Offsets, PartitionName, Share } from '../../log/log.js';
import type { BatchView, ViewId, ViewMeta } from '../../facts/views/view.js';
import { isDamagedFile } from '../../serving/checked-file.js';
import {
  emptyGeneration,
  Generation,
  removeGeneration,
  type EpochOptions,
  type GenerationOptions,
} from './generation.js';
import { limitsOf, mayTakeOver, planned, samePointer } from './hand-over.js';
import { PartitionLocks } from './partition-locks.js';
import { measureMappingError, type MappingError } from './mapping-error.js';
import { PendingOpen, type Opened } from './pending-open.js';
import { closeStores } from './open-partitions.js';
import { FilePointers, type Pointers } from './pointers.js';
import { generationIds, type Pointer } from '../store/layout.js';
import type { StoreState } from '../store/partition-store.js';

export interface WorkerOptions extends Omit<GenerationOptions, 'view' | 'signal' | 'partitions'> {
  readonly log: Log;
  /** Assigns partitions to this worker; other workers have the others. */
  readonly share: Share;
  /** Id of the published batch view. */
  readonly current: () => ViewId;
  /** Default: the files of the data directory. */
  readonly pointers?: Pointers;
  /** Throws `view.missing` if the view no longer exists. */
  readonly openView: (id: ViewId) => BatchView | Promise<BatchView>;
  /** Protects exactly these batch views from removal. Called by the worker that moves the pointer. */
  readonly holdViews: (ids: readonly ViewId[]) => void;
  /** Called after a hand-over, and about once per second. */
  readonly onProgress: (worker: SpeedWorker) => void;
  readonly onError: (error: unknown) => void;
}

/** Maximum time that an idle worker waits for records before it looks for a new batch view. */
const idleMs = 1_000;
/** Minimum time between small epochs: busy cells are then written once per epoch instead of once per pageview. */
const paceMs = 40;
const retryMs = 500;
const progressEveryMs = 1_000;

export class SpeedWorker {
  handOvers = 0;
  /** Result of the last hand-over's measurement. */
  mappingError: MappingError | undefined;
  readonly #options: WorkerOptions;
  readonly #locks: PartitionLocks;
  readonly #pointers: Pointers;
  #leads = false;
  #pointer: Pointer;
  #serving: Generation | undefined;
  #next: Generation | undefined;
  #pending: PendingOpen | undefined;
  /**
   * Generations that cannot be updated, and why: the batch view cannot be opened, is damaged or was made with other rules, or the log does not
   * reach back to it. Their stores stay unchanged until they are replaced.
   */
  readonly #unavailable = new Map<ViewId, SwaError>();
  #damagedCurrent: SwaError | undefined;
  #trouble: SwaError | undefined;
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(options: WorkerOptions) {
    const { dataDir, log, share } = options;
    this.#options = options;
    this.#locks = new PartitionLocks(dataDir, share);
    this.#pointers = options.pointers ?? new FilePointers(dataDir);
    this.#pointer = { partitions: log.partitions, serving: undefined, next: undefined };
  }

  /** Partitions that this worker has now. */
  get partitions(): readonly PartitionName[] {
    return this.#locks.names;
  }
  /** Partitions to take as soon as another worker releases them. */
  get awaited(): readonly PartitionName[] {
    return this.#locks.missing();
  }
  /** The generation that answers, and the next one. They need not be open here. */
  get pointer(): Pointer {
    return this.#pointer;
  }
  get serving(): Generation | undefined {
    return this.#serving;
  }
  get next(): Generation | undefined {
    return this.#next;
  }

  /** Why this worker has no share, or why the serving or next generation is not updated. */
  get blockingError(): SwaError | undefined {
    const unavailable = named(this.#pointer).map((id) => this.#unavailable.get(id));
    return [this.#trouble, this.#damagedCurrent, ...unavailable].find((error) => error !== undefined);
  }

  /** Works until the signal aborts. Rejects with errors it cannot continue after; its stores and locks are released then. */
  async run(signal: AbortSignal): Promise<void> {
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
    await this.#followShare();
    await this.#followPointer(signal);
    const records = await this.#advance(signal);
    if (this.#leads) this.#lead();
    if (performance.now() - this.#reportedAt >= progressEveryMs) this.#report();
    if (records >= this.#options.epochTuples) return;
    const restMs = paceMs - (performance.now() - began);
    if (restMs > 0) await sleep(restMs, undefined, { signal }).catch(ignoreAbort);
  }

  /** Runs both generations for a while, the next one first. */
  async #advance(signal: AbortSignal): Promise<number> {
    const next = this.#next;
    const serving = this.#serving;
    const waitMs = next === undefined || serving === undefined ? idleMs : 0;
    let records = 0;
    if (next !== undefined) {
      const isShared = serving !== undefined;
      records += await this.#runEpochs(next, { waitMs, limit: {}, isShared, signal });
    }
    if (serving !== undefined) {
      const limit = limitsOf(serving.positions(), this.#nextPositions(serving.partitions));
      records += await this.#runEpochs(serving, { waitMs, limit, signal });
    }
    return records;
  }

  /** Gives a generation up if its batch view turns out to be damaged. */
  async #runEpochs(generation: Generation, options: EpochOptions): Promise<number> {
    try {
      generation.requireIntact();
      return await generation.runEpochs(options);
    } catch (error) {
      if (!isDamagedFile(error)) throw error;
      if (this.#pending?.generation === generation.id) await this.#abandonPending();
      if (this.#next === generation) this.#next = undefined;
      if (this.#serving === generation) this.#serving = undefined;
      await generation.close();
      this.#giveUp(generation.id, error);
      return 0;
    }
  }

  /** Positions of the next generation on these partitions, including stores that are not open here yet. */
  #nextPositions(partitions: readonly PartitionName[]): Partial<Offsets> {
    const { next } = this.#pointer;
    if (next === undefined || this.#unavailable.has(next)) return {};
    const states = partitions.map((name) => [name, this.#stateOf(next, name)?.next] as const);
    return Object.fromEntries(states.filter(([, position]) => position !== undefined));
  }

  /** Releases partitions that left the share, and takes those that joined it and are free. */
  async #followShare(): Promise<void> {
    const trouble = this.#options.share.trouble?.();
    if (trouble !== undefined && trouble.message !== this.#trouble?.message) this.#options.onError(trouble);
    this.#trouble = trouble;
    const lost = this.#locks.surplus();
    if (lost.length > 0) await this.#letGo(lost);
    this.#locks.take();
    const leads = this.#pointers.leads(this.#locks.has(this.#options.log.partitions[0]));
    if (leads && !this.#leads) this.#beginToLead();
    this.#leads = leads;
  }

  async #letGo(lost: readonly PartitionName[]): Promise<void> {
    if (this.#pending?.partitions.some((name) => lost.includes(name)) === true) await this.#abandonPending();
    await this.#next?.drop(lost);
    await this.#serving?.drop(lost);
    this.#locks.release(lost);
    if (this.#locks.names.length === 0) await this.#closeGenerations();
  }

  /** Opens, swaps and closes generations until they match the pointer. */
  async #followPointer(signal: AbortSignal): Promise<void> {
    this.#pointer = this.#pointers.read(this.#leads) ?? this.#pointer;
    const { serving, next } = this.#pointer;
    const pending = this.#pending;
    if (pending !== undefined && pending.generation !== serving && pending.generation !== next) {
      await this.#abandonPending();
    } else if (pending?.isDone === true) {
      this.#pending = undefined;
      await pending.apply();
    }
    if (this.#serving !== undefined && this.#serving.id !== serving) {
      const over = this.#serving;
      if (this.#next !== undefined && this.#next.id === serving)
        await this.#measure(over, this.#next, signal);
      this.#serving = undefined;
      await over.destroy();
    }
    if (this.#next !== undefined && this.#next.id === serving) {
      this.#serving = this.#next;
      this.#next = undefined;
      if (!this.#pointers.areTogether) this.#sweep(undefined);
      this.handOvers++;
      this.#options.onProgress(this);
    }
    if (this.#next !== undefined && this.#next.id !== next) {
      const over = this.#next;
      this.#next = undefined;
      await over.destroy();
    }
    if (this.#pending !== undefined) return;
    for (const id of named(this.#pointer)) {
      const open = this.#generation(id)?.partitions ?? [];
      const missing = this.#locks.names.filter((name) => !open.includes(name));
      if (missing.length === 0 || this.#unavailable.has(id)) continue;
      this.#pending = new PendingOpen(id, missing, (abandoned) => this.#tryOpen(id, missing, abandoned));
      return;
    }
  }

  #generation(id: ViewId): Generation | undefined {
    return [this.#serving, this.#next].find((generation) => generation?.id === id);
  }

  /** Measures the error of the old mapping before the old generation is removed. Optional, so a failure is only reported. */
  async #measure(old: Generation, next: Generation, signal: AbortSignal): Promise<void> {
    if (!old.partitions.every((name) => next.partitions.includes(name))) return; // some partitions have only just arrived
    try {
      while ((await old.runEpochs({ waitMs: 0, limit: next.positions(), signal })) > 0);
      if (signal.aborted) return;
      this.mappingError = await measureMappingError(old, next, this.#options.lgK);
    } catch (error) {
      if (!signal.aborted) this.#options.onError(error);
    }
  }

  async #abandonPending(): Promise<void> {
    const pending = this.#pending;
    this.#pending = undefined;
    await pending?.abandon();
  }

  /** Undefined if the generation is not available. */
  async #tryOpen(
    id: ViewId,
    partitions: readonly PartitionName[],
    signal: AbortSignal,
  ): Promise<Opened | undefined> {
    try {
      return await this.#open(id, partitions, signal);
    } catch (error) {
      if (!(error instanceof SwaError) || error.code !== 'log.out-of-range') throw error;
      this.#giveUp(id, error);
      return undefined;
    }
  }

  async #open(
    id: ViewId,
    partitions: readonly PartitionName[],
    signal: AbortSignal,
  ): Promise<Opened | undefined> {
    const generation = this.#generation(id);
    if (generation !== undefined) {
      const prepared = await generation.prepare(partitions, signal);
      return { apply: () => generation.add(prepared), close: () => closeStores(prepared.stores) };
    }
    const view = await this.#openView(id);
    if (view === undefined) return undefined;
    const made = await Generation.open({ ...this.#options, partitions, view, signal });
    return {
      apply: async () => {
        if (id === this.#pointer.serving) this.#serving = made;
        else this.#next = made;
      },
      close: () => made.close(),
    };
  }

  async #openView(id: ViewId): Promise<BatchView | undefined> {
    try {
      const view = await this.#options.openView(id);
      const ours = this.#options.rules.versions;
      if (sameRules(view.meta.rules, ours)) return view;
      view.close();
      throw otherRules(view.meta, ours);
    } catch (error) {
      if (!(error instanceof SwaError) || !unfollowableCodes.has(error.code)) throw error;
      this.#giveUp(id, error);
      return undefined;
    }
  }

  #giveUp(id: ViewId, error: SwaError): void {
    this.#unavailable.set(id, error);
    this.#options.onError(error);
  }

  /** Moves the pointer if needed; restores it if it was deleted. */
  #lead(): void {
    const current = this.#current();
    if (current === undefined) return;
    const pointer = this.#withoutOtherRules(this.#pointer);
    const { serving, next } = pointer;
    const servingLives = serving !== undefined && !this.#unavailable.has(serving);
    let wanted = planned(pointer, current);
    if (wanted.next !== undefined && this.#unavailable.has(wanted.next))
      wanted = { ...wanted, next: current };
    const takesOver =
      next !== undefined &&
      wanted.next === next &&
      !this.#unavailable.has(next) &&
      this.#pending === undefined && // the next generation must be running here, not only on disk
      mayTakeOver(pointer, servingLives, (id, name) => this.#stateOf(id, name));
    if (takesOver) wanted = { ...wanted, serving: next, next: undefined };
    const stored = this.#pointers.stored();
    if (stored !== undefined && samePointer(stored, wanted)) return;
    if (this.#movePointer(wanted) && takesOver) this.#sweep(serving); // workers that still use the old generation remove their own stores
  }

  /** A generation made with other rules must not serve: then only the batch view answers. */
  #withoutOtherRules(pointer: Pointer): Pointer {
    const { serving } = pointer;
    const isOfOthers = serving !== undefined && this.#unavailable.get(serving)?.code === 'view.other-rules';
    return isOfOthers ? { ...pointer, serving: undefined } : pointer;
  }

  /** The published batch view; undefined while CURRENT is damaged, and open generations continue. */
  #current(): ViewId | undefined {
    try {
      const current = this.#options.current();
      this.#damagedCurrent = undefined;
      return current;
    } catch (error) {
      if (!hasCode(error, 'view.corrupt')) throw error;
      if (this.#damagedCurrent === undefined) this.#options.onError(error); // report it once
      this.#damagedCurrent = error;
      return undefined;
    }
  }

  /** Holds all views that the pointer named or will name while it moves, so that readers always find its batch views. */
  #movePointer(to: Pointer): boolean {
    const { holdViews } = this.#options;
    holdViews([...new Set([...named(this.#pointer), ...named(to)])]);
    if (!this.#pointers.write(to)) return false;
    this.#pointer = to;
    holdViews(named(to));
    return true;
  }

  #stateOf(id: ViewId, partition: PartitionName): StoreState | undefined {
    const ours = [this.#next, this.#serving].find((generation) => generation?.id === id);
    return ours?.stateOf(partition) ?? this.#pointers.stateOf(id, partition);
  }

  /** Removes generations that the pointer does not name. */
  #sweep(but: ViewId | undefined): void {
    const { serving, next } = this.#pointer;
    for (const id of generationIds(this.#options.dataDir)) {
      if (id !== serving && id !== next && id !== but) removeGeneration(this.#options.dataDir, id);
    }
  }

  #beginToLead(): void {
    const { log } = this.#options;
    const stored = this.#pointers.stored();
    this.#pointer = stored ?? { partitions: log.partitions, serving: this.#lostServing(), next: undefined };
    this.#options.holdViews(named(this.#pointer));
    if (stored === undefined) this.#rebuildAll();
  }

  /**
   * Without a pointer it is unknown what was answered: all stores are rebuilt from the log. The folder of the generation to serve stays, empty,
   * until the pointer names it: without either, queries and the next start would take it that nothing has ever served.
   */
  #rebuildAll(): void {
    const { dataDir } = this.#options;
    const { serving } = this.#pointer;
    if (serving !== undefined) emptyGeneration(dataDir, serving);
    for (const id of generationIds(dataDir)) if (id !== serving) removeGeneration(dataDir, id);
    if (serving !== undefined) this.#movePointer(this.#pointer);
  }

  /**
   * The view to serve if the pointer was lost although there were generations: the current view, whose stores are rebuilt and answer only from
   * the present end of the log on. So queries wait, and no answer goes back to the batch view alone. Undefined if nothing has ever served.
   */
  #lostServing(): ViewId | undefined {
    const { dataDir } = this.#options;
    return generationIds(dataDir).length > 0 ? this.#current() : undefined;
  }

  async #recover(problem: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const damaged = hasCode(problem, 'realtime.corrupt', 'view.corrupt');
    if (!damaged && !(problem instanceof SwaError && problem.retryable)) throw problem;
    this.#options.onError(problem);
    if (damaged) await this.#closeGenerations();
    await sleep(retryMs, undefined, { signal }).catch(ignoreAbort);
  }

  async #closeGenerations(): Promise<void> {
    await this.#abandonPending();
    await this.#next?.close();
    await this.#serving?.close();
    this.#next = undefined;
    this.#serving = undefined;
  }

  async #close(): Promise<void> {
    await this.#closeGenerations();
    this.#locks.release(this.#locks.names);
  }

  #report(): void {
    this.#reportedAt = performance.now();
    this.#options.onProgress(this);
  }
}

/** Errors of a batch view that will not go away: the worker waits for the next view. */
const unfollowableCodes: ReadonlySet<string> = new Set(['view.missing', 'view.corrupt', 'view.other-rules']);

function otherRules({ id, rules }: ViewMeta, ours: RulesVersions): SwaError {
  return new SwaError(
    'view.other-rules',
    `batch view ${id} was made with rules ${showRules(rules)}, but new facts are counted with rules ${showRules(ours)}`,
    { hint: 'the batch role requested a run when it started; `swa batch run` starts one now' },
  );
}

function named({ serving, next }: Pointer): ViewId[] {
  return [serving, next].filter((id) => id !== undefined);
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error;
}
