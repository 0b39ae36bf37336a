/** Runs tasks on facts in threads, or in this thread if there are too few facts to be worth starting any. */
import { Worker } from 'node:worker_threads';
import { AskedThread } from '../lib/process/asked-thread.js';
import { StarDamaged } from '../master-data/star/append-file.js';
import type { FactAsking } from './fact-thread.js';
import { FactWork, type Order, type Reply, type Task, type WorkTables } from './fact-work.js';
import type { SortListener } from './arrays/sort-job.js';

const smallRowCount = 100_000;
/** Tasks per thread: one running and one queued, so that the thread does not wait for this one, which also writes files. */
const tasksGiven = 2;

/** A task with its listeners: blocks and rows while it runs, then the reply. */
export interface Given extends SortListener {
  readonly task: Task | Order;
  readonly onReply: (reply: Reply) => void;
}

export interface FactThreads {
  /** Sends an order to all threads; returns their replies. No task may be running. */
  order(order: Order): Promise<readonly Reply[]>;
  /** Runs tasks until `next` returns none; it is called again whenever a task has ended. Rejects with the first error. */
  each(next: () => Given | undefined): Promise<void>;
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

const nobodyHears: SortListener = { onRows: () => undefined, onBlocks: () => undefined };

class OwnThread implements FactThreads {
  readonly #work: FactWork;

  constructor(tables: WorkTables) {
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

/** A thread, and its number of running and queued tasks. */
interface Hand {
  readonly thread: AskedThread<FactAsking>;
  tasks: number;
}

class Threads implements FactThreads {
  readonly #hands: readonly Hand[];
  /** Called when a task has ended. */
  #onReply: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(tables: WorkTables, threads: number, signal: AbortSignal | undefined) {
    const url = new URL('./fact-thread.js', import.meta.url);
    this.#hands = Array.from({ length: threads }, () => ({
      thread: new AskedThread<FactAsking>(new Worker(url, { workerData: tables }), 'a fact thread'),
      tasks: 0,
    }));
    signal?.addEventListener('abort', () => this.#fail(signal.reason), { once: true });
    if (signal?.aborted === true) this.#fail(signal.reason);
  }

  async order(order: Order): Promise<readonly Reply[]> {
    const replies: Reply[] = [];
    const given = { ...nobodyHears, task: order, onReply: (reply: Reply) => void replies.push(reply) };
    for (const hand of this.#hands) void this.#give(hand, given);
    await this.#idle(() => undefined);
    return replies;
  }

  each(next: () => Given | undefined): Promise<void> {
    return this.#idle(() => {
      for (let depth = 1; depth <= tasksGiven; depth++) {
        for (const hand of this.#hands) {
          const given = hand.tasks < depth ? next() : undefined;
          if (given !== undefined) void this.#give(hand, given);
        }
      }
    });
  }

  async close(): Promise<void> {
    this.#failure ??= { error: new Error('the fact threads are closed') };
    await Promise.all(this.#hands.map(async ({ thread }) => thread.terminate()));
  }

  /** Resolves when no thread has a task, after `dispatch` had its chance to assign more. */
  #idle(dispatch: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#onReply = () => {
        dispatch();
        if (this.#hands.every(({ tasks }) => tasks === 0)) resolve();
      };
      if (this.#failure !== undefined) throw this.#failure.error;
      this.#onReply();
    });
  }

  async #give(hand: Hand, { task, onRows, onBlocks, onReply }: Given): Promise<void> {
    const onEvent = (event: FactAsking['event']): void =>
      event.type === 'rows' ? onRows(event.rows) : onBlocks(event.blocks);
    hand.tasks++;
    try {
      const reply = await hand.thread.ask(task, { onEvent });
      if (reply.type === 'star-damaged') throw new StarDamaged(reply.message);
      hand.tasks--;
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
