/**
 * The commit thread: writes epochs into the stores while the next ones are worked on. It does one thing after the other,
 * in the order asked, and nothing counts before it has answered. One serves all stores of a worker.
 *
 * A thread that dies idle is replaced by the next call. One that dies in the middle of a commit (out of memory, or
 * terminated) may leave LMDB's transaction open, and with it the lock that every other writer of this process would wait for
 * without end. So no more is committed then: this process must end. LMDB has all of a commit or nothing, so the next one
 * goes on where the store stands.
 */
import { Worker } from 'node:worker_threads';
import { SwaError, receiveError, type SentError } from '../../lib/errors/errors.js';
import type { Offset } from '../../log/log.js';
import type { StoredEdges } from './edge-block.js';
import type { StorePlace } from './store-files.js';
import type { CellChanges } from './view-changes.js';

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

export type ToCommitThread =
  | ({ readonly kind: 'commit' } & Commit)
  | { readonly kind: 'release'; readonly dir: string }
  | { readonly kind: 'close' };

/** One answer to each message, in the same order. */
export interface FromCommitThread {
  readonly failure: SentError | undefined;
}

interface Waiting {
  readonly kind: ToCommitThread['kind'];
  readonly resolve: () => void;
  readonly reject: (error: SwaError) => void;
}

export class CommitThread {
  readonly #start: () => Worker;
  #thread: Thread | undefined;

  /** @param start starts `commit-worker.js` on a thread of its own */
  constructor(start: () => Worker = startWorker) {
    this.#start = start;
    this.#thread = new Thread(start());
  }

  /**
   * All of it or nothing. Rejects with `realtime.corrupt` when the store is gone from its place or damaged, with
   * `data-dir.in-use` when somebody else has written it, with
   * `speed.failed` when it could not be written: retryable, or not when the thread has died in the middle of a commit.
   * Then nobody knows whether it was written, and all later commits are refused.
   */
  commit(commit: Commit): Promise<void> {
    if (this.#thread?.diedCommitting !== undefined) return Promise.reject(this.#thread.diedCommitting);
    if (this.#thread?.isAlive !== true) this.#thread = new Thread(this.#start());
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

export function startWorker(): Worker {
  return new Worker(new URL('./commit-worker.js', import.meta.url));
}

/** One life of the thread. */
class Thread {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  isAlive = true;
  diedCommitting: SwaError | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    let cause: unknown;
    this.#worker.on('message', (answer: FromCommitThread) => this.#answered(answer));
    this.#worker.on('error', (error) => (cause = error));
    this.#worker.on('exit', () => this.#died(cause));
    this.#worker.unref(); // what keeps the process alive is whoever waits for an answer
  }

  ask(message: ToCommitThread, transfer: readonly ArrayBuffer[] = []): Promise<void> {
    this.#worker.ref();
    this.#worker.postMessage(message, transfer);
    return new Promise((resolve, reject) => void this.#waiting.push({ kind: message.kind, resolve, reject }));
  }

  #answered({ failure }: FromCommitThread): void {
    const first = this.#waiting.shift();
    if (this.#waiting.length === 0) this.#worker.unref();
    if (failure === undefined) first?.resolve();
    else first?.reject(receiveError(failure));
  }

  #died(cause: unknown): void {
    this.isAlive = false;
    const waiting = this.#waiting.splice(0);
    const isCommitting = waiting.some(({ kind }) => kind === 'commit');
    const error = isCommitting ? diedCommitting(cause) : diedIdle(cause);
    if (isCommitting) this.diedCommitting = error;
    for (const { reject } of waiting) reject(error);
  }
}

function diedIdle(cause: unknown): SwaError {
  return new SwaError('speed.failed', 'the commit thread ended', { cause, retryable: true });
}

function diedCommitting(cause: unknown): SwaError {
  return new SwaError('speed.failed', 'the commit thread ended in the middle of a commit', {
    cause,
    hint: 'start the speed layer again in a new process: it goes on where its stores stand',
  });
}
