/** Retries for requests to a store: a bounded number of attempts with exponential backoff and jitter. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryPolicy {
  /** At least 1. */
  readonly attempts: number;
  /** Upper bound of the first pause; doubled for each further one. */
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
}

/** Enough for a store that is unavailable for ten seconds. */
export const defaultRetries: RetryPolicy = { attempts: 9, firstPauseMs: 100, maxPauseMs: 5_000 };

/**
 * Calls `work` with the attempt number, from 1, until it succeeds, throws an error that is not passing, or attempts run out; then throws its last
 * error.
 */
export async function withRetries<T>(
  policy: RetryPolicy,
  isPassing: (error: unknown) => boolean,
  work: (attempt: number) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt >= policy.attempts || !isPassing(error)) throw error;
    }
    const boundMs = Math.min(policy.maxPauseMs, policy.firstPauseMs * 2 ** (attempt - 1));
    await sleep(boundMs / 2 + (Math.random() * boundMs) / 2);
  }
}
