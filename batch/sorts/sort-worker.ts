/**
 * A worker thread that runs sort jobs, one at a time, as they are sent to it. It may be terminated at any moment, and a thread
 * that is terminated while it loads LMDB or DuckDB ends the process: nothing it imports may load either.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Sorter, type SortJob, type SortResult, type SortTables } from './sort-job.js';

/** Worker to its owner. */
export type SortMessage =
  | { readonly type: 'rows'; readonly rows: number }
  | { readonly type: 'blocks'; readonly blocks: Uint8Array<ArrayBuffer> }
  | { readonly type: 'done'; readonly result: SortResult };

const sorter = new Sorter(workerData as SortTables); // set by sort-jobs.ts
const tell = (message: SortMessage, transfer: ArrayBuffer[] = []): void => {
  parentPort?.postMessage(message, transfer);
};
parentPort?.on('message', (job: SortJob) => {
  const result = sorter.run(job, {
    onRows: (rows) => tell({ type: 'rows', rows }),
    onBlocks: (blocks) => tell({ type: 'blocks', blocks }, [blocks.buffer]),
  });
  tell({ type: 'done', result });
});
