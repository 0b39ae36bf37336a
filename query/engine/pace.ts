/** Divides long answers into small steps, after which the event loop gets its turn, and enforces the deadline of an answer. */
import { HttpProblem } from '../../lib/http/problem.js';

const sliceMs = 8;

export class Pace {
  readonly #startedAt = performance.now();
  readonly #deadlineAt: number;
  #sliceEndsAt = performance.now() + sliceMs;

  /** @param deadlineAt `performance.now()` by which the work must be done */
  constructor(deadlineAt: number) {
    this.#deadlineAt = deadlineAt;
  }

  /** True if the step is over: call `await rest()` before continuing. */
  get due(): boolean {
    return performance.now() >= this.#sliceEndsAt;
  }

  /** Fraction of the time until the deadline that has passed; more than 1 after it. */
  get used(): number {
    return (performance.now() - this.#startedAt) / (this.#deadlineAt - this.#startedAt);
  }

  /** Yields to the event loop. Throws `deadline-exceeded`. */
  async rest(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const now = performance.now();
    if (now > this.#deadlineAt) {
      throw new HttpProblem(
        'deadline-exceeded',
        'ask for a shorter range, a longer interval or a shorter list',
        {
          headers: { 'Retry-After': '1' },
        },
      );
    }
    this.#sliceEndsAt = now + sliceMs;
  }
}
