/**
 * The commit thread: writes epochs into the stores while the next ones are worked on. It does one thing after the other,
 * in the order asked, and nothing counts before it has answered. One serves all stores of a worker.
 *
 * A thread that dies idle is replaced by the next call. One that dies in the middle of a commit (out of memory, or
 * terminated) may leave LMDB's transaction open, and with it the lock that every other writer of this process would wait for
 * without end. So no more is committed then: this process must end. LMDB has all of a commit or nothing, so the next one
 * continues where the store stands.
 */
import { Worker } from 'node:worker_threads';
import { SwaError } from '../../lib/errors/errors.js';
import { AskedThread, ThreadEnded } from '../../lib/process/asked-thread.js';
import type { Offset } from '../../log/log.js';
import type { StoredEdges } from './edge-block.js';
import type { StorePlace } from './store-files.js';
import type { CellChanges } from './epoch-changes.js';

export interface Commit {
  readonly place: StorePlace;
  readonly lgK: number;
  /** Where the store stands. */
  readonly from: Offset;
  /** Handed over: not to be used any more. */
  readonly cells: CellChanges;
  readonly edges: readonly StoredEdges[];
  /** As it is stored. */
  readonly progress: Uint8Array;
}

type ToCommitThread =
  | ({ readonly kind: 'commit' } & Commit)
  | { readonly kind: 'release'; readonly dir: string }
  | { readonly kind: 'close' };

/** What is asked of it (lib/process/asked-thread.ts). */
export interface CommitAsking {
  readonly question: ToCommitThread;
  readonly answer: undefined;
  readonly event: never;
}

type Thread = AskedThread<CommitAsking>;

export class CommitThread {
  readonly #start: () => Worker;
  #thread: Thread | undefined;
  /** Commits that the thread has not answered, and never will when it is dead. */
  #committing = 0;

  /** @param start starts `commit-worker.js` on a thread of its own */
  constructor(start: () => Worker = startWorker) {
    this.#start = start;
    this.#thread = this.#begin();
  }

  /**
   * All of it or nothing. Rejects with `realtime.corrupt` when the store is gone from its place or damaged, with
   * `data-dir.in-use` when another process has written it, with
   * `speed.failed` when it could not be written: retryable, or not when the thread has died in the middle of a commit.
   * Then no one knows whether it was written, and all later commits are refused.
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
      await this.#ask(thread, { kind: 'commit', ...commit }, transfer);
      this.#committing--;
    } catch (error) {
      if (thread.isAlive) this.#committing--;
      throw error;
    }
  }

  /** Resolves when the thread has closed its side of a store. */
  async release(dir: string): Promise<void> {
    if (this.#thread?.isAlive === true) await this.#ask(this.#thread, { kind: 'release', dir });
  }

  /** Resolves when all that was asked is done. */
  async close(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    if (thread?.isAlive !== true) return;
    await this.#ask(thread, { kind: 'close' });
    thread.close();
  }

  #begin(): Thread {
    return new AskedThread<CommitAsking>(this.#start(), 'the commit thread');
  }

  async #ask(thread: Thread, message: ToCommitThread, transfer: readonly ArrayBuffer[] = []): Promise<void> {
    try {
      await thread.ask(message, { transfer });
    } catch (error) {
      if (!(error instanceof ThreadEnded)) throw error;
      throw this.#committing > 0 ? diedCommitting(error) : diedIdle(error);
    }
  }
}

export function startWorker(): Worker {
  return new Worker(new URL('./commit-worker.js', import.meta.url));
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
