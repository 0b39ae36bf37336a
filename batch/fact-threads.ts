/** Runs tasks on facts in threads, or in this thread if there are too few facts to be worth starting any. */
import { Worker } from 'node:worker_threads';
import { RequestThread } from '../lib/process/request-thread.js';
import { StarDamaged } from '../master-data/star/append-file.js';
import type { FactProtocol } from './fact-thread.js';
import { FactWork, type Order, type Reply, type Task, type WorkTables } from './fact-work.js';
import type { SortListener } from './arrays/sort-job.js';

const smallRowCount = 100_000;
/** Tasks per thread: one running and one queued, so that the thread does not wait for this one, which also writes files. */
const tasksPerThread = 2;

/** A task with its listeners: blocks and rows while it runs, then the reply. */
export interface Assignment extends SortListener {
  readonly task: Task | Order;
  readonly onReply: (reply: Reply) => void;
}

export interface FactThreads {
  /** Sends an order to all threads; returns their replies. No task may be running. */
  order(order: Order): Promise<readonly Reply[]>;
  /** Runs tasks until `next` returns none; it is called again whenever a task has ended. Rejects with the first error. */
  each(next: () => Assignment | undefined): Promise<void>;
  /** Terminates all threads. */
  close(): Promise<void>;
}

export function startFactThreads(
  tables: WorkTables,
  {
    rows,
    threads,
    signal,
  }: { readonly rows: number; readonly threads: number; readonly signal: AbortSignal | undefined },
): FactThreads {
  return rows <= smallRowCount ? new OwnThread(tables) : new Threads(tables, threads, signal);
}

/** For tasks without output while they run. */
export const noListener: SortListener = { onRows: () => undefined, onBlocks: () => undefined };

class OwnThread implements FactThreads {
  readonly #work: FactWork;

  constructor(tables: WorkTables) {
    this.#work = new FactWork(tables);
  }

  async order(order: Order): Promise<readonly Reply[]> {
    return [this.#work.do(order, noListener)];
  }

  async each(next: () => Assignment | undefined): Promise<void> {
    for (let assignment = next(); assignment !== undefined; assignment = next())
      assignment.onReply(this.#work.do(assignment.task, assignment));
  }

  async close(): Promise<void> {}
}

/** A thread, and its number of running and queued tasks. */
interface WorkerSlot {
  readonly thread: RequestThread<FactProtocol>;
  tasks: number;
}

class Threads implements FactThreads {
  readonly #workers: readonly WorkerSlot[];
  /** Called when a task has ended. */
  #onReply: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(tables: WorkTables, threads: number, signal: AbortSignal | undefined) {
    const url = new URL('./fact-thread.js', import.meta.url);
    this.#workers = Array.from({ length: threads }, () => ({
      thread: new RequestThread<FactProtocol>(new Worker(url, { workerData: tables }), 'a fact thread'),
      tasks: 0,
    }));
    signal?.addEventListener('abort', () => this.#fail(signal.reason), { once: true });
    if (signal?.aborted === true) this.#fail(signal.reason);
  }

  async order(order: Order): Promise<readonly Reply[]> {
    const replies: Reply[] = [];
    const assignment = { ...noListener, task: order, onReply: (reply: Reply) => void replies.push(reply) };
    for (const worker of this.#workers) void this.#give(worker, assignment);
    await this.#idle(() => undefined);
    return replies;
  }

  each(next: () => Assignment | undefined): Promise<void> {
    return this.#idle(() => {
      for (let depth = 1; depth <= tasksPerThread; depth++) {
        for (const worker of this.#workers) {
          const assignment = worker.tasks < depth ? next() : undefined;
          if (assignment !== undefined) void this.#give(worker, assignment);
        }
      }
    });
  }

  async close(): Promise<void> {
    this.#failure ??= { error: new Error('the fact threads are closed') };
    await Promise.all(this.#workers.map(async ({ thread }) => thread.terminate()));
  }

  /** Resolves when no thread has a task, after `dispatch` had its chance to assign more. */
  #idle(dispatch: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#onReply = () => {
        dispatch();
        if (this.#workers.every(({ tasks }) => tasks === 0)) resolve();
      };
      if (this.#failure !== undefined) throw this.#failure.error;
      this.#onReply();
    });
  }

  async #give(worker: WorkerSlot, { task, onRows, onBlocks, onReply }: Assignment): Promise<void> {
    const onEvent = (event: FactProtocol['event']): void =>
      event.type === 'rows' ? onRows(event.rows) : onBlocks(event.blocks);
    worker.tasks++;
    try {
      const reply = await worker.thread.send(task, { onEvent });
      if (reply.type === 'star-damaged') throw new StarDamaged(reply.message);
      worker.tasks--;
      onReply(reply);
      this.#onReply();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#reject(error);
  }
}
