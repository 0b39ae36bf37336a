/** Threads that work on facts, or this one when starting threads would cost more than the work. */
import { Worker } from 'node:worker_threads';
import { receiveError } from '../lib/errors/errors.js';
import { StarDamaged } from '../master-data/star/append-file.js';
import type { FactMessage } from './fact-thread.js';
import { FactWork, type Order, type Reply, type Task } from './fact-work.js';
import type { FactTables } from './arrays/dealer.js';
import type { SortListener } from './arrays/sort-job.js';

const fewRows = 100_000;
/** A thread has one task in hand and one waiting, so that it need not wait for us, who also write. */
const tasksGiven = 2;

/** A task, and who hears of it: blocks and rows while it is done, then the reply. */
export interface Given extends SortListener {
  readonly task: Task | Order;
  readonly onReply: (reply: Reply) => void;
}

export interface FactThreads {
  /** Tells all threads; returns their replies. Nothing else may be at work. */
  order(order: Order): Promise<readonly Reply[]>;
  /** Does tasks until there are none left: `next` is asked again whenever one has ended. Rejects with the first error. */
  each(next: () => Given | undefined): Promise<void>;
  /** No thread is left afterwards. */
  close(): Promise<void>;
}

export function startFactThreads(
  tables: FactTables,
  {
    rows,
    threads,
    signal,
  }: { readonly rows: number; readonly threads: number; readonly signal: AbortSignal | undefined },
): FactThreads {
  return rows <= fewRows ? new OwnThread(tables) : new Threads(tables, threads, signal);
}

const nobodyHears: SortListener = { onRows: () => undefined, onBlocks: () => undefined };

class OwnThread implements FactThreads {
  readonly #work: FactWork;

  constructor(tables: FactTables) {
    this.#work = new FactWork(tables);
  }

  async order(order: Order): Promise<readonly Reply[]> {
    return [this.#work.do(order, nobodyHears)];
  }

  async each(next: () => Given | undefined): Promise<void> {
    for (let given = next(); given !== undefined; given = next())
      given.onReply(this.#work.do(given.task, given));
  }

  async close(): Promise<void> {}
}

class Threads implements FactThreads {
  /** What each thread has in hand, oldest first. */
  readonly #given: ReadonlyMap<Worker, Given[]>;
  /** Of what is waited for: called when a task has ended. */
  #onReply: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(tables: FactTables, threads: number, signal: AbortSignal | undefined) {
    const url = new URL('./fact-thread.js', import.meta.url);
    const workers = Array.from({ length: threads }, () => new Worker(url, { workerData: tables }));
    this.#given = new Map(workers.map((worker) => [worker, []]));
    for (const [worker, given] of this.#given) {
      worker.on('message', (message: FactMessage) => {
        try {
          this.#hear(given, message);
        } catch (error) {
          this.#fail(error);
        }
      });
      worker.once('error', (error) => this.#fail(error));
      worker.once('exit', () => this.#fail(new Error('a fact thread ended')));
    }
    signal?.addEventListener('abort', () => this.#fail(signal.reason), { once: true });
    if (signal?.aborted === true) this.#fail(signal.reason);
  }

  async order(order: Order): Promise<readonly Reply[]> {
    const replies: Reply[] = [];
    const given = { ...nobodyHears, task: order, onReply: (reply: Reply) => void replies.push(reply) };
    for (const [worker, tasks] of this.#given) send(worker, tasks, given);
    await this.#idle(() => undefined);
    return replies;
  }

  each(next: () => Given | undefined): Promise<void> {
    return this.#idle(() => {
      for (let depth = 1; depth <= tasksGiven; depth++) {
        for (const [worker, tasks] of this.#given) {
          const given = tasks.length < depth ? next() : undefined;
          if (given !== undefined) send(worker, tasks, given);
        }
      }
    });
  }

  async close(): Promise<void> {
    this.#failure ??= { error: new Error('the fact threads are closed') };
    await Promise.all(Array.from(this.#given.keys(), (worker) => worker.terminate()));
  }

  /** Until no thread has anything in hand, although `dispatch` could have given it something. */
  #idle(dispatch: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#onReply = () => {
        dispatch();
        if ([...this.#given.values()].every((tasks) => tasks.length === 0)) resolve();
      };
      if (this.#failure !== undefined) throw this.#failure.error;
      this.#onReply();
    });
  }

  #hear(given: Given[], message: FactMessage): void {
    const current = given[0];
    if (message.type === 'rows') current?.onRows(message.rows);
    else if (message.type === 'blocks') current?.onBlocks(message.blocks);
    else if (message.type === 'star-damaged') this.#fail(new StarDamaged(message.message));
    else if (message.type === 'failed') this.#fail(receiveError(message.error));
    else {
      given.shift();
      current?.onReply(message.reply);
      this.#onReply();
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#reject(error);
  }
}

function send(worker: Worker, tasks: Given[], given: Given): void {
  tasks.push(given);
  worker.postMessage(given.task);
}
