/** Waiting in tests: for a condition, with a deadline, never for a time. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/** For what costs little to look at. */
const shortPauseMs = 20;

/**
 * Calls `met` until it returns something other than undefined or false, and returns that. Fails with `what` after `timeoutMs`.
 * Looks again after 1 ms, then after pauses that double up to `longestPauseMs`: long ones for what asks other processes.
 */
export async function eventually<T>(
  what: string | (() => string),
  met: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 60_000,
  longestPauseMs = shortPauseMs,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    const result = await met();
    if (result !== undefined && result !== false) return result;
    if (performance.now() > deadline)
      assert.fail(`not within ${timeoutMs} ms: ${typeof what === 'string' ? what : what()}`);
    await sleep(pauseMs);
  }
}
