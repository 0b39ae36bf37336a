/** Limits that protect callers from each other: on the number of concurrent requests and on requests per minute. */
import type { Clock } from '../time/clock.js';
import { HttpProblem } from './problem.js';

/** Maximum number of callers counted separately; beyond it all counts of the window restart. */
const maxCallers = 100_000;

/** Limits requests per minute and caller, in fixed windows. */
export class RateLimit {
  readonly #perMinute: number;
  readonly #clock: Clock;
  readonly #counts = new Map<string, number>();
  #window = 0;

  /** `perMinute` 0 means no limit. */
  constructor(perMinute: number, clock: Clock) {
    this.#perMinute = perMinute;
    this.#clock = clock;
  }

  /** Counts a request, or `amount` items of one; throws `too-many-requests` with the seconds to wait. */
  count(caller: string, amount = 1): void {
    if (this.#perMinute === 0) return;
    const now = this.#clock();
    const window = Math.floor(now / 60_000);
    if (window !== this.#window || this.#counts.size >= maxCallers) {
      this.#window = window;
      this.#counts.clear();
    }
    const count = (this.#counts.get(caller) ?? 0) + amount;
    this.#counts.set(caller, count);
    if (count <= this.#perMinute) return;
    const waitSeconds = Math.ceil(((window + 1) * 60_000 - now) / 1000);
    throw new HttpProblem('too-many-requests', `more than ${this.#perMinute} requests in this minute`, {
      headers: { 'Retry-After': String(waitSeconds) },
    });
  }
}

/** Limits the number of requests handled at the same time. */
export class Concurrency {
  readonly #limit: number;
  #active = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get active(): number {
    return this.#active;
  }

  /** Throws `overloaded` at the limit. Each successful `enter` must be followed by one `leave`. */
  enter(): void {
    if (this.#active >= this.#limit) {
      throw new HttpProblem('overloaded', `${this.#limit} requests are already being handled; try again`, {
        headers: { 'Retry-After': '1' },
      });
    }
    this.#active++;
  }

  leave(): void {
    this.#active--;
  }
}
