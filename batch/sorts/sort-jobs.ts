/**
 * Runs sort jobs in worker threads, or here when starting threads would cost more than the work. Whatever thread is ready
 * first, what jobs of one kind find is heard in order of the jobs: so files can be written front to back, always the same.
 */
import { Worker } from 'node:worker_threads';
import { Lane, type SortedListener, type Task } from './lane.js';
import { Sorter, jobKinds, type SortJob, type SortTables } from './sort-job.js';
import type { SortMessage } from './sort-worker.js';

const fewRows = 100_000;
/** A thread has one task in hand and one waiting, so that it need not wait for us, who also write. */
const tasksGiven = 2;

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

/** The next job of the first kind that may start one. */
function nextTask(lanes: readonly Lane[]): Task | undefined {
  for (const lane of lanes) {
    const task = lane.start();
    if (task !== undefined) return task;
  }
  return undefined;
}
