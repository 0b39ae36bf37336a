/** The worker of request-thread.test.ts: counts up to the given number and sends each number as an event. */
import { setImmediate as turn } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { SwaError } from '../errors/errors.js';
import { serveRequests } from '../process/request-thread.js';

export interface Counting {
  readonly request: number;
  readonly response: number;
  readonly event: number;
}

if (parentPort !== null)
  serveRequests<Counting>(parentPort, { code: 'internal.invariant', retryable: true }, async (to, tell) => {
    if (to === -1) throw new SwaError('usage.invalid', 'cannot count to -1', { hint: 'count up' });
    if (to === -2) throw new TypeError('not ours');
    if (to === -3) setImmediate(() => assertNever());
    if (to < 0) return new Promise<number>(() => undefined);
    for (let number = 1; number <= to; number++) {
      tell(number);
      await turn();
    }
    return to;
  });

function assertNever(): never {
  throw new RangeError('out of numbers');
}
