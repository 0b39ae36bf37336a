/** Persons found and written beside everything else: in a thread, or here when starting one would cost more than the work. */
import { Worker } from 'node:worker_threads';
import { receiveError } from '../../lib/errors.js';
import { runPersonJob, type FoundPersons, type IdentityFile, type PersonJob } from './person-job.js';
import type { PersonMessage } from './person-worker.js';

const fewEdges = 10_000;

export class PersonThread {
  /** Rejects as `written` does when nothing was found. */
  readonly found: Promise<FoundPersons>;
  readonly written: Promise<IdentityFile>;
  readonly #stopping = new AbortController();

  /** @throws, by its promises, what `runPersonJob` does */
  constructor(job: PersonJob, signal?: AbortSignal) {
    const ownSignal = this.#stopping.signal;
    const stop = signal === undefined ? ownSignal : AbortSignal.any([signal, ownSignal]);
    const isSmall = job.files.reduce((sum, file) => sum + file.rows, 0) <= fewEdges;
    let onFound!: (found: FoundPersons) => void;
    const found = new Promise<FoundPersons>((resolve) => (onFound = resolve));
    this.written = (isSmall ? runPersonJob : runInThread)(job, onFound, stop);
    this.found = Promise.race([found, this.written.then(async () => found)]);
    // Whoever fails first may never come to wait for these.
    this.written.catch(() => undefined);
    this.found.catch(() => undefined);
  }

  /** Ends the work, done or not; afterwards nothing of it is at work any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.allSettled([this.written]);
  }
}

/** Settles when the thread has ended. */
function runInThread(
  job: PersonJob,
  onFound: (found: FoundPersons) => void,
  signal: AbortSignal,
): Promise<IdentityFile> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./person-worker.js', import.meta.url), { workerData: job });
    let settle = (): void => reject(new Error('the thread that finds persons ended'));
    worker.on('message', (message: PersonMessage) => {
      if (message.type === 'found') onFound(message.found);
      else if (message.type === 'written') settle = () => resolve(message.identity);
      else settle = () => reject(signal.aborted ? signal.reason : receiveError(message.error));
    });
    worker.once('error', (error) => (settle = () => reject(error)));
    worker.once('exit', () => settle());
    signal.addEventListener('abort', () => worker.postMessage('stop'), { once: true });
    if (signal.aborted) worker.postMessage('stop');
  });
}
