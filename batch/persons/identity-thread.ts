/**
 * Persons written beside everything else: in a thread, or here when starting one would cost more than the work. The thread may be
 * terminated at any moment, so nothing it imports may load DuckDB or LMDB, which do not survive that.
 */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { receiveError, sendError, type SentError } from '../../lib/errors/errors.js';
import { PackedTexts } from '../../lib/memory/packed-texts.js';
import { writeIdentity, type IdentityName } from '../../serving/identity.js';
import type { Sorted } from '../../serving/sorted-file.js';
import { nameError } from '../name-error.js';
import { eachPerson, type Members } from '../arrays/persons.js';

export type IdentityFile = Sorted<IdentityName>;

const fewIds = 20_000;

interface Job {
  readonly path: string;
  readonly ids: ReturnType<PackedTexts['parts']>;
  readonly members: Uint32Array;
  readonly ends: Uint32Array;
}

type Reply = { readonly identity: IdentityFile } | { readonly error: SentError };

export class IdentityThread {
  /** Rejects when the file cannot be written, or writing was stopped. */
  readonly written: Promise<IdentityFile>;
  #worker: Worker | undefined;

  /** @param path of the file to write; must not exist */
  constructor(path: string, { ids, members, ends }: Members) {
    if (ids.count <= fewIds) {
      this.written = writeIdentity(path, ids, eachPerson({ members, ends }));
    } else {
      const job: Job = { path, ids: ids.parts(), members, ends };
      this.#worker = new Worker(new URL(import.meta.url), { workerData: job });
      this.written = settled(this.#worker);
    }
    this.written.catch(() => undefined); // whoever fails first may never come to wait for it
  }

  /** Ends the work, done or not; afterwards nothing of it is at work any more. */
  async stop(): Promise<void> {
    await this.#worker?.terminate();
    await Promise.allSettled([this.written]);
  }
}

function settled(worker: Worker): Promise<IdentityFile> {
  return new Promise((resolve, reject) => {
    worker.once('message', (reply: Reply) => {
      if ('identity' in reply) resolve(reply.identity);
      else reject(receiveError(reply.error));
    });
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the thread that writes persons ended')));
  });
}

if (!isMainThread && parentPort !== null && isJob(workerData)) {
  const { path, ids, members, ends } = workerData;
  const reply = await writeIdentity(path, PackedTexts.from(ids), eachPerson({ members, ends })).then(
    (identity): Reply => ({ identity }),
    (error: unknown): Reply => ({
      error: sendError(nameError(error), { code: 'batch.failed', retryable: false }),
    }),
  );
  parentPort.postMessage(reply);
}

/** Set by IdentityThread; this module may be loaded in other threads. */
function isJob(data: unknown): data is Job {
  return typeof data === 'object' && data !== null && 'members' in data && 'ends' in data && 'ids' in data;
}
