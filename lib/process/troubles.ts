/** Errors that a role survives: the status board shows the newest one that is still present. */
import type { Clock } from '../time/clock.js';
import type { ErrorCode } from '../errors/errors.js';
import { lastErrorOf, type LastError } from './status.js';

export class Troubles<Name extends string> {
  readonly #clock: Clock;
  readonly #otherwise: ErrorCode;
  readonly #troubles = new Map<Name, LastError>();

  /** @param otherwise code for errors that are neither ours nor the system's */
  constructor(clock: Clock, otherwise: ErrorCode) {
    this.#clock = clock;
    this.#otherwise = otherwise;
  }

  /** The newest error that is still present. */
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

  /** Removes an error; returns true if it was present. */
  over(name: Name): boolean {
    return this.#troubles.delete(name);
  }

  clear(): void {
    this.#troubles.clear();
  }
}
