/**
 * The commit thread: writes epochs into the stores while the next ones are processed. It handles requests one at a time, in order, and an epoch
 * counts only after its reply. One thread serves all stores of a worker.
 *
 * A thread that dies idle is replaced by the next call. One that dies in the middle of a commit (out of memory, or terminated) may leave LMDB's
 * transaction open, with the lock that every other writer of this process would wait for forever. So all later commits are refused: this process
 * must end. LMDB commits are atomic, so the next process continues at the store's position.
 */
import { Worker } from 'node:worker_threads';
import { SwaError } from '../../lib/errors/errors.js';
import { RequestThread, ThreadEnded } from '../../lib/process/request-thread.js';
import { threadHeap } from '../../lib/process/thread-heap.js';
import type { Offset } from '../../log/log.js';
import type { CancelFlag } from './commit-cancel.js';
import type { StoredEdges } from './edge-block.js';
import type { StoreLocation } from './store-files.js';
import type { CellChanges } from './epoch-changes.js';

export interface Commit {
  readonly location: StoreLocation;
  readonly lgK: number;
  /** Position of the store before this commit. */
  readonly from: Offset;
  /** Transferred to the thread: the caller must not use them any more. */
  readonly cells: CellChanges;
  readonly edges: readonly StoredEdges[];
  /** Encoded. */
  readonly progress: Uint8Array;
  readonly cancelled: CancelFlag;
}

type ToCommitThread =
  | ({ readonly kind: 'commit' } & Commit)
  | { readonly kind: 'release'; readonly dir: string }
  | { readonly kind: 'close' };

/** Messages of the thread (lib/process/request-thread.ts). */
export interface CommitAsking {
  readonly request: ToCommitThread;
  readonly response: undefined;
  readonly event: never;
}

type Thread = RequestThread<CommitAsking>;

export class CommitThread {
  readonly #start: () => Worker;
  #thread: Thread | undefined;
  /** Number of commits without a reply; never decremented for a commit whose thread died. */
  #committing = 0;

  /** @param start starts `commit-worker.js` on its own thread */
  constructor(start: () => Worker = startWorker) {
    this.#start = start;
    this.#thread = this.#begin();
  }

  /**
   * Commits atomically. Rejects with `realtime.corrupt` if the store was deleted, replaced or damaged, with `data-dir.in-use` if another process
   * has written it, with `speed.failed` if it was cancelled or could not be written. The last is retryable unless the thread died in the middle of
   * a commit: then it is unknown whether it was written, and all later commits are refused.
   */
  async commit(commit: Commit): Promise<void> {
    if (this.#thread?.isAlive !== true) {
      if (this.#committing > 0) throw diedCommitting(undefined);
      this.#thread = this.#begin();
    }
    const thread = this.#thread;
    const { keys, keyEnds, siteCells, views, combinations, combinationCells } = commit.cells;
    const transfer = [keys, keyEnds, siteCells, views, combinations, combinationCells].map(
      ({ buffer }) => buffer,
    );
    this.#committing++;
    try {
      await this.#send(thread, { kind: 'commit', ...commit }, transfer);
      this.#committing--;
    } catch (error) {
      if (thread.isAlive) this.#committing--;
      throw error;
    }
  }

  /** Resolves when the thread has closed its side of a store. */
  async release(dir: string): Promise<void> {
    if (this.#thread?.isAlive === true) await this.#send(this.#thread, { kind: 'release', dir });
  }

  /** Resolves when all requests are done. */
  async close(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    if (thread?.isAlive !== true) return;
    await this.#send(thread, { kind: 'close' });
    thread.close();
  }

  #begin(): Thread {
    return new RequestThread<CommitAsking>(this.#start(), 'the commit thread');
  }

  async #send(thread: Thread, message: ToCommitThread, transfer: readonly ArrayBuffer[] = []): Promise<void> {
    try {
      await thread.send(message, { transfer });
    } catch (error) {
      if (!(error instanceof ThreadEnded)) throw error;
      throw this.#committing > 0 ? diedCommitting(error) : diedIdle(error);
    }
  }
}

export function startWorker(): Worker {
  return new Worker(new URL('./commit-worker.js', import.meta.url), { resourceLimits: threadHeap });
}

function diedIdle(cause: ThreadEnded): SwaError {
  return new SwaError('speed.failed', 'the commit thread ended', { cause, retryable: true });
}

function diedCommitting(cause: ThreadEnded | undefined): SwaError {
  return new SwaError('speed.failed', 'the commit thread ended in the middle of a commit', {
    cause,
    hint: 'restart the speed layer: it continues where its stores end',
  });
}
