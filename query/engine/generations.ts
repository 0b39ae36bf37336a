/**
 * Which generation answers. A request pins one batch view together with the realtime view that starts at exactly its
 * cut, and reads nothing else until it lets go; a hand-over in between changes only what later requests pin.
 *
 * The speed layer's serving pointer names the generation, since it moves only when the realtime view has caught up. The
 * newest batch view alone answers when there is no realtime view, or when it alone holds everything the pair does
 * (the speed layer was down longer than a batch run takes). Between the two, what is chosen never goes back behind
 * the last answer's cut as long as one of them reaches it.
 *
 * A batch view that was made by other rules than ours (`merges` says no) is merged with nothing: while it is the current one it
 * answers alone, even though an answer's cut goes back then.
 *
 * Requests that come within some milliseconds share one pin: looking at the pointers and taking a snapshot costs more than
 * a short answer does.
 */
import { SwaError, hasCode } from '../../lib/errors/errors.js';
import { reaches } from '../../log/cut.js';
import type { Cut } from '../../log/log.js';
import type { BatchView, RealtimeView, ViewId, ViewMeta } from '../../facts/views/view.js';
import type { LayerName } from '../bodies.js';

/** The serving layer's side: which view is current, and how to open one. */
export interface BatchViews {
  current(): ViewId;
  /** Throws `view.missing` when there is no such view (any more). */
  open(id: ViewId): BatchView;
}

/** The speed layer's side. */
export interface RealtimeViews {
  /** One consistent state of the realtime view that serves now; undefined when there is none. */
  snapshot(): RealtimeView | undefined | Promise<RealtimeView | undefined>;
}

/** A generation as one request sees it. */
export interface PinnedGeneration {
  readonly batch: BatchView;
  readonly realtime: RealtimeView | undefined;
  /** Exactly the facts before it are in the answer. */
  readonly cut: Cut;
  /** Equal strings, equal answers. */
  readonly version: string;
  /** Only where it is one layer alone (layers.ts). */
  readonly layer?: LayerName;
}

/** Reads of moving pointers are repeated at most this often before giving up. */
const maxAttempts = 5;

/** How long a pin is given to further requests. Small against the second in which a fact becomes visible. */
export const shareMs = 20;

interface Shared {
  readonly generation: PinnedGeneration;
  pins: number;
  /** No longer given out: let go of with the last pin. */
  retired: boolean;
  /** Let go of. */
  isOver: boolean;
}

interface OpenView {
  readonly view: BatchView;
  pins: number;
}

export class Generations {
  readonly #batches: BatchViews;
  readonly #realtimes: RealtimeViews;
  readonly #merges: (batch: ViewMeta) => boolean;
  readonly #open = new Map<ViewId, OpenView>();
  readonly #shared = new Map<PinnedGeneration, Shared>();
  #newest: Shared | undefined;
  /** On its way, for all who want it. */
  #taking: Promise<Shared> | undefined;
  #lastCut: Cut | undefined;

  /** @param merges whether a batch view may be merged with new facts */
  constructor(
    batches: BatchViews,
    realtimes: RealtimeViews,
    merges: (batch: ViewMeta) => boolean = () => true,
  ) {
    this.#batches = batches;
    this.#realtimes = realtimes;
    this.#merges = merges;
  }

  /** Pins the generation that answers now. Every pin is followed by one `unpin`. Throws `view.missing`. */
  async pin(): Promise<PinnedGeneration> {
    let shared = this.#newest;
    // One that was taken for several may be over when the last of them has its turn.
    while (shared === undefined || shared.isOver) shared = this.#newest ?? (await this.#takeForAll());
    shared.pins++;
    return shared.generation;
  }

  unpin(generation: PinnedGeneration): void {
    const shared = this.#shared.get(generation);
    if (shared === undefined) throw new SwaError('internal.invariant', 'unpinned more often than pinned');
    shared.pins--;
    this.#letGo(shared);
  }

  /** Stops sharing: the next pin looks at the pointers. */
  forget(): void {
    if (this.#newest !== undefined) this.#retire(this.#newest);
  }

  close(): void {
    this.forget();
    for (const { view } of this.#open.values()) view.close();
    this.#open.clear();
  }

  #share(generation: PinnedGeneration): Shared {
    const shared: Shared = { generation, pins: 0, retired: false, isOver: false };
    this.#shared.set(generation, shared);
    this.#newest = shared;
    setTimeout(() => this.#retire(shared), shareMs).unref();
    return shared;
  }

  #retire(shared: Shared): void {
    if (shared.retired) return;
    shared.retired = true;
    if (this.#newest === shared) this.#newest = undefined;
    this.#letGo(shared);
  }

  #letGo(shared: Shared): void {
    if (!shared.retired || shared.pins > 0) return;
    shared.isOver = true;
    const { generation } = shared;
    this.#shared.delete(generation);
    generation.realtime?.release();
    const open = this.#open.get(generation.batch.meta.id);
    if (open !== undefined) open.pins--;
  }

  #takeForAll(): Promise<Shared> {
    this.#taking ??= this.#take()
      .then((generation) => this.#share(generation))
      .finally(() => void (this.#taking = undefined));
    return this.#taking;
  }

  async #take(): Promise<PinnedGeneration> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#pinOnce();
      } catch (error) {
        const moved = hasCode(error, 'view.missing');
        if (!moved || attempt >= maxAttempts) throw error;
      }
    }
  }

  async #pinOnce(): Promise<PinnedGeneration> {
    const realtime = await this.#realtimes.snapshot();
    let chosen: PinnedGeneration;
    try {
      chosen = this.#choose(realtime);
    } catch (error) {
      realtime?.release();
      throw error;
    }
    if (chosen.realtime === undefined) realtime?.release();
    const open = this.#open.get(chosen.batch.meta.id);
    if (open === undefined) throw new SwaError('internal.invariant', 'a chosen view is not open');
    open.pins++;
    this.#lastCut = chosen.cut;
    this.#closeUnused(chosen.batch.meta.id);
    return chosen;
  }

  #choose(realtime: RealtimeView | undefined): PinnedGeneration {
    const current = this.#view(this.#batches.current());
    const merges = this.#merges(current.meta);
    const alone = generationOf(current, undefined, merges);
    const pair = realtime === undefined || !merges ? undefined : this.#pairOf(realtime);
    if (pair === undefined) return alone;
    if (current === pair.batch) return pair;
    if (!reaches(alone.cut.next, pair.cut.next) && this.#notBehind(pair)) return pair;
    return this.#notBehind(alone) ? alone : pair;
  }

  /**
   * The pair a realtime view belongs to; undefined when its batch view was removed in the meantime, cannot be opened (it is
   * damaged, or of an earlier version), or is not to be merged.
   */
  #pairOf(realtime: RealtimeView): PinnedGeneration | undefined {
    try {
      const batch = this.#view(realtime.generation);
      return this.#merges(batch.meta) ? generationOf(batch, realtime) : undefined;
    } catch (error) {
      if (hasCode(error, 'view.missing', 'view.corrupt')) return undefined;
      throw error;
    }
  }

  #notBehind(candidate: PinnedGeneration): boolean {
    const last = this.#lastCut;
    return last === undefined || last.logId !== candidate.cut.logId || reaches(candidate.cut.next, last.next);
  }

  #view(id: ViewId): BatchView {
    const known = this.#open.get(id);
    if (known !== undefined) return known.view;
    const view = this.#batches.open(id);
    this.#open.set(id, { view, pins: 0 });
    return view;
  }

  #closeUnused(except: ViewId): void {
    if (this.#open.size <= 2) return;
    for (const [id, { view, pins }] of this.#open) {
      if (pins > 0 || id === except) continue;
      this.#open.delete(id);
      view.close();
    }
  }
}

function generationOf(batch: BatchView, realtime: RealtimeView | undefined, merges = true): PinnedGeneration {
  const cut = realtime?.cut ?? batch.meta.cut;
  const offsets = Object.values(cut.next).map((next) => next.toString(36));
  const kind = realtime !== undefined ? '.r' : merges ? '' : '.o';
  const version = `${batch.meta.id}.${offsets.join('.')}${kind}`;
  return { batch, realtime, cut, version };
}
