/**
 * Runs sort jobs in worker threads, or here when starting threads would cost more than the work. Whatever thread is ready
 * first, what jobs of one kind find is heard in order of the jobs: so files can be written front to back, always the same.
 */
import { Worker } from 'node:worker_threads';
import {
  Sorter,
  jobKinds,
  type JobKind,
  type SortJob,
  type SortResult,
  type SortTables,
} from './sort-job.js';
import type { SortMessage } from './sort-worker.js';

const fewRows = 100_000;
/** What is found before its turn is held in memory: about 10 bytes for each of so many facts of a kind at most. */
const rowsAhead = 8 << 20;
/** A thread has one task in hand and one waiting, so that it need not wait for us, who also write. */
const tasksGiven = 2;

/** Hears what jobs find, kind by kind in order of the jobs: a job's blocks, then its result. */
export interface SortedListener {
  readonly onRows: (rows: number) => void;
  readonly onBlocks: (kind: JobKind, blocks: Uint8Array) => void;
  readonly onResult: (kind: JobKind, result: SortResult) => void;
}

/** Rejects with the first error of a job or of the listener, or when aborted; no thread is left. */
export async function runSortJobs(
  tables: SortTables,
  jobs: readonly SortJob[],
  listener: SortedListener,
  { threads, signal }: { readonly threads: number; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const lanes = jobKinds.map(
    (kind) =>
      new Lane(
        jobs.filter((job) => job.kind === kind),
        listener,
      ),
  );
  if (jobs.reduce((sum, job) => sum + job.facts.rows, 0) <= jobKinds.length * fewRows) {
    const sorter = new Sorter(tables);
    for (let task = nextTask(lanes); task !== undefined; task = nextTask(lanes)) {
      const { job, lane, index } = task;
      const onBlocks = (blocks: Uint8Array): void => lane.addBlocks(index, blocks);
      lane.finish(index, sorter.run(job, { onRows: listener.onRows, onBlocks }));
    }
    return;
  }
  // One for each kind at least: a site of its own is one shard, and its jobs are the whole work.
  const workers = Array.from(
    { length: Math.min(Math.max(threads, jobKinds.length), jobs.length) },
    () => new Worker(new URL('./sort-worker.js', import.meta.url), { workerData: tables }),
  );
  try {
    await runInThreads(workers, lanes, listener, signal);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function runInThreads(
  workers: readonly Worker[],
  lanes: readonly Lane[],
  listener: SortedListener,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const given = new Map<Worker, Task[]>(workers.map((worker) => [worker, []]));
    const dispatch = (): void => {
      for (let depth = 1; depth <= tasksGiven; depth++) {
        for (const [worker, tasks] of given) {
          const task = tasks.length < depth ? nextTask(lanes) : undefined;
          if (task === undefined) continue;
          tasks.push(task);
          worker.postMessage(task.job);
        }
      }
      if ([...given.values()].every((tasks) => tasks.length === 0)) resolve();
    };
    const hear = (worker: Worker, message: SortMessage): void => {
      const task = given.get(worker)?.[0];
      if (message.type === 'rows') {
        listener.onRows(message.rows);
      } else if (message.type === 'blocks') {
        task?.lane.addBlocks(task.index, message.blocks);
      } else {
        given.get(worker)?.shift();
        task?.lane.finish(task.index, message.result);
        dispatch();
      }
    };
    for (const worker of workers) {
      worker.on('message', (message: SortMessage) => {
        try {
          hear(worker, message);
        } catch (error) {
          reject(error);
        }
      });
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('a thread that sorts facts ended')));
    }
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    signal?.throwIfAborted();
    dispatch();
  });
}

interface Task {
  readonly job: SortJob;
  readonly lane: Lane;
  readonly index: number;
}

/** The next job of the first kind that may start one. */
function nextTask(lanes: readonly Lane[]): Task | undefined {
  for (const lane of lanes) {
    const task = lane.start();
    if (task !== undefined) return task;
  }
  return undefined;
}

/** The jobs of one kind: started in order, heard in order. */
class Lane {
  readonly #jobs: readonly SortJob[];
  readonly #listener: SortedListener;
  /** What jobs after the one that is heard have found. */
  readonly #held = new Map<number, { blocks: Uint8Array[]; result?: SortResult }>();
  #started = 0;
  #heard = 0;
  #rowsAhead = 0;

  constructor(jobs: readonly SortJob[], listener: SortedListener) {
    this.#jobs = jobs;
    this.#listener = listener;
  }

  /** The next job, unless too much would have to be held: the one to be heard next may always run. */
  start(): Task | undefined {
    const index = this.#started;
    const job = this.#jobs[index];
    if (job === undefined) return undefined;
    if (index > this.#heard && this.#rowsAhead + job.facts.rows > rowsAhead) return undefined;
    this.#started++;
    this.#rowsAhead += job.facts.rows;
    return { job, lane: this, index };
  }

  addBlocks(index: number, blocks: Uint8Array): void {
    const job = this.#jobs[index];
    if (index === this.#heard && job !== undefined) this.#listener.onBlocks(job.kind, blocks);
    else this.#hold(index).blocks.push(blocks);
  }

  finish(index: number, result: SortResult): void {
    this.#hold(index).result = result;
    for (;;) {
      const job = this.#jobs[this.#heard];
      const held = this.#held.get(this.#heard);
      if (job === undefined || held === undefined) return;
      for (const blocks of held.blocks.splice(0)) this.#listener.onBlocks(job.kind, blocks);
      if (held.result === undefined) return;
      this.#listener.onResult(job.kind, held.result);
      this.#held.delete(this.#heard++);
      this.#rowsAhead -= job.facts.rows;
    }
  }

  #hold(index: number): { blocks: Uint8Array[]; result?: SortResult } {
    let held = this.#held.get(index);
    if (held === undefined) {
      held = { blocks: [] };
      this.#held.set(index, held);
    }
    return held;
  }
}
