/** The thread of a person job. It ends by itself, also when it is told to stop: DuckDB and LMDB do not survive a termination. */
import { parentPort, workerData } from 'node:worker_threads';
import { sendError, type SentError } from '../../lib/errors.js';
import { nameError } from '../name-error.js';
import { runPersonJob, type FoundPersons, type IdentityFile, type PersonJob } from './person-job.js';

/** Worker to its owner. The owner's only message means stop. */
export type PersonMessage =
  | { readonly type: 'found'; readonly found: FoundPersons }
  | { readonly type: 'written'; readonly identity: IdentityFile }
  | { readonly type: 'failed'; readonly error: SentError };

const tell = (message: PersonMessage, transfer: ArrayBuffer[] = []): void => {
  parentPort?.postMessage(message, transfer);
};
const stopping = new AbortController();
parentPort?.once('message', () => stopping.abort());
try {
  const job = workerData as PersonJob; // set by person-thread.ts
  const onFound = (found: FoundPersons): void =>
    tell({ type: 'found', found }, [found.hashes.buffer, found.ends.buffer, found.coupons.buffer]);
  tell({ type: 'written', identity: await runPersonJob(job, onFound, stopping.signal) });
} catch (error) {
  tell({ type: 'failed', error: sendError(nameError(error), { code: 'batch.failed', retryable: false }) });
}
parentPort?.close();
