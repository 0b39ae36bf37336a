/**
 * Runs a role on a thread of its own inside `swa start`, so that a busy sink or speed layer does not hold up HTTP. The only
 * messages are started, failed and stop; everything else goes through the log and the data directory, as between processes.
 *
 * A thread ends by itself. It is never terminated, and the process must not exit while it runs: either aborts the whole process
 * if DuckDB is working for the thread.
 */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../lib/time/clock.js';
import type { Config } from '../lib/config/config.js';
import {
  SwaError,
  messageOf,
  receiveError,
  sendError,
  systemCode,
  type SentError,
} from '../lib/errors/errors.js';
import { threadHeap } from '../lib/process/thread-heap.js';
import { makeLogger } from '../lib/process/process.js';
import type { RunningRole } from '../lib/process/role.js';
import type { Role } from '../lib/process/status.js';
import { startOf } from './roles.js';

/** How long to wait for a thread to end. */
const usualEndTimeoutMs = 10_000;

/** Role threads that have not ended. */
const threads = new Set<Worker>();

/** How many role threads of this process have not ended. */
export function roleThreadsLeft(): number {
  return threads.size;
}

type FromThread = { readonly kind: 'started' } | { readonly kind: 'failed'; readonly error: SentError };

/**
 * Resolves when the role runs. Rejects with the error of its start, with the role's name in front of the message. `stop()` rejects
 * if the thread does not end within `endTimeoutMs`; the thread then keeps its locks until it ends.
 */
export async function startRoleThread(
  role: Role,
  config: Config,
  endTimeoutMs = usualEndTimeoutMs,
): Promise<RunningRole> {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { swaRole: role, config },
    stdin: false,
    resourceLimits: threadHeap,
  });
  threads.add(worker);
  // `once` of node:events would reject on 'error'
  const exited = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      threads.delete(worker);
      resolve();
    });
  });
  const failure = new Promise<never>((_resolve, reject) => {
    worker.on('error', (cause) =>
      reject(new SwaError('internal.invariant', `${role} crashed: ${messageOf(cause)}`, { cause })),
    );
    worker.on('message', (message: FromThread) => {
      if (message.kind !== 'failed') return;
      reject(receiveError({ ...message.error, message: `${role}: ${message.error.message}` }));
    });
    void exited.then(() => reject(new SwaError('internal.invariant', `${role} ended unexpectedly`)));
  });
  failure.catch(() => undefined); // raced below, and read from `done`
  const started = new Promise<void>((resolve) => {
    worker.on('message', (message: FromThread) => {
      if (message.kind === 'started') resolve();
    });
  });
  const stop = async (): Promise<void> => {
    worker.postMessage('stop');
    const timeout = new AbortController();
    const late = sleep(endTimeoutMs, 'late', { signal: timeout.signal }).catch(() => undefined);
    const outcome = await Promise.race([exited, late]);
    timeout.abort();
    if (outcome === 'late')
      throw new SwaError('internal.invariant', `${role} did not stop within ${endTimeoutMs} ms`);
  };
  await Promise.race([started, failure]).catch(async (error: unknown) => {
    await stop().catch(() => undefined); // so that everything it opened is closed before it is started again
    throw error;
  });
  return { done: failure, stop };
}

async function runInThread(port: NonNullable<typeof parentPort>): Promise<void> {
  const { swaRole: role, config } = workerData as { swaRole: Role; config: Config }; // set by startRoleThread above
  const stopAsked = once(port, 'message');
  try {
    const start = await startOf[role]();
    const running = await start({ config, clock: systemClock, logger: makeLogger(config, role) });
    port.postMessage({ kind: 'started' } satisfies FromThread);
    await Promise.race([stopAsked, running.done]);
    await running.stop();
  } catch (error) {
    const isOfSystem = systemCode(error) !== undefined; // a disk, most likely
    const code = isOfSystem ? 'data-dir.unusable' : 'internal.invariant';
    const sent = sendError(error, { code, retryable: isOfSystem });
    port.postMessage({ kind: 'failed', error: sent } satisfies FromThread);
  }
  port.close();
}

const isRoleThread =
  !isMainThread && typeof workerData === 'object' && workerData !== null && 'swaRole' in workerData;
if (isRoleThread && parentPort !== null) await runInThread(parentPort);
