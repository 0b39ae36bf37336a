/**
 * A batch run as a child process of its own: its memory is given back when it ends, a crash of it is one failed run, and
 * nothing that serves shares its event loop. Parent and child speak over Node's IPC channel in the messages below.
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

/** What surrounds a run where several hosts share master dataset and views. */
export interface SharedRun {
  /** Has the newest facts, and the view that serves, in the data directory; until `release` they stay. */
  prepare(signal?: AbortSignal): Promise<{ release(): void }>;
  /** Lets all hosts have the view that the run has published here. Throws `view.refused` when another run was faster. */
  publish(meta: ViewMeta): Promise<void>;
}

export interface SpawnOptions {
  readonly config: Config;
  readonly trigger: Trigger;
  readonly onProgress?: OnProgress;
  /** Ends the child; the old view keeps serving. */
  readonly signal?: AbortSignal;
  readonly shared?: SharedRun | undefined;
  /** What computes; by default this machine's own threads. */
  readonly engine?: EngineSource | undefined;
}

/** How long a child may take to end in order before it is killed. */
const endTimeoutMs = 5_000;
/** Heap of the child. Its columns are typed arrays outside the heap and bounded by the steps themselves. */
const heapMegabytes = 1_024;

/** Runs a batch in a child process. Throws what `runBatch` throws, and `batch.failed` when the child dies. */
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
      const message = raw as RunMessage; // our own child
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
