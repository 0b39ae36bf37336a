/**
 * Equiv facts and retractions that came after the batch view's cut wait for the next batch run. Here it is worked out whom
 * they join, and what else they can do to an answer. They come with the realtime view's snapshot, are resolved over the mapping of its batch view, and
 * what they led to is kept from one snapshot to the next, so that each edge is read once. Many new ones do not hold up
 * an answer for long: those that have not been read yet count as if they were about everybody, and are read in the
 * background.
 */
import type { BatchView, RealtimeView, ViewId } from '../../facts/views/view.js';
import type { Generations, PinnedGeneration } from '../engine/generations.js';
import type { Pace } from '../engine/pace.js';
import type { Slack } from '../arrays/exposure.js';
import { EdgeState } from './edge-state.js';
import { LiveIdentity } from './live-identity.js';
import { RewriteIndex } from '../arrays/rewrite-index.js';
import { SlotIndex } from '../arrays/slot-index.js';

/** How long edges are read until others get their turn. */
const sliceMs = 8;
/** When edges are read in the background, answers wait so long for that, counted from its beginning. */
const patienceMs = 250;
/** A batch view and the one that follows it. */
const viewsKept = 2;

export class WaitingEdges {
  readonly #generations: Generations;
  readonly #resolved = new Map<ViewId, ResolvedEdges>();
  readonly #known = new WeakMap<PinnedGeneration, LiveIdentity>();
  /** `performance.now()` when it began; undefined while nothing is read or indexed in the background. */
  #buildsSince: number | undefined;
  #isClosed = false;

  constructor(generations: Generations) {
    this.#generations = generations;
  }

  /** What the edges of a pinned generation can do: for one generation always the same. */
  async of(generation: PinnedGeneration, pace: Pace): Promise<LiveIdentity> {
    const known = this.#known.get(generation);
    if (known !== undefined) return known;
    const resolved = this.#resolvedOf(generation.batch);
    // One reads for all: many answers at once, a slice each, would hold up the event loop.
    if (!this.isBuilding) await resolved.readOn(generation, performance.now() + sliceMs);
    if (!resolved.hasRead(generation) || resolved.wantsIndex) this.#build();
    const waitsUntil = (this.#buildsSince ?? 0) + patienceMs;
    while (!resolved.hasRead(generation) && performance.now() < waitsUntil) await pace.rest();
    const identity = this.#known.get(generation) ?? resolved.identityOf(generation);
    this.#known.set(generation, identity);
    return identity;
  }

  /** False when an answer of the generation would say more about edges if it were asked for again later. */
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

  /** Reads and indexes in the background, slice by slice, for whatever generation answers at the time. */
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

  /** True when there is no more to do. */
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

/** Up to so many persons, or to this part of all, are looked at one by one; where there are more they are indexed. */
const smallPersonCount = 4_096;
const smallPart = 1 / 256;

/** The edges after one batch view's cut. */
export class ResolvedEdges {
  readonly #state = new EdgeState();
  /** The edges of the last snapshot that was read to its end. */
  #read = { equivs: 0, retractions: 0 };
  #index: SlotIndex | undefined;
  #rewrites: RewriteIndex | undefined;
  #indexing: Generator<undefined, void> | undefined;
  #reading: Promise<boolean> | undefined;

  /** Reads those edges of a snapshot that earlier ones did not have. False when time is up before all are read. */
  async readOn({ batch, realtime }: PinnedGeneration, deadline: number): Promise<boolean> {
    // Blocks are taken in order: one reads at a time, and who comes later finds what it has read.
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

  /** Whether all edges before a generation's cut have been read, as many as are kept. */
  hasRead(generation: Pick<PinnedGeneration, 'realtime'>): boolean {
    const { equivs, retractions } = edgesOf(generation);
    return equivs <= this.#read.equivs && retractions <= this.#read.retractions;
  }

  /** What the edges before a generation's cut can do, as far as they have been read; the others count for everybody. */
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

  /** Indexes the persons there are. False when time is up before that is done. */
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

/** How many edges lie between the cut of the batch view and that of the generation. */
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
 * What edges can do of which no more is known than how many there are. An equiv fact joins at most two people into one,
 * and a retraction takes one apart into two at most. Under a cap of ids a person, two people of that many ids each can come
 * apart into all of their ids when they are joined, and be joined again when they are taken apart.
 */
function slackOf(equivs: number, retractions: number, maxPersonIds: number): Slack {
  const comingApart = maxPersonIds === 0 ? 0 : 2 * (maxPersonIds - 1);
  return {
    overcount: equivs + retractions * comingApart,
    undercount: retractions + equivs * comingApart,
  };
}
