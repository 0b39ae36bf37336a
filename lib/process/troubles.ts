/** What may go wrong while a role continues: each trouble is on the status board while it lasts, the newest one of all. */
import type { Clock } from '../time/clock.js';
import type { ErrorCode } from '../errors/errors.js';
import { lastErrorOf, type LastError } from './status.js';

export class Troubles<Name extends string> {
  readonly #clock: Clock;
  readonly #otherwise: ErrorCode;
  readonly #troubles = new Map<Name, LastError>();

  /** @param otherwise code of errors that are neither ours nor the system's */
  constructor(clock: Clock, otherwise: ErrorCode) {
    this.#clock = clock;
    this.#otherwise = otherwise;
  }

  /** Of what is wrong now. */
  get newest(): LastError | null {
    return [...this.#troubles.values()].toSorted((a, b) => b.at - a.at)[0] ?? null;
  }

  has(name: Name): boolean {
    return this.#troubles.has(name);
  }

  note(name: Name, error: unknown): void {
    const lastError = lastErrorOf(error, this.#clock(), this.#otherwise);
    this.#troubles.set(name, { ...lastError, message: `${name}: ${lastError.message}` });
  }

  /** True when it was there. */
  over(name: Name): boolean {
    return this.#troubles.delete(name);
  }

  clear(): void {
    this.#troubles.clear();
  }
}
