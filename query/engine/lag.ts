/**
 * Measures how far an answer is behind the log. The log's end is sampled periodically; an answer whose cut reaches a sample includes every fact
 * that was durable when the sample was taken. So the lag is measured with one clock, without looking at facts and independently of their age.
 */
import { SwaError, hasCode, type ErrorCode } from '../../lib/errors/errors.js';
import { distance, reaches } from '../../log/cut.js';
import type { Cut, Log, Offsets } from '../../log/log.js';

export interface Lag {
  /** Records in the log that are not in the answer, by the latest sample. */
  readonly records: number;
  /** Every fact that was durable this long ago is in the answer; undefined if samples do not go back far enough. */
  readonly throughAgoMs: number | undefined;
  /** Records in partitions that are not read: in no answer, whatever its cut. */
  readonly unreadRecords: number;
}

export interface LagSource {
  /** Undefined while the log's end is unknown. */
  lagOf(cut: Cut): Lag | undefined;
}

interface Sample {
  readonly at: number;
  readonly next: Offsets;
}

const samplesKept = 120;

/** Errors for which retrying is pointless. */
const permanentErrors: readonly ErrorCode[] = ['config.invalid', 'log.mismatch'];

export interface LagWatchOptions {
  readonly open: () => Promise<Log>;
  /** Monotonic milliseconds. */
  readonly monotonic: () => number;
  readonly everyMs?: number;
  /** Called with the reason when the log's end cannot be read; with undefined when it can again. */
  readonly onTrouble?: (error: unknown) => void;
}

/**
 * Samples a log's end periodically until closed. A log that cannot be opened or read does not block anything: its end is then unknown, or the
 * lag grows, and the next attempt comes later.
 */
export class LagWatch implements LagSource {
  readonly #options: LagWatchOptions;
  readonly #everyMs: number;
  readonly #samples: Sample[] = [];
  #log: Log | undefined;
  #unreadRecords = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: LagWatchOptions) {
    this.#options = options;
    this.#everyMs = options.everyMs ?? 500;
  }

  /** Takes the first sample, then continues in the background. Throws `config.invalid` and `log.mismatch`, when it is the wrong log. */
  async start(): Promise<void> {
    const error = await this.#attempt();
    if (hasCode(error, ...permanentErrors)) throw error;
  }

  /** Takes a sample and schedules the next attempt. Returns the error, if any. */
  async #attempt(): Promise<unknown> {
    let error: unknown;
    try {
      await this.sample();
    } catch (cause) {
      error = cause;
    }
    if (this.#closed) return error;
    this.#options.onTrouble?.(error);
    const pauseMs = error === undefined ? this.#everyMs : 4 * this.#everyMs;
    this.#timer = setTimeout(() => void this.#attempt(), pauseMs).unref();
    return error;
  }

  async sample(): Promise<void> {
    const log = (this.#log ??= await this.#open());
    const at = this.#options.monotonic();
    const next = await log.latest();
    this.#unreadRecords = log.unreadRecords?.() ?? 0;
    this.#samples.push({ at, next });
    if (this.#samples.length > samplesKept) this.#samples.shift();
  }

  lagOf(cut: Cut): Lag | undefined {
    const newest = this.#samples.at(-1);
    if (newest === undefined || cut.logId !== this.#log?.id) return undefined;
    const through = this.#samples.findLast((sample) => reaches(cut.next, sample.next))?.at;
    const throughAgoMs = through === undefined ? undefined : this.#options.monotonic() - through;
    return {
      records: distance(cut.next, newest.next),
      throughAgoMs,
      unreadRecords: this.#unreadRecords,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#log?.close();
  }

  async #open(): Promise<Log> {
    const log = await this.#options.open();
    if (!this.#closed) return log;
    await log.close();
    throw new SwaError('log.closed', 'the lag watch is closed');
  }
}

/** For use without a log. */
export const unknownLag: LagSource = { lagOf: () => undefined };
