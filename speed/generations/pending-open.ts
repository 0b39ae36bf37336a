/** Partitions that are being opened concurrently with other work, to be added between two epochs. */
import type { PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';

export interface Opened {
  /** Adds what was opened to the work. */
  apply(): Promise<void>;
  /** Closes what was opened, if it is no longer wanted. */
  close(): Promise<void>;
}

export class PendingOpen {
  readonly generation: ViewId;
  readonly partitions: readonly PartitionName[];
  readonly #cancel = new AbortController();
  readonly #done: Promise<void>;
  #outcome: { readonly opened: Opened | undefined } | { readonly error: unknown } | undefined;

  /** @param open may return early if its signal aborts, with a result that can only be closed */
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

  /** Adds the result; no-op if it is not done. Throws the error of the opening. */
  async apply(): Promise<void> {
    if (this.#outcome === undefined) return;
    if ('error' in this.#outcome) throw this.#outcome.error;
    await this.#outcome.opened?.apply();
  }

  /** Cancels. Resolves when everything it opened is closed. */
  async abandon(): Promise<void> {
    this.#cancel.abort();
    await this.#done;
    if (this.#outcome !== undefined && 'opened' in this.#outcome) await this.#outcome.opened?.close();
  }
}
