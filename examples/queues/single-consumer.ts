/**
 * The single-consumer queue: persistent, with leases and acks. Nothing is lost; what a worker did just before it died
 * is done again. Every application needs a queue of its own, which the producer has to write.
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

/** `dir`: where the queues may be kept. */
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
          await worker.close(); // dead; its lease runs on until it runs out
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
