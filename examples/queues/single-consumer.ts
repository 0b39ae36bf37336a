/**
 * The single-consumer queue: persistent, with leases and acks. Nothing is lost, but work done just before a worker dies
 * is repeated. Every application needs its own queue, which the producer has to write to.
 */
import { join } from 'node:path';
import { SingleConsumerQueue } from '../../log/queue/single-consumer-queue.js';
import {
  Application,
  applications,
  arrivals,
  perTick,
  restartTicks,
  tallyOf,
  type Tally,
} from './scenario.js';

const leaseTicks = 20;

/** `dir` is the folder for the queues. */
export async function singleConsumer(dir: string): Promise<Tally[]> {
  const tallies: Tally[] = [];
  for (const [i, name] of applications.entries()) {
    const application = new Application(name, i + 1);
    let now = 0;
    const open = () => SingleConsumerQueue.open(join(dir, name), () => now, { leaseMs: leaseTicks });
    const producer = open();
    let worker = open();
    let awayTicks = 0;
    const tick = async (): Promise<void> => {
      now++;
      if (awayTicks > 0) awayTicks--;
      for (let n = 0; n < perTick && awayTicks === 0; n++) {
        const leased = worker.get();
        if (leased === undefined) return;
        const fate = application.work(Number(Buffer.from(leased.item).toString()));
        if (fate === 'done') worker.ack(leased.id);
        else if (fate === 'fails') worker.fail(leased.id);
        else {
          await worker.close(); // dead; its lease stays until it expires
          worker = open();
          awayTicks = restartTicks;
        }
      }
    };
    for (const items of arrivals()) {
      producer.add(...items.map((item) => Buffer.from(String(item))));
      await tick();
    }
    while (worker.size > 0) await tick();
    await Promise.all([producer.close(), worker.close()]);
    tallies.push(tallyOf(application));
  }
  return tallies;
}
