/**
 * Resolves waiting edges: equiv facts and retractions after the batch view's cut, which the next batch run will apply. Computes which persons
 * they join and how else they can change an answer. They come with the realtime view's snapshot, are resolved with the mapping of its batch
 * view, and the result is kept from one snapshot to the next, so that each edge is read once. Many new edges do not delay an answer for long:
 * those not read yet count as if they concerned everyone, and are read in the background.
 */
import type { BatchView, RealtimeView, ViewId } from '../../facts/views/view.js';
import type { Generations, PinnedGeneration } from '../engine/generations.js';
import type { Pace } from '../engine/pace.js';
import type { Slack } from '../arrays/exposure.js';
import { EdgeState } from './edge-state.js';
import { LiveIdentity } from './live-identity.js';
import { RewriteIndex } from '../arrays/rewrite-index.js';
import { SlotIndex } from '../arrays/slot-index.js';

/** Maximum time of reading edges before yielding to the event loop. */
const sliceMs = 8;
/** Maximum time that answers wait for edges being read in the background, from the start of the reading. */
const patienceMs = 250;
/** The serving batch view and its successor. */
const viewsKept = 2;

export class WaitingEdges {
  readonly #generations: Generations;
  readonly #resolved = new Map<ViewId, ResolvedEdges>();
  readonly #known = new WeakMap<PinnedGeneration, LiveIdentity>();
  /** `performance.now()` at the start of background work; undefined if there is none. */
  #buildsSince: number | undefined;
  #isClosed = false;

  constructor(generations: Generations) {
    this.#generations = generations;
  }

  /** The identity for a pinned generation; always the same object for the same generation. */
  async of(generation: PinnedGeneration, pace: Pace): Promise<LiveIdentity> {
    const known = this.#known.get(generation);
    if (known !== undefined) return known;
    const resolved = this.#resolvedOf(generation.batch);
    // Only one reader at a time: many answers reading one slice each would block the event loop.
    if (!this.isBuilding) await resolved.readOn(generation, performance.now() + sliceMs);
    if (!resolved.hasRead(generation) || resolved.wantsIndex) this.#build();
    const waitsUntil = (this.#buildsSince ?? 0) + patienceMs;
    while (!resolved.hasRead(generation) && performance.now() < waitsUntil) await pace.rest();
    const identity = this.#known.get(generation) ?? resolved.identityOf(generation);
    this.#known.set(generation, identity);
    return identity;
  }

  /** False if a later answer of the same generation would know more about edges. */
  isFinal(generation: PinnedGeneration): boolean {
    return this.#known.get(generation)?.isFinal ?? true;
  }

  /** Whether edges are being read or indexed in the background. */
  get isBuilding(): boolean {
    return this.#buildsSince !== undefined;
  }

  close(): void {
    this.#isClosed = true;
  }

  #resolvedOf({ meta }: BatchView): ResolvedEdges {
    const known = this.#resolved.get(meta.id);
    if (known !== undefined) return known;
    const resolved = new ResolvedEdges();
    this.#resolved.set(meta.id, resolved);
    const [oldest] = this.#resolved.keys();
    if (this.#resolved.size > viewsKept && oldest !== undefined) this.#resolved.delete(oldest);
    return resolved;
  }

  /** Reads and indexes in the background, slice by slice, for the generation that is current at the time. */
  #build(): void {
    if (this.isBuilding) return;
    this.#buildsSince = performance.now();
    const goOn = async (): Promise<void> => {
      // The next answer meets the same error, and throws it.
      const isDone = this.#isClosed || (await this.#buildSlice().catch(() => true));
      if (isDone) this.#buildsSince = undefined;
      else setImmediate(() => void goOn()).unref();
    };
    setImmediate(() => void goOn()).unref();
  }

  /** True if nothing is left to do. */
  async #buildSlice(): Promise<boolean> {
    const generation = await this.#generations.pin();
    try {
      const resolved = this.#resolvedOf(generation.batch);
      const deadline = performance.now() + sliceMs;
      return (
        (await resolved.readOn(generation, deadline)) && resolved.indexOn(generation.batch.meta, deadline)
      );
    } finally {
      this.#generations.unpin(generation);
    }
  }
}

/** Up to this number of persons, or this fraction of all, may be checked one by one; more are indexed. */
const smallPersonCount = 4_096;
const smallPart = 1 / 256;

/** The edges after one batch view's cut. */
export class ResolvedEdges {
  readonly #state = new EdgeState();
  /** Numbers of edges of the last snapshot that was read completely. */
  #read = { equivs: 0, retractions: 0 };
  #index: SlotIndex | undefined;
  #rewrites: RewriteIndex | undefined;
  #indexing: Generator<undefined, void> | undefined;
  #reading: Promise<boolean> | undefined;

  /** Reads the edges of a snapshot that earlier ones did not have. False if time ran out first. */
  async readOn({ batch, realtime }: PinnedGeneration, deadline: number): Promise<boolean> {
    // Blocks are taken in order: one call reads at a time, and the next one continues after it.
    while (this.#reading !== undefined) await this.#reading.catch(() => undefined);
    if (realtime === undefined || this.hasRead({ realtime })) return true;
    this.#reading = this.#readBlocks(batch, realtime, deadline);
    try {
      return await this.#reading;
    } finally {
      this.#reading = undefined;
    }
  }

  async #readBlocks(batch: BatchView, realtime: RealtimeView, deadline: number): Promise<boolean> {
    for await (const block of realtime.edges(this.#state.now.next)) {
      this.#state.add(block, batch);
      if (performance.now() >= deadline) return false;
    }
    this.#read = edgesOf({ realtime });
    return true;
  }

  /** Whether all stored edges before a generation's cut have been read. */
  hasRead(generation: Pick<PinnedGeneration, 'realtime'>): boolean {
    const { equivs, retractions } = edgesOf(generation);
    return equivs <= this.#read.equivs && retractions <= this.#read.retractions;
  }

  /** The identity from the edges before a generation's cut that have been read; unread edges count as if they concerned everyone. */
  identityOf(generation: PinnedGeneration): LiveIdentity {
    const at = this.#state.at(generation.cut.next);
    const all = edgesOf(generation);
    const rest = slackOf(
      all.equivs - at.equivs,
      all.retractions - at.retractions,
      generation.batch.meta.maxPersonIds,
    );
    const isFinal = this.hasRead(generation);
    return new LiveIdentity({
      batch: generation.batch,
      state: this.#state,
      at,
      rest,
      isFinal,
      index: this.#index,
      rewrites: this.#rewrites,
    });
  }

  get wantsIndex(): boolean {
    const { count } = this.#state.groups;
    const few = Math.max(smallPersonCount, count * smallPart);
    return count - (this.#index?.count ?? 0) > few || (this.#rewrites?.changes ?? 0) > 4 * few;
  }

  /** Indexes the persons. False if time ran out first. */
  indexOn({ lgK, maxPersonIds }: BatchView['meta'], deadline: number): boolean {
    while (this.#indexing !== undefined || this.wantsIndex) {
      if (performance.now() >= deadline) return false;
      this.#indexing ??= this.#makeIndexes(lgK, maxPersonIds);
      if (this.#indexing.next().done === true) this.#indexing = undefined;
    }
    return true;
  }

  *#makeIndexes(lgK: number, maxIds: number): Generator<undefined, void> {
    const { groups } = this.#state;
    this.#rewrites = yield* RewriteIndex.build(groups, maxIds);
    this.#index = yield* SlotIndex.build(groups, lgK);
  }
}

/** Numbers of edges between the batch view's cut and the generation's cut. */
function edgesOf({ realtime }: Pick<PinnedGeneration, 'realtime'>): {
  readonly equivs: number;
  readonly retractions: number;
} {
  return {
    equivs: realtime?.equivsAfterBatchCut ?? 0,
    retractions: realtime?.retractionsAfterBatchCut ?? 0,
  };
}

/**
 * Possible effect of edges of which only the numbers are known. An equiv fact joins at most two people into one, and a retraction splits one
 * into at most two. With a cap of ids per person, two people with that many ids each can be split into all of their ids when they are joined,
 * and be joined again when they are split.
 */
function slackOf(equivs: number, retractions: number, maxPersonIds: number): Slack {
  const maxSplits = maxPersonIds === 0 ? 0 : 2 * (maxPersonIds - 1);
  return {
    overcount: equivs + retractions * maxSplits,
    undercount: retractions + equivs * maxSplits,
  };
}
