/**
 * Writes the persons concurrently with the other steps: in a thread, or in this one if there are few. The thread may be terminated at any
 * moment, so nothing it imports may load DuckDB or LMDB, which do not survive that.
 */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { PackedTexts } from '../../lib/memory/packed-texts.js';
import { RequestThread, serveRequests } from '../../lib/process/request-thread.js';
import { writeIdentity, type IdentityName } from '../../serving/identity.js';
import type { Sorted } from '../../serving/sorted-file.js';
import { toRunError } from '../run-error.js';
import { eachPerson, type Members } from '../arrays/persons.js';

export type IdentityFile = Sorted<IdentityName>;

const smallIdCount = 20_000;
/** Distinguishes this thread from others that load this module. */
const isIdentityThread = 'swa: identity thread';

interface IdentityJob {
  readonly request: Job;
  readonly response: IdentityFile;
  readonly event: never;
}

interface Job {
  readonly path: string;
  readonly ids: ReturnType<PackedTexts['parts']>;
  readonly members: Uint32Array;
  readonly ends: Uint32Array;
}

export class IdentityThread {
  /** Rejects if the file cannot be written, or on `stop`. */
  readonly written: Promise<IdentityFile>;
  #thread: RequestThread<IdentityJob> | undefined;

  /** @param path file to write; must not exist */
  constructor(path: string, { ids, members, ends }: Members) {
    if (ids.count <= smallIdCount) {
      this.written = writeIdentity(path, ids, eachPerson({ members, ends }));
    } else {
      const job: Job = { path, ids: ids.parts(), members, ends };
      const worker = new Worker(new URL(import.meta.url), { workerData: isIdentityThread });
      this.#thread = new RequestThread<IdentityJob>(worker, 'the thread that writes persons');
      this.written = this.#thread.send(job);
    }
    this.written.catch(() => undefined); // after an earlier failure it is never awaited
  }

  /** Stops the work, whether it is done or not; resolves when nothing is running. */
  async stop(): Promise<void> {
    await this.#thread?.terminate();
    await Promise.allSettled([this.written]);
  }
}

if (!isMainThread && parentPort !== null && workerData === isIdentityThread)
  serveRequests<IdentityJob>(
    parentPort,
    { code: 'batch.failed', retryable: false },
    async ({ path, ids, members, ends }) => {
      try {
        return await writeIdentity(path, PackedTexts.from(ids), eachPerson({ members, ends }));
      } catch (error) {
        throw toRunError(error);
      }
    },
  );
