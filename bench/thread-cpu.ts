/** CPU time of one thread: unlike time on the clock it does not depend on who else uses the machine. */
import { readFileSync } from 'node:fs';

/** Microseconds the calling thread has worked; NaN where the system does not tell. */
export function threadCpuMicros(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1000;
  } catch {
    return Number.NaN;
  }
}
