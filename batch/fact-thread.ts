/**
 * A thread that works on facts, one task at a time, as they are sent to it. It may be terminated at any moment, and a thread that is
 * terminated while it loads LMDB or DuckDB ends the process: nothing it imports may load either.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { StarDamaged } from '../master-data/star/append-file.js';
import { messageOf, sendError, type SentError } from '../lib/errors/errors.js';
import { FactWork, type Order, type Reply, type Task } from './fact-work.js';
import type { FactTables } from './arrays/dealer.js';
import { nameError } from './name-error.js';

/** Thread to its owner. */
export type FactMessage =
  | { readonly type: 'rows'; readonly rows: number }
  | { readonly type: 'blocks'; readonly blocks: Uint8Array<ArrayBuffer> }
  | { readonly type: 'reply'; readonly reply: Reply }
  | { readonly type: 'failed'; readonly error: SentError }
  | { readonly type: 'star-damaged'; readonly message: string };

const work = new FactWork(workerData as FactTables); // set by fact-threads.ts
const tell = (message: FactMessage, transfer: ArrayBuffer[] = []): void => {
  parentPort?.postMessage(message, transfer);
};
parentPort?.on('message', (task: Task | Order) => {
  try {
    const reply = work.do(task, {
      onRows: (rows) => tell({ type: 'rows', rows }),
      onBlocks: (blocks) => tell({ type: 'blocks', blocks }, [blocks.buffer]),
    });
    tell({ type: 'reply', reply });
  } catch (error) {
    if (error instanceof StarDamaged) tell({ type: 'star-damaged', message: messageOf(error) });
    else
      tell({
        type: 'failed',
        error: sendError(nameError(error), { code: 'batch.failed', retryable: false }),
      });
  }
});
