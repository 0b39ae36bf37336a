/**
 * Runs queued imports one at a time, in the process that is the log's writer. A job is leased from the single-consumer
 * queue and acknowledged when its last fact is durable. If the process dies before that, the next one repeats the import,
 * and repeated lines count once. While the log cannot accept facts, the import waits.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { newImportCounts, type ImportCounts, type ImportState } from './import-state.js';
import type { Clock } from '../lib/time/clock.js';
import { addressKey } from '../lib/files/data-dir.js';
import { SwaError, messageOf, hasCode } from '../lib/errors/errors.js';
import type { JobQueue, LeasedJob } from '../log/queue/job-queue.js';
import type { BotRule } from '../facts/bots.js';
import type { UrlRules } from '../facts/url/normalize.js';
import { patientSink, type FactSink } from './fact-sinks.js';
import { whyWaiting } from './import.js';
import { RecordedImport } from './recorded-import.js';
import type { FormatOf } from './line-format.js';
import { takeThreadCount } from './take-threads.js';
import { RejectFile, defaultRejectPath } from './reject-file.js';

export interface ImportWorkerOptions {
  readonly dataDir: string;
  readonly jobs: JobQueue<'import'>;
  readonly sink: Pick<FactSink, 'append' | 'appendRecords'>;
  readonly urls: UrlRules;
  readonly bots: Pick<BotRule, 'excludes' | 'mode'>;
  readonly formatOf: FormatOf;
  readonly clock: Clock;
  /** Called when an import makes progress, ends or fails. */
  readonly onChange: (state: ImportState) => void;
}

const pollMs = 1_000;
const renewEveryMs = 20_000;
const retryDelayMs = 10_000;
/** An import is given up after this many failures in one process; its last error stays on the status board. */
const maxFailures = 3;

export class ImportWorker {
  readonly #options: ImportWorkerOptions;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;
  /** Failures by job. The queue's attempts also count the ends of a process, which are not failures of the import. */
  readonly #failures = new Map<number, number>();

  constructor(options: ImportWorkerOptions) {
    this.#options = options;
    this.#ended = this.#work();
  }

  /** Stops after the current batch; an unfinished import stays in the queue. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
    await this.#options.jobs.close();
  }

  /** Never rejects: errors of the queue are reported with `onChange`, and the next job is taken. */
  async #work(): Promise<void> {
    const { jobs, onChange } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let leased: LeasedJob<'import'> | undefined;
      try {
        leased = jobs.get();
        if (leased !== undefined) await this.#take(leased);
      } catch (error) {
        const about = { job: leased?.id ?? 0, file: leased?.job.file ?? '' };
        onChange({ ...about, ...newImportCounts(), state: 'failed', note: messageOf(error) });
      }
      if (leased === undefined) await sleep(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #take(leased: LeasedJob<'import'>): Promise<void> {
    const { jobs, dataDir, clock, onChange } = this.#options;
    const { id, job } = leased;
    const counts = newImportCounts();
    const say = (state: ImportState['state'], note: string | null): void =>
      onChange({ job: id, file: job.file, ...counts, state, note });
    const rejects = new RejectFile(defaultRejectPath(dataDir, job.file, clock));
    const lost = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, lost.signal]);
    const renewal = setInterval(() => {
      try {
        jobs.renew(id);
      } catch (error) {
        lost.abort(error);
      }
    }, renewEveryMs);
    try {
      await this.#import(leased, counts, rejects, signal);
      signal.throwIfAborted();
      jobs.ack(id);
      say('done', whyWaiting(counts) ?? (rejects.count > 0 ? (rejects.path ?? null) : null));
    } catch (error) {
      if (lost.signal.aborted || isLost(error)) {
        say('interrupted', messageOf(lost.signal.reason ?? error));
      } else if (signal.aborted) {
        jobs.fail(id);
        say('interrupted', null);
      } else {
        this.#fail(id, error);
        say('failed', messageOf(error));
      }
    } finally {
      clearInterval(renewal);
      rejects.close();
    }
  }

  /** Returns the job to the queue, or gives it up. Retryable errors, such as a full disk, do not count as failures. */
  #fail(id: number, error: unknown): void {
    const { jobs } = this.#options;
    const isPassing = error instanceof SwaError && error.retryable;
    const failures = (this.#failures.get(id) ?? 0) + (isPassing ? 0 : 1);
    this.#failures.set(id, failures);
    if (failures < maxFailures) jobs.fail(id, retryDelayMs);
    else jobs.ack(id);
  }

  async #import(
    { id, job }: LeasedJob<'import'>,
    counts: ImportCounts,
    rejects: RejectFile,
    signal: AbortSignal,
  ): Promise<void> {
    const { dataDir, sink, urls, bots, formatOf, clock, onChange } = this.#options;
    const say = (note: string | null): void =>
      onChange({ job: id, file: job.file, ...counts, state: 'running', note });
    const recorded = new RecordedImport({
      dataDir,
      clock,
      stored: job.format,
      paths: [job.file],
      again: job.again === true,
      id: job.importId,
    });
    recorded.begin();
    await recorded.take(
      {
        path: job.file,
        format: await formatOf(job.format, () => addressKey(this.#options.dataDir)),
        sink: patientSink(sink, signal, (error) => say(`waits: ${error.message}`)),
        urls,
        bots,
        threads: takeThreadCount(),
        signal,
        onRejected: (line) => rejects.add(line),
        onProgress: () => say(null),
      },
      counts,
    );
    recorded.end(counts);
  }
}

/** Whether the error says that this worker has lost the job's lease. */
function isLost(error: unknown): boolean {
  return hasCode(error, 'queue.unknown-item');
}
