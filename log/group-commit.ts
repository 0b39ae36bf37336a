/**
 * Group commit: while one commit is in progress, appends are queued, and the next commit takes all of them, so many
 * small appends share one sync or one request. Commits run one at a time, in the order of the appends. The queue is
 * bounded.
 */
import { SwaError, messageOf, systemCode } from '../lib/errors/errors.js';

/** An item with a size. A commit takes as many as fit, at least one. */
export interface Sized {
  readonly sizeBytes: number;
}

export interface GroupCommitOptions<P extends Sized> {
  /** Writes a group; resolves when all of it is durable. */
  readonly commit: (group: readonly P[]) => Promise<void>;
  /** Maximum bytes in one commit. */
  readonly commitBytes: number;
  /** Appends are rejected while more bytes than this are queued. */
  readonly waitingBytes: number;
  /** Hint for the rejection: what the operator can do. */
  readonly hint: string;
}

interface Waiting<P> {
  readonly item: P;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class GroupCommit<P extends Sized> {
  readonly #options: GroupCommitOptions<P>;
  #queue: Waiting<P>[] = [];
  #waitingBytes = 0;
  #running: Promise<void> | undefined;

  constructor(options: GroupCommitOptions<P>) {
    this.#options = options;
  }

  /**
   * Resolves when the item's commit is durable. Rejects with `log.unavailable` (retryable) if the queue is full or the
   * commit fails.
   */
  add(item: P): Promise<void> {
    if (this.#waitingBytes > this.#options.waitingBytes) {
      return Promise.reject(this.#unavailable(`${this.#waitingBytes} bytes are already waiting`));
    }
    this.#waitingBytes += item.sizeBytes;
    return new Promise((resolve, reject) => {
      this.#queue.push({ item, resolve, reject });
      this.#running ??= this.#run().finally(() => (this.#running = undefined));
    });
  }

  /** Resolves when the queue is empty. */
  async drain(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve)); // lets all appends of this event loop turn share a commit
    while (this.#queue.length > 0) {
      const group = this.#take();
      try {
        await this.#options.commit(group.map((waiting) => waiting.item));
        for (const waiting of group) waiting.resolve();
      } catch (error) {
        const why = error instanceof SwaError ? error.message : (systemCode(error) ?? messageOf(error));
        const refusal = this.#unavailable(why, error);
        for (const waiting of group) waiting.reject(refusal);
      }
    }
  }

  #take(): Waiting<P>[] {
    let sizeBytes = 0;
    let count = 0;
    for (const { item } of this.#queue) {
      if (count > 0 && sizeBytes + item.sizeBytes > this.#options.commitBytes) break;
      sizeBytes += item.sizeBytes;
      count++;
    }
    this.#waitingBytes -= sizeBytes;
    return this.#queue.splice(0, count);
  }

  #unavailable(why: string, cause?: unknown): SwaError {
    return new SwaError('log.unavailable', `the log cannot accept records now: ${why}`, {
      cause,
      retryable: true,
      hint: this.#options.hint,
    });
  }
}
