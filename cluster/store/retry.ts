/** One way to try again, for every request to a store: bounded, with pauses that double and are dealt at random. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryPolicy {
  /** At least 1. */
  readonly attempts: number;
  /** Upper bound of the first pause; that of each further one is twice as long. */
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
}

/** Outlives a store that is away for ten seconds. */
export const usualRetries: RetryPolicy = { attempts: 9, firstPauseMs: 100, maxPauseMs: 5_000 };

/** Calls `work` with the number of the attempt, from 1, until it returns, fails for good, or has failed too often. */
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
