/** Errors that a role survives: the status board shows the newest one that is still present. */
import type { Clock } from '../time/clock.js';
import type { ErrorCode } from '../errors/errors.js';
import { lastErrorOf, type LastError } from './status.js';

export class ActiveErrors<Name extends string> {
  readonly #clock: Clock;
  readonly #otherwise: ErrorCode;
  readonly #errors = new Map<Name, LastError>();

  /** @param otherwise code for errors that are neither ours nor the system's */
  constructor(clock: Clock, otherwise: ErrorCode) {
    this.#clock = clock;
    this.#otherwise = otherwise;
  }

  /** The newest error that is still present. */
  get newest(): LastError | null {
    return [...this.#errors.values()].toSorted((a, b) => b.at - a.at)[0] ?? null;
  }

  has(name: Name): boolean {
    return this.#errors.has(name);
  }

  add(name: Name, error: unknown): void {
    const lastError = lastErrorOf(error, this.#clock(), this.#otherwise);
    this.#errors.set(name, { ...lastError, message: `${name}: ${lastError.message}` });
  }

  /** Removes an error; returns true if it was present. */
  resolve(name: Name): boolean {
    return this.#errors.delete(name);
  }

  clear(): void {
    this.#errors.clear();
  }
}
