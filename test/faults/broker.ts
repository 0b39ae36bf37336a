/** Layers on a real Kafka broker, which is killed, or stands still, under load. A start of one takes long, so they are in the long form only. */
import { setTimeout as delay } from 'node:timers/promises';
import { KafkaBroker, kafkaSkip } from '../kafka/broker.js';
import type { Layer } from './layer.js';
import type { Random } from './load.js';
import { Trial } from './trial.js';

/** @param hurt ends with the broker at work again */
function onBroker(
  name: string,
  rounds: number,
  hurt: (broker: KafkaBroker, trial: Trial, random: Random) => Promise<void>,
): Layer {
  return {
    name,
    rounds,
    minimum: rounds,
    skip: kafkaSkip(),
    async open(t) {
      const broker = await KafkaBroker.start();
      const trial = await Trial.start(t, 'together', { kafkaBroker: broker.address });
      t.after(() => broker.dispose());
      return {
        round: (random) =>
          trial.round(random, async () => {
            if (random(2) === 0) await trial.askForRun();
            await delay(random(1_000));
            await hurt(broker, trial, random);
            return true;
          }),
      };
    },
  };
}

export const brokerLayers: readonly Layer[] = [
  onBroker('kill -9 of the Kafka broker', 1 / 3, async (broker, _trial, random) => {
    await broker.stop('SIGKILL');
    await delay(random(2_000));
    await broker.resume();
  }),
  onBroker('the Kafka broker stands still (SIGSTOP), and goes on', 1 / 3, async (broker, _trial, random) => {
    broker.signal('SIGSTOP');
    await delay(1_000 + random(6_000));
    broker.signal('SIGCONT');
  }),
  onBroker('kill -9 of the Kafka broker and of the system', 1 / 3, async (broker, trial, random) => {
    await Promise.all([broker.stop('SIGKILL'), delay(random(200)).then(() => trial.system.kill('all'))]);
    await broker.resume();
  }),
];
