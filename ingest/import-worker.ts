/**
 * Works off the imports that were left as jobs, one at a time, in the process that is the log's writer. A job is taken from the
 * single-consumer queue and acknowledged when its last fact is durable; if this process dies before that, the next one does it
 * again, and repeated lines count once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Clock } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';
import type { JobQueue, LeasedJob } from '../lib/queue/job-queue.js';
import type { UrlRules } from '../lib/url/normalize.js';
import type { FactSink } from './fact-sinks.js';
import {
  importCountsSchema,
  importFile,
  importFormatSchema,
  newImportCounts,
  type ImportCounts,
} from './import.js';
import { RejectFile, defaultRejectPath } from './reject-file.js';

export interface ImportWorkerOptions {
  readonly dataDir: string;
  readonly jobs: JobQueue<'import'>;
  readonly sink: Pick<FactSink, 'append'>;
  readonly urls: UrlRules;
  readonly clock: Clock;
  /** Called when an import moves on, ends or fails. */
  readonly onChange: (state: ImportState) => void;
}

export const importStateSchema = importCountsSchema.extend({
  /** Id of the job. */
  job: z.number(),
  file: z.string(),
  /** Interrupted: the process ended first, and the next one does the import again. */
  state: z.enum(['running', 'interrupted', 'done', 'failed']),
  /** Why it failed, or where its rejected lines are. */
  note: z.string().nullable(),
});
export type ImportState = Readonly<z.infer<typeof importStateSchema>>;

const pollMs = 500;
const renewEveryMs = 20_000;
const retryDelayMs = 10_000;
/** An import that failed this often is given up; its last error stays on the status board. */
const maxAttempts = 3;

export class ImportWorker {
  readonly #options: ImportWorkerOptions;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;

  constructor(options: ImportWorkerOptions) {
    this.#options = options;
    this.#ended = this.#work().catch((error: unknown) => {
      options.onChange({ job: 0, file: '', ...newImportCounts(), state: 'failed', note: messageOf(error) });
    });
  }

  /** Stops after the batch under way; an unfinished import stays in the queue. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
    await this.#options.jobs.close();
  }

  async #work(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const job = this.#options.jobs.get();
      if (job !== undefined) await this.#take(job);
      else await sleep(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #take(leased: LeasedJob<'import'>): Promise<void> {
    const { jobs, dataDir, clock, onChange } = this.#options;
    const { file } = leased.job;
    const about = { job: leased.id, file };
    const counts = newImportCounts();
    const rejects = new RejectFile(defaultRejectPath(dataDir, file, clock));
    const renewal = setInterval(() => jobs.renew(leased.id), renewEveryMs);
    try {
      await this.#import(leased, counts, rejects);
      const isInterrupted = this.#stopping.signal.aborted;
      if (isInterrupted) jobs.fail(leased.id);
      else jobs.ack(leased.id);
      const note = rejects.count > 0 ? rejects.path : null;
      onChange({ ...about, ...counts, state: isInterrupted ? 'interrupted' : 'done', note });
    } catch (error) {
      if (leased.attempt >= maxAttempts) jobs.ack(leased.id);
      else jobs.fail(leased.id, retryDelayMs);
      onChange({ ...about, ...counts, state: 'failed', note: messageOf(error) });
    } finally {
      clearInterval(renewal);
      rejects.close();
    }
  }

  async #import({ id, job }: LeasedJob<'import'>, counts: ImportCounts, rejects: RejectFile): Promise<void> {
    const { sink, urls, clock, onChange } = this.#options;
    await importFile(
      {
        path: job.file,
        format: importFormatSchema.parse(job.format),
        sink,
        urls,
        clock,
        signal: this.#stopping.signal,
        onRejected: (line) => rejects.add(line),
        onProgress: (now) => onChange({ job: id, file: job.file, ...now, state: 'running', note: null }),
      },
      counts,
    );
  }
}
