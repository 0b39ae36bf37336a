/**
 * The update loop of the live page: a round of requests, a pause, the next round. Pauses while the page is hidden or the reader has paused it,
 * leaves a slow server idle for four fifths of the time, and backs off when rounds fail.
 */

export type RoundResult =
  | { readonly ok: true }
  /** `isLast`: no further round, except on request or when the page becomes visible again. */
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
   * @param round must not throw, and ends early if its signal aborts
   * @param everyMs minimum pause between two rounds
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

  /** Starts a round now, and aborts a running one, whose query may be outdated. */
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
