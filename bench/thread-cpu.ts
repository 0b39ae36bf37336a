/** CPU time of the calling thread, which does not depend on other load of the machine. */
import { readFileSync } from 'node:fs';

/** CPU time of the calling thread in microseconds; NaN if the system does not report it. */
export function threadCpuMicros(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1000;
  } catch {
    return Number.NaN;
  }
}
