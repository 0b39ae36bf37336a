/**
 * How far behind the log an answer is. The log's end is sampled now and then; an answer whose cut reaches a sample holds
 * every fact that was durable when the sample was taken. So the lag is measured with one clock and needs no look at
 * any fact, however old the facts themselves are.
 */
import { distance, reaches } from '../../log/cut.js';
import type { Cut, Log, Offsets } from '../../log/log.js';

export interface Lag {
  /** Records in the log that are not in the answer, by the newest sample. */
  readonly records: number;
  /** Every fact that was durable so many milliseconds ago is in the answer; undefined when samples are not kept that long. */
  readonly throughAgoMs: number | undefined;
  /** In partitions that nobody reads: in no answer, whatever its cut. */
  readonly unreadRecords: number;
}

export interface LagSource {
  /** Undefined while the log's end is not known. */
  lagOf(cut: Cut): Lag | undefined;
}

interface Sample {
  readonly at: number;
  readonly next: Offsets;
}

const samplesKept = 240;

/** Samples a log's end at an interval until closed. `monotonic`: milliseconds that nobody sets. */
export class LagWatch implements LagSource {
  readonly #log: Log;
  readonly #monotonic: () => number;
  readonly #samples: Sample[] = [];
  readonly #everyMs: number;
  #unreadRecords = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(log: Log, monotonic: () => number, everyMs = 250) {
    this.#log = log;
    this.#monotonic = monotonic;
    this.#everyMs = everyMs;
  }

  /** Takes the first sample and goes on by itself. */
  async start(): Promise<void> {
    await this.sample();
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      // A log that cannot be reached shows as growing lag; the next sample tries again.
      this.start().catch(() => this.#again());
    }, this.#everyMs);
    this.#timer.unref();
  }

  #again(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.start().catch(() => this.#again()), this.#everyMs * 4);
    this.#timer.unref();
  }

  async sample(): Promise<void> {
    const at = this.#monotonic();
    const next = await this.#log.latest();
    this.#unreadRecords = this.#log.unreadRecords?.() ?? 0;
    this.#samples.push({ at, next });
    if (this.#samples.length > samplesKept) this.#samples.shift();
  }

  lagOf(cut: Cut): Lag | undefined {
    const newest = this.#samples.at(-1);
    if (newest === undefined || cut.logId !== this.#log.id) return undefined;
    const through = this.#samples.findLast((sample) => reaches(cut.next, sample.next))?.at;
    const throughAgoMs = through === undefined ? undefined : this.#monotonic() - through;
    return {
      records: distance(cut.next, newest.next),
      throughAgoMs,
      unreadRecords: this.#unreadRecords,
    };
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}

/** Where there is no log to ask. */
export const unknownLag: LagSource = { lagOf: () => undefined };
