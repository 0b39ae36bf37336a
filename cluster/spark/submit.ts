/** Runs job.py by spark-submit in its own process group, and reads the messages that it writes. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { assetPath } from '../../lib/files/assets.js';
import { SwaError } from '../../lib/errors/errors.js';
import { validJson } from '../../lib/files/valid-json.js';

export interface SubmitOptions {
  /** spark-submit and its options: SWA_SPARK_SUBMIT. */
  readonly command: readonly string[];
  /** Further options for spark-submit. */
  readonly options?: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Locations of job files, as Spark reads them. */
  readonly jobs: readonly string[];
  /** File for Spark's log; replaced. */
  readonly logPath: string;
  readonly onMessage: (message: Message) => void;
  readonly signal?: AbortSignal | undefined;
}

const messageSchema = z.object({
  step: z.enum(['persons', 'facts', 'buckets']).optional(),
  done: z.number().optional(),
  of: z.number().optional(),
  /** The `out` of a job that is complete. */
  finished: z.string().optional(),
  error: z.string().optional(),
});
export type Message = z.output<typeof messageSchema>;

/** How long Spark may take to end after SIGTERM. */
const endTimeoutMs = 3_000;
const linesShown = 3;

/** Resolves when all jobs are computed. Throws `batch.failed` with Spark's message, or the signal's reason. */
export async function submit(options: SubmitOptions): Promise<void> {
  const { command, jobs, logPath, onMessage, signal } = options;
  signal?.throwIfAborted();
  const [program = 'spark-submit', ...given] = command;
  const log = openSync(logPath, 'w', 0o600);
  const child = spawn(
    program,
    [...given, ...(options.options ?? []), assetPath('cluster/spark/job.py'), ...jobs],
    {
      stdio: ['ignore', 'pipe', log],
      detached: true, // its own group: spark-submit starts Java, which starts Python
      env: { ...options.environment, SWA_PARENT_PID: String(process.pid) },
    },
  );
  const abort = (): void => endGroup(child);
  signal?.addEventListener('abort', abort, { once: true });
  let failure: string | undefined;
  const lastLines: string[] = [];
  const lines = createInterface(child.stdout as Readable).on('line', (line) => {
    const message = line.startsWith('{') ? validJson(messageSchema, line) : undefined;
    if (message === undefined) {
      writeSync(log, `${line}\n`);
      lastLines.push(line);
      if (lastLines.length > linesShown) lastLines.shift();
    } else {
      failure ??= message.error;
      onMessage(message);
    }
  });
  try {
    const ending = await ended(child, program);
    signal?.throwIfAborted();
    if (ending === undefined) return;
    throw new SwaError(
      'batch.failed',
      `Spark: ${failure ?? `${program} ${ending}${lastLines.map((line) => `; ${line}`).join('')}`}`,
      {
        hint: `the log of the run is ${logPath}; the published view is unchanged`,
      },
    );
  } finally {
    signal?.removeEventListener('abort', abort);
    lines.close();
    closeSync(log);
  }
}

/** Resolves with undefined for success, else with how the process ended. */
function ended(child: ChildProcess, program: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => {
      reject(
        new SwaError('batch.failed', `Spark: '${program}' could not be started: ${cause.message}`, {
          cause,
          hint: 'set SWA_SPARK_SUBMIT to spark-submit of a Spark 4 with Java 17, and its options',
        }),
      );
    });
    child.once('close', (exitCode, signal) => {
      if (exitCode === 0) resolve(undefined);
      else resolve(signal === null ? `ended with exit code ${exitCode}` : `was ended by ${signal}`);
    });
  });
}

function endGroup(child: ChildProcess): void {
  const sendSignal = (signal: NodeJS.Signals): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // it has ended already
    }
  };
  sendSignal('SIGTERM');
  setTimeout(() => sendSignal('SIGKILL'), endTimeoutMs).unref();
}
