/** The worker thread of one sort job. */
import { parentPort, workerData } from 'node:worker_threads';
import { runSortJob, type SortJob, type SortResult } from './sort-job.js';

/** Worker to its owner. */
export type SortMessage =
  { readonly type: 'rows'; readonly rows: number } | { readonly type: 'done'; readonly result: SortResult };

const job = workerData as SortJob; // set by sort-jobs.ts
const tell = (message: SortMessage): void => {
  parentPort?.postMessage(message);
};
tell({ type: 'done', result: runSortJob(job, (rows) => tell({ type: 'rows', rows })) });
