/** Progress reports of a run. Steps come in this order, beginning with `star` or, for other engines, `rules`. */

export const steps = ['rules', 'star', 'persons', 'facts', 'buckets', 'index', 'verify', 'publish'] as const;
export type Step = (typeof steps)[number];

export interface Progress {
  readonly step: Step;
  /** Rows processed in this step; 0 if it has no rows. */
  readonly rows: number;
  /** Rows expected; 0 if unknown. */
  readonly totalRows: number;
  readonly elapsedMs: number;
}

export type OnProgress = (progress: Progress) => void;

/** Reports steps and rows to a listener at most every `intervalMs`, and measures the duration of each step. */
export class ProgressMeter {
  readonly #now: () => number;
  readonly #listener: OnProgress;
  readonly #intervalMs: number;
  readonly #startedAt: number;
  readonly #durations: Partial<Record<Step, number>> = {};
  #step: Step = 'star';
  #stepStartedAt: number;
  #rows = 0;
  #totalRows = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(now: () => number, listener: OnProgress, intervalMs = 200) {
    this.#now = now;
    this.#listener = listener;
    this.#intervalMs = intervalMs;
    this.#startedAt = now();
    this.#stepStartedAt = this.#startedAt;
  }

  begin(step: Step, totalRows = 0): void {
    this.#endStep();
    this.#step = step;
    this.#rows = 0;
    this.#totalRows = totalRows;
    this.#tell();
  }

  add(rows: number): void {
    this.#rows += rows;
    if (this.#now() - this.#toldAt >= this.#intervalMs) this.#tell();
  }

  /** Duration of each step so far, in milliseconds. */
  finish(): Readonly<Partial<Record<Step, number>>> {
    this.#endStep();
    return this.#durations;
  }

  #endStep(): void {
    const now = this.#now();
    this.#durations[this.#step] = (this.#durations[this.#step] ?? 0) + now - this.#stepStartedAt;
    this.#stepStartedAt = now;
  }

  #tell(): void {
    this.#toldAt = this.#now();
    this.#listener({
      step: this.#step,
      rows: this.#rows,
      totalRows: this.#totalRows,
      elapsedMs: this.#toldAt - this.#startedAt,
    });
  }
}
