/**
 * Fire and forget: the producer sends each item and does not track it. A small buffer absorbs single items but no
 * bursts. Items that fail, that arrive while the worker is down, or that are buffered when it dies are lost.
 */
import { SwaError } from '../../lib/errors/errors.js';
import { FifoQueue } from '../../log/queue/fifo-queue.js';
import {
  Application,
  applications,
  arrivals,
  perTick,
  restartTicks,
  tallyOf,
  type Tally,
} from './scenario.js';

const bufferItems = 20;

export function fireAndForget(): Tally[] {
  return applications.map((name, i) => {
    const application = new Application(name, i + 1);
    let buffer = new FifoQueue<number>(bufferItems);
    let awayTicks = 0;
    const tick = (): void => {
      if (awayTicks > 0) awayTicks--;
      for (let n = 0; n < perTick && awayTicks === 0 && buffer.size > 0; n++) {
        if (!application.work(buffer.poll() ?? 0).startsWith('dies')) continue;
        buffer = new FifoQueue(bufferItems);
        awayTicks = restartTicks;
      }
    };
    for (const items of arrivals()) {
      if (awayTicks === 0) items.forEach((item) => addOrDrop(buffer, item));
      tick();
    }
    while (buffer.size > 0) tick();
    return tallyOf(application);
  });
}

function addOrDrop(buffer: FifoQueue<number>, item: number): void {
  try {
    buffer.add(item);
  } catch (error) {
    if (!(error instanceof SwaError && error.code === 'queue.full')) throw error;
  }
}
