/** What keeps one caller from hurting the others: a bound on requests being handled, and one on requests a minute. */
import type { Clock } from '../time/clock.js';
import { HttpProblem } from './problem.js';

/** Callers told apart at most; beyond that the window's counts start again. */
const maxCallers = 100_000;

/** Requests a minute for each caller, in fixed windows. */
export class RateLimit {
  readonly #perMinute: number;
  readonly #clock: Clock;
  readonly #counts = new Map<string, number>();
  #window = 0;

  /** 0 means no limit. */
  constructor(perMinute: number, clock: Clock) {
    this.#perMinute = perMinute;
    this.#clock = clock;
  }

  /** Counts a request, or the several things one brings; throws `too-many-requests` with the seconds to wait. */
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

/** Requests being handled at once. */
export class Concurrency {
  readonly #limit: number;
  #active = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get active(): number {
    return this.#active;
  }

  /** Throws `overloaded` when the limit is reached; otherwise every `enter` is followed by one `leave`. */
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
