/**
 * The rhythm of the live page: a round of requests, a pause, the next round. It rests while the page is hidden or the reader
 * has stopped it, leaves a slow server four fifths of the time, and backs off when rounds fail.
 */

export type RoundResult =
  | { readonly ok: true }
  /** `isLast`: the next round is one that is asked for, or that of a page which is looked at again. */
  | { readonly ok: false; readonly retryAfterMs: number | undefined; readonly isLast?: boolean };

const longestMs = 30_000;

export class Refresh {
  readonly #everyMs: number;
  readonly #round: (signal: AbortSignal) => Promise<RoundResult>;
  #timer: number | undefined;
  #running: AbortController | undefined;
  #failures = 0;
  #paused = false;

  /**
   * @param round must not throw, and ends early when its signal says so
   * @param everyMs the shortest pause between two rounds
   */
  constructor(round: (signal: AbortSignal) => Promise<RoundResult>, everyMs: number) {
    this.#everyMs = everyMs;
    this.#round = round;
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.#halt();
      else if (!this.#paused) this.now();
    });
  }

  get paused(): boolean {
    return this.#paused;
  }

  pause(): void {
    this.#paused = true;
    this.#halt();
  }

  resume(): void {
    this.#paused = false;
    this.now();
  }

  /** Starts a round at once; one under way is given up, since it asks an older question. */
  now(): void {
    this.#halt();
    const running = new AbortController();
    this.#running = running;
    void this.#run(running);
  }

  async #run(running: AbortController): Promise<void> {
    const startedAt = performance.now();
    const result = await this.#round(running.signal);
    if (running.signal.aborted) return;
    this.#running = undefined;
    this.#failures = result.ok ? 0 : this.#failures + 1;
    if (this.#paused || document.hidden || (!result.ok && result.isLast === true)) return;
    const pauseMs = result.ok
      ? Math.max(this.#everyMs, 4 * (performance.now() - startedAt))
      : (result.retryAfterMs ?? this.#everyMs * 2 ** this.#failures);
    this.#timer = window.setTimeout(() => this.now(), Math.min(pauseMs, longestMs));
  }

  #halt(): void {
    window.clearTimeout(this.#timer);
    this.#running?.abort();
    this.#running = undefined;
  }
}
