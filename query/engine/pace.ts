/**
 * Long answers in small steps: work goes on for at most one step, then the event loop gets its turn; and no answer is
 * worked on beyond its deadline.
 */
import { HttpProblem } from '../../lib/http/problem.js';

const sliceMs = 8;

export class Pace {
  readonly #startedAt = performance.now();
  readonly #deadlineAt: number;
  #sliceEndsAt = performance.now() + sliceMs;

  /** `performance.now()` by which the work must be done. */
  constructor(deadlineAt: number) {
    this.#deadlineAt = deadlineAt;
  }

  /** True when the step is used up: `await rest()` before going on. */
  get due(): boolean {
    return performance.now() >= this.#sliceEndsAt;
  }

  /** The part of the time until the deadline that has passed, 0 to 1 and beyond. */
  get used(): number {
    return (performance.now() - this.#startedAt) / (this.#deadlineAt - this.#startedAt);
  }

  /** Lets others run. Throws `deadline-exceeded`. */
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
