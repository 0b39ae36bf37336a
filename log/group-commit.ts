/**
 * Group commit: while one commit is under way appends gather, and the next commit takes all of them, so many small
 * appends share one sync or one request. One commit at a time, in the order of the appends. What waits is bounded.
 */
import { SwaError, messageOf, systemCode } from '../lib/errors/errors.js';

/** Anything with a size; a commit takes as many as fit, but at least one. */
export interface Sized {
  readonly sizeBytes: number;
}

export interface GroupCommitOptions<P extends Sized> {
  /** Resolves when all of the group is durable. */
  readonly commit: (group: readonly P[]) => Promise<void>;
  /** Most bytes of one commit. */
  readonly commitBytes: number;
  /** Appends are refused while more than this waits. */
  readonly waitingBytes: number;
  /** What the reader of the refusal can do. */
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

  /** Resolves when the item's commit is durable; rejects with `log.unavailable` (retryable) when it is not. */
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

  /** Resolves when nothing waits any more. */
  async drain(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve)); // appends of this turn of the loop go together
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
