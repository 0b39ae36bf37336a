/**
 * Executes a batch run in a child process: its memory is freed when it ends, a crash is just one failed run, and the roles do not share its
 * event loop. Parent and child exchange the messages below over Node's IPC channel.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Config } from '../lib/config/config.js';
import { projectRoot } from '../lib/files/assets.js';
import { SwaError, receiveError, type SentError } from '../lib/errors/errors.js';
import type { ViewMeta } from '../facts/views/view.js';
import type { Trigger } from '../serving/batch-runs.js';
import type { OnProgress, Progress } from './progress.js';
import type { EngineSource } from './tables/contract.js';

/** Parent to child: start. Sent once. */
export interface RunRequest {
  readonly config: Config;
  readonly trigger: Trigger;
  readonly engine?: EngineSource | undefined;
}

/** Child to parent. */
export type RunMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'published'; readonly meta: ViewMeta }
  | { readonly type: 'failed'; readonly error: SentError };

/** Steps around a run if several hosts share the master dataset and views. */
export interface SharedRun {
  /** Brings the latest facts and the current view into the data directory; they stay until `release`. */
  prepare(signal?: AbortSignal): Promise<{ release(): void }>;
  /** Publishes to all hosts the view that the run has published here. Throws `view.refused` if another run was faster. */
  publish(meta: ViewMeta): Promise<void>;
}

export interface SpawnOptions {
  readonly config: Config;
  readonly trigger: Trigger;
  readonly onProgress?: OnProgress;
  /** Ends the child; the old view keeps serving. */
  readonly signal?: AbortSignal;
  readonly shared?: SharedRun | undefined;
  /** Computes the views; default: this machine's own threads. */
  readonly engine?: EngineSource | undefined;
}

/** Maximum time for a child to end before it is killed. */
const endTimeoutMs = 5_000;
/** Heap of the child. Its columns are typed arrays outside of the heap, bounded by the steps themselves. */
const heapMegabytes = 1_024;

/** Executes a batch run in a child process. Throws the errors of `runBatch`, and `batch.failed` if the child dies. */
export async function spawnBatchRun(options: SpawnOptions): Promise<ViewMeta> {
  const prepared = await options.shared?.prepare(options.signal);
  try {
    const meta = await runInChild(options);
    await options.shared?.publish(meta);
    return meta;
  } finally {
    prepared?.release();
  }
}

async function runInChild(options: SpawnOptions): Promise<ViewMeta> {
  const child = fork(join(projectRoot, 'dist', 'batch', 'run-main.js'), [String(process.pid)], {
    execArgv: [`--max-old-space-size=${heapMegabytes}`, '--expose-gc'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: {},
  });
  const abort = (): void => endChild(child);
  options.signal?.addEventListener('abort', abort, { once: true });
  if (options.signal?.aborted === true) abort();
  try {
    return await outcomeOf(child, options);
  } finally {
    options.signal?.removeEventListener('abort', abort);
  }
}

function outcomeOf(child: ChildProcess, options: SpawnOptions): Promise<ViewMeta> {
  return new Promise((resolve, reject) => {
    let outcome: (() => void) | undefined;
    child.on('message', (raw) => {
      const message = raw as RunMessage; // from our own child
      if (message.type === 'ready') {
        const { config, trigger, engine } = options;
        const request: RunRequest = { config, trigger, engine };
        child.send(request);
      } else if (message.type === 'progress') {
        options.onProgress?.(message.progress);
      } else if (message.type === 'published') {
        outcome = () => resolve(message.meta);
      } else {
        outcome = () => reject(receiveError(message.error));
      }
    });
    child.once('error', (cause) => {
      reject(new SwaError('batch.failed', 'the batch run could not be started', { cause }));
    });
    child.once('close', (exitCode, signal) => {
      outcome ??= () => {
        const how = signal === null ? `ended with exit code ${exitCode}` : `was ended by ${signal}`;
        reject(
          new SwaError('batch.failed', `the batch run ${how}`, { hint: 'the published view is unchanged' }),
        );
      };
      outcome();
    });
  });
}

function endChild(child: ChildProcess): void {
  child.kill('SIGTERM');
  setTimeout(() => child.kill('SIGKILL'), endTimeoutMs).unref();
}
