/**
 * A thread that works on facts, one task at a time. It may be terminated at any moment, and terminating a thread while it loads LMDB or DuckDB
 * ends the process: so nothing it imports may load either.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { StarDamaged } from '../master-data/star/append-file.js';
import { messageOf } from '../lib/errors/errors.js';
import { serveRequests } from '../lib/process/request-thread.js';
import { FactWork, type Order, type Reply, type Task, type WorkTables } from './fact-work.js';
import { toRunError } from './run-error.js';

/** Messages of the thread (lib/process/request-thread.ts). */
export interface FactProtocol {
  readonly request: Task | Order;
  readonly response: Reply | { readonly type: 'star-damaged'; readonly message: string };
  readonly event:
    | { readonly type: 'rows'; readonly rows: number }
    | { readonly type: 'blocks'; readonly blocks: Uint8Array<ArrayBuffer> };
}

const work = new FactWork(workerData as WorkTables); // set by fact-threads.ts
if (parentPort !== null)
  serveRequests<FactProtocol>(parentPort, { code: 'batch.failed', retryable: false }, (task, emit) => {
    try {
      return work.do(task, {
        onRows: (rows) => emit({ type: 'rows', rows }),
        onBlocks: (blocks) => emit({ type: 'blocks', blocks }, [blocks.buffer]),
      });
    } catch (error) {
      if (error instanceof StarDamaged) return { type: 'star-damaged', message: messageOf(error) };
      throw toRunError(error);
    }
  });
