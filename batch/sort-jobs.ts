/** Runs sort jobs, each in a worker thread, or here when starting threads would cost more than the work. */
import { Worker } from 'node:worker_threads';
import { runSortJob, type SortJob, type SortResult } from './sort-job.js';
import type { SortMessage } from './sort-worker.js';

const fewRows = 100_000;

/** Rejects with the first job's error; an abort ends all of them. */
export async function runSortJobs(
  jobs: readonly SortJob[],
  onRows: (rows: number) => void,
  signal: AbortSignal | undefined,
): Promise<SortResult[]> {
  const few = jobs.every((job) => job.facts.rows <= fewRows);
  if (few) return jobs.map((job) => runSortJob(job, onRows));
  const ending = new AbortController();
  const signals = signal === undefined ? [ending.signal] : [ending.signal, signal];
  try {
    return await Promise.all(jobs.map(async (job) => runInWorker(job, onRows, AbortSignal.any(signals))));
  } finally {
    ending.abort();
  }
}

function runInWorker(job: SortJob, onRows: (rows: number) => void, signal: AbortSignal): Promise<SortResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./sort-worker.js', import.meta.url), { workerData: job });
    const end = (): void => void worker.terminate();
    signal.addEventListener('abort', end, { once: true });
    worker.on('message', (message: SortMessage) => {
      if (message.type === 'rows') onRows(message.rows);
      else resolve(message.result);
    });
    worker.once('error', reject);
    worker.once('exit', () => {
      signal.removeEventListener('abort', end);
      reject(signal.aborted ? signal.reason : new Error(`the ${job.kind} worker ended without a result`));
    });
  });
}
