/**
 * Longest piece of work of this process's main thread that let nothing else run, by the processor time it took: what the event loop would have
 * stalled for on a machine with nothing else to do. Linux alone.
 */
import { existsSync, readFileSync } from 'node:fs';

const path = `/proc/self/task/${process.pid}/schedstat`;

/** Why it cannot be measured here; false where it can. */
export const noMainThreadTime: string | false = existsSync(path)
  ? false
  : 'needs /proc/self/task/*/schedstat';

/** Nanoseconds on a processor, first of three numbers; brought up to date with each tick of the kernel (at most 10 ms). */
function mainThreadMs(): number {
  return Number(readFileSync(path, 'latin1').split(' ', 1)[0]) / 1e6;
}

/** Measures until `stop` is called, which gives the longest piece in milliseconds. */
export function longestPiece(): { readonly stop: () => number } {
  let longestMs = 0;
  let before = mainThreadMs();
  let next: NodeJS.Immediate;
  const look = (): void => {
    const now = mainThreadMs();
    longestMs = Math.max(longestMs, now - before);
    before = now;
    next = setImmediate(look);
  };
  next = setImmediate(look);
  return {
    stop: () => {
      clearImmediate(next);
      return longestMs;
    },
  };
}
