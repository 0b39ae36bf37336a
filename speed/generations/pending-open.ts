/** Partitions of a generation on their way: they are opened beside the work, and taken in between two epochs. */
import type { PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';

export interface Opened {
  /** Makes it part of the work. */
  takeIn(): Promise<void>;
  /** Instead: closes it, for it is not wanted any more. */
  close(): Promise<void>;
}

export class PendingOpen {
  readonly generation: ViewId;
  readonly partitions: readonly PartitionName[];
  readonly #cancel = new AbortController();
  readonly #done: Promise<void>;
  #outcome: { readonly opened: Opened | undefined } | { readonly error: unknown } | undefined;

  /** @param open may end early when its signal aborts, with something that is fit to be closed */
  constructor(
    generation: ViewId,
    partitions: readonly PartitionName[],
    open: (signal: AbortSignal) => Promise<Opened | undefined>,
  ) {
    this.generation = generation;
    this.partitions = partitions;
    this.#done = open(this.#cancel.signal).then(
      (opened) => void (this.#outcome = { opened }),
      (error: unknown) => void (this.#outcome = { error }),
    );
  }

  get isDone(): boolean {
    return this.#outcome !== undefined;
  }

  /** When it is done. Throws what the opening failed with. */
  async takeIn(): Promise<void> {
    if (this.#outcome === undefined) return;
    if ('error' in this.#outcome) throw this.#outcome.error;
    await this.#outcome.opened?.takeIn();
  }

  /** Resolves when nothing of it is open any more. */
  async abandon(): Promise<void> {
    this.#cancel.abort();
    await this.#done;
    if (this.#outcome !== undefined && 'opened' in this.#outcome) await this.#outcome.opened?.close();
  }
}
