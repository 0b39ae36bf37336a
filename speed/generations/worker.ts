/**
 * One worker of the speed layer: works on its partitions in the serving generation and in the next one, follows its share
 * and the pointer, and, as long as it has the first partition, moves the pointer.
 *
 * The loop never waits for anything but the log: what is being opened opens beside it, be it a generation or partitions
 * that have come to us, and the rest keeps up meanwhile. What fails is either a store that cannot be trusted (it is rebuilt from the log),
 * a generation that cannot be made (the next batch view is waited for), something that may pass (reported, tried again), or
 * the end of the role.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SwaError, hasCode } from '../../lib/errors/errors.js';
import { sameRules, showRules, type RulesVersions } from '../../facts/rules-versions.js';
import type { Log, Offsets, PartitionName, Share } from '../../log/log.js';
import type { BatchView, ViewId, ViewMeta } from '../../facts/views/view.js';
import { isDamagedFile } from '../../serving/checked-file.js';
import { Generation, removeGeneration, type EpochOptions, type GenerationOptions } from './generation.js';
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
  /** Which partitions to work on; the other workers have the others. */
  readonly share: Share;
  /** The published batch view. */
  readonly current: () => ViewId;
  /** The files of the data directory by default. */
  readonly pointers?: Pointers;
  /** Throws `view.missing` for one that is no longer there. */
  readonly openView: (id: ViewId) => BatchView | Promise<BatchView>;
  /** Keeps these batch views, and no others, from being removed. Asked of the worker that moves the pointer. */
  readonly holdViews: (ids: readonly ViewId[]) => void;
  /** Told after a hand-over, and about once a second. */
  readonly onProgress: (worker: SpeedWorker) => void;
  readonly onError: (error: unknown) => void;
}

/** How long an idle worker sleeps in the log, which wakes it when there is more, before it looks around for a new batch view. */
const idleMs = 1_000;
/** Small epochs are gathered to at most one in this time: busy cells are then written once, not once per pageview. */
const paceMs = 40;
const retryMs = 500;
const progressEveryMs = 1_000;

export class SpeedWorker {
  handOvers = 0;
  /** What the last hand-over showed. */
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
   * Generations whose batch view cannot be opened (any more), is damaged or was made by other rules than ours, or that the
   * log does not reach back to, and why: their stores stand still until they are replaced.
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

  /** Ours to work on now. */
  get partitions(): readonly PartitionName[] {
    return this.#locks.names;
  }
  /** Partitions to take as soon as another worker releases them. */
  get awaited(): readonly PartitionName[] {
    return this.#locks.missing();
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

  /** Why we have no share, or the generation that is to answer, or to be made, is not worked on. */
  get obstacle(): SwaError | undefined {
    const unavailable = named(this.#pointer).map((id) => this.#unavailable.get(id));
    return [this.#trouble, this.#damagedCurrent, ...unavailable].find((error) => error !== undefined);
  }

  /** Works until the signal aborts. Rejects with what it cannot continue with; its stores and locks are given back then. */
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
    await this.#followPointer();
    const records = await this.#advance(signal);
    if (this.#leads) this.#lead();
    if (performance.now() - this.#reportedAt >= progressEveryMs) this.#report();
    if (records >= this.#options.epochTuples) return;
    const restMs = paceMs - (performance.now() - began);
    if (restMs > 0) await sleep(restMs, undefined, { signal }).catch(ignoreAbort);
  }

  /** Both generations a while on, the next one first. */
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

  /** A generation whose batch view turns out to be damaged is given up. */
  async #runEpochs(generation: Generation, options: EpochOptions): Promise<number> {
    try {
      generation.requireSound();
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

  /** How far the next generation is on these partitions; in stores of it, too, that we have not opened yet. */
  #nextPositions(partitions: readonly PartitionName[]): Partial<Offsets> {
    const { next } = this.#pointer;
    if (next === undefined || this.#unavailable.has(next)) return {};
    const states = partitions.map((name) => [name, this.#stateOf(next, name)?.next] as const);
    return Object.fromEntries(states.filter(([, position]) => position !== undefined));
  }

  /** Lets go of what is not ours any more, and takes what is and has come free. */
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

  /** Brings what is open into line with the pointer. */
  async #followPointer(): Promise<void> {
    this.#pointer = this.#pointers.read(this.#leads) ?? this.#pointer;
    const { serving, next } = this.#pointer;
    const pending = this.#pending;
    if (pending !== undefined && pending.generation !== serving && pending.generation !== next) {
      await this.#abandonPending();
    } else if (pending?.isDone === true) {
      this.#pending = undefined;
      await pending.takeIn();
    }
    if (this.#serving !== undefined && this.#serving.id !== serving) {
      const over = this.#serving;
      if (this.#next !== undefined && this.#next.id === serving) await this.#measure(over, this.#next);
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
      this.#pending = new PendingOpen(id, missing, (signal) => this.#tryOpen(id, missing, signal));
      return;
    }
  }

  #generation(id: ViewId): Generation | undefined {
    return [this.#serving, this.#next].find((generation) => generation?.id === id);
  }

  /** Before the old generation goes: what its mapping cost. Nothing depends on it, so a failure is only reported. */
  async #measure(old: Generation, next: Generation): Promise<void> {
    if (!old.partitions.every((name) => next.partitions.includes(name))) return; // some have only just come to us
    try {
      while ((await old.runEpochs({ waitMs: 0, limit: next.positions() })) > 0);
      this.mappingError = await measureMappingError(old, next, this.#options.lgK);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  async #abandonPending(): Promise<void> {
    const pending = this.#pending;
    this.#pending = undefined;
    await pending?.abandon();
  }

  /** undefined for a generation that is not available. */
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
      return { takeIn: () => generation.add(prepared), close: () => closeStores(prepared.stores) };
    }
    const view = await this.#openView(id);
    if (view === undefined) return undefined;
    const made = await Generation.open({ ...this.#options, partitions, view, signal });
    return {
      takeIn: async () => {
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
      if (!(error instanceof SwaError) || !unfollowable.has(error.code)) throw error;
      this.#giveUp(id, error);
      return undefined;
    }
  }

  #giveUp(id: ViewId, error: SwaError): void {
    this.#unavailable.set(id, error);
    this.#options.onError(error);
  }

  /** Moves the pointer when it should be elsewhere; puts it back when someone deleted it. */
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
      this.#pending === undefined && // what takes over is at work here, not only on disk
      mayTakeOver(pointer, servingLives, (id, name) => this.#stateOf(id, name));
    if (takesOver) wanted = { ...wanted, serving: next, next: undefined };
    const stored = this.#pointers.stored();
    if (stored !== undefined && samePointer(stored, wanted)) return;
    if (this.#movePointer(wanted) && takesOver) this.#sweep(serving); // who still works in the old one removes his stores himself
  }

  /** What was counted by other rules answers no more: the batch view does so alone. */
  #withoutOtherRules(pointer: Pointer): Pointer {
    const { serving } = pointer;
    const isOfOthers = serving !== undefined && this.#unavailable.get(serving)?.code === 'view.other-rules';
    return isOfOthers ? { ...pointer, serving: undefined } : pointer;
  }

  /** The published batch view; undefined while CURRENT is damaged: what is open goes on meanwhile. */
  #current(): ViewId | undefined {
    try {
      const current = this.#options.current();
      this.#damagedCurrent = undefined;
      return current;
    } catch (error) {
      if (!hasCode(error, 'view.corrupt')) throw error;
      if (this.#damagedCurrent === undefined) this.#options.onError(error); // told once
      this.#damagedCurrent = error;
      return undefined;
    }
  }

  /** A reader of the pointer must find its batch views: all that it named or will name are held while it moves. */
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
    const { dataDir, log } = this.#options;
    const stored = this.#pointers.stored();
    this.#pointer = stored ?? { partitions: log.partitions, serving: this.#lostServing(), next: undefined };
    this.#options.holdViews(named(this.#pointer));
    // Without a pointer no one knows what was answered: whatever stores there are, they are rebuilt from the log.
    if (stored === undefined) for (const id of generationIds(dataDir)) removeGeneration(dataDir, id);
  }

  /**
   * What is to serve when the pointer was lost while there were generations: the current view, whose stores are rebuilt and
   * answer only from where the log ends now. So questions wait, and no answer goes back to the batch view alone. Undefined
   * where nothing has ever served.
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

/** Errors of a batch view that stays as it is: the next one is waited for. */
const unfollowable: ReadonlySet<string> = new Set(['view.missing', 'view.corrupt', 'view.other-rules']);

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
