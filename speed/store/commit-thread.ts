/**
 * The commit thread: writes epochs into the stores while the next ones are worked on. It does one thing after the other,
 * in the order asked, and nothing counts before it has answered. One serves all stores of a worker.
 *
 * A thread that dies takes its answers with it, so whoever waits for one must look into the store for what it holds
 * now; LMDB has all of a commit or nothing. The next call starts another thread.
 */
import { Worker } from 'node:worker_threads';
import { SwaError, type ErrorCode } from '../../lib/errors.js';
import type { StorePlace } from './store-files.js';
import type { CellChanges } from './view-changes.js';

export interface Commit {
  readonly place: StorePlace;
  readonly lgK: number;
  /** Handed over: not to be used any more. */
  readonly cells: CellChanges;
  /** As it is stored. */
  readonly progress: Uint8Array;
}

export type ToCommitThread =
  | ({ readonly kind: 'commit' } & Commit)
  | { readonly kind: 'release'; readonly dir: string }
  | { readonly kind: 'close' };

/** One answer to each message, in the same order. */
export interface FromCommitThread {
  readonly failure: { readonly code: ErrorCode; readonly message: string } | undefined;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: SwaError) => void;
}

export class CommitThread {
  #thread: Thread | undefined = new Thread();

  /**
   * All of it or nothing. Rejects with `view.corrupt` when the store is gone from its place or damaged, with
   * `speed.failed`, retryable, when it could not be written, or nobody knows whether it was.
   */
  commit(commit: Commit): Promise<void> {
    if (this.#thread?.isAlive !== true) this.#thread = new Thread();
    const { keys, keyEnds, siteCells, views } = commit.cells;
    return this.#thread.ask({ kind: 'commit', ...commit }, [
      keys.buffer,
      keyEnds.buffer,
      siteCells.buffer,
      views.buffer,
    ]);
  }

  /** Resolves when the thread has closed its side of a store. */
  async release(dir: string): Promise<void> {
    if (this.#thread?.isAlive === true) await this.#thread.ask({ kind: 'release', dir });
  }

  /** Resolves when all that was asked is done. */
  async close(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    if (thread?.isAlive === true) await thread.ask({ kind: 'close' });
  }
}

/** One life of the thread. */
class Thread {
  readonly #worker = new Worker(new URL('./commit-worker.js', import.meta.url));
  readonly #waiting: Waiting[] = [];
  isAlive = true;

  constructor() {
    let cause: unknown;
    this.#worker.on('message', (answer: FromCommitThread) => this.#answered(answer));
    this.#worker.on('error', (error) => (cause = error));
    this.#worker.on('exit', () => this.#died(cause));
    this.#worker.unref(); // what keeps the process alive is whoever waits for an answer
  }

  ask(message: ToCommitThread, transfer: readonly ArrayBuffer[] = []): Promise<void> {
    this.#worker.ref();
    this.#worker.postMessage(message, transfer);
    return new Promise((resolve, reject) => void this.#waiting.push({ resolve, reject }));
  }

  #answered({ failure }: FromCommitThread): void {
    const first = this.#waiting.shift();
    if (this.#waiting.length === 0) this.#worker.unref();
    if (failure === undefined) first?.resolve();
    else first?.reject(new SwaError(failure.code, failure.message, { retryable: true }));
  }

  #died(cause: unknown): void {
    this.isAlive = false;
    for (const { reject } of this.#waiting.splice(0))
      reject(new SwaError('speed.failed', 'the commit thread ended', { cause, retryable: true }));
  }
}
