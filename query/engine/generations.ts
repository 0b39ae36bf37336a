/**
 * Chooses the generation that answers. A request pins one batch view together with the realtime view that starts at exactly its cut, and reads
 * only these until it unpins them; a hand-over in between affects only later requests.
 *
 * The speed layer's pointer names the generation, because it moves only when the realtime view has caught up. The newest batch view answers
 * alone if there is no realtime view, or if it alone includes everything that the pair does (the speed layer was down longer than a batch run
 * takes). The choice between the two never goes back behind the cut of the last answer as long as one of them reaches it.
 *
 * A batch view made with other rules than ours (`merges` returns false) is merged with nothing: while it is the current one it answers alone,
 * even if that makes the cut go back.
 *
 * Requests within some milliseconds share one pin: reading the pointers and taking a snapshot costs more than a short answer.
 */
import { SwaError, hasCode } from '../../lib/errors/errors.js';
import { reaches } from '../../log/cut.js';
import type { Cut } from '../../log/log.js';
import type { BatchView, RealtimeView, ViewId, ViewMeta } from '../../facts/views/view.js';
import type { LayerName } from '../bodies.js';

/** The serving layer: the current view, and opening of views. */
export interface BatchViews {
  current(): ViewId;
  /** Throws `view.missing` if the view does not exist (any more). */
  open(id: ViewId): BatchView;
}

/** The speed layer. */
export interface RealtimeViews {
  /** A consistent snapshot of the serving realtime view; undefined if there is none. */
  snapshot(): RealtimeView | undefined | Promise<RealtimeView | undefined>;
}

/** A generation as one request sees it. */
export interface PinnedGeneration {
  readonly batch: BatchView;
  readonly realtime: RealtimeView | undefined;
  /** The answer includes exactly the facts before this cut. */
  readonly cut: Cut;
  /** Equal versions give equal answers. */
  readonly version: string;
  /** Set if only one layer answers (layers.ts). */
  readonly layer?: LayerName;
}

/** Maximum number of tries when pointers move while they are read. */
const maxAttempts = 5;

/** How long a pin is shared with further requests; short compared with the second in which a fact becomes visible. */
export const shareMs = 20;

interface Shared {
  readonly generation: PinnedGeneration;
  pins: number;
  /** No longer shared: released with the last pin. */
  retired: boolean;
  /** Released. */
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
  /** The pin being taken, for all that wait for it. */
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

  /** Pins the current generation. Each pin needs one `unpin`. Throws `view.missing`. */
  async pin(): Promise<PinnedGeneration> {
    let shared = this.#newest;
    // A pin taken for several requests may be released before the last of them continues.
    while (shared === undefined || shared.isOver) shared = this.#newest ?? (await this.#takeForAll());
    shared.pins++;
    return shared.generation;
  }

  unpin(generation: PinnedGeneration): void {
    const shared = this.#shared.get(generation);
    if (shared === undefined) throw new SwaError('internal.invariant', 'unpinned more often than pinned');
    shared.pins--;
    this.#releaseUnused(shared);
  }

  /** Stops sharing: the next pin reads the pointers. */
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
    this.#releaseUnused(shared);
  }

  #releaseUnused(shared: Shared): void {
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
   * The pair that a realtime view belongs to; undefined if its batch view was removed in the meantime, cannot be opened (damaged, or of an
   * earlier version), or must not be merged.
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
