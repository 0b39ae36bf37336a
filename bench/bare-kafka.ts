/** The baseline of our Kafka reader: kafkajs alone, with its defaults. */
import kafkajs from 'kafkajs';
import type { Config } from '../lib/config/config.js';

/** Reads the first `total` pageview records and passes each to `use`. */
export async function readBare(
  config: Config,
  total: number,
  use: (value: Uint8Array) => void,
): Promise<void> {
  const kafka = new kafkajs.Kafka({ brokers: config.kafkaBrokers, logLevel: kafkajs.logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `bare-${performance.now()}` });
  await consumer.connect();
  await consumer.subscribe({ topics: [`${config.kafkaTopicPrefix}pageviews`], fromBeginning: true });
  let seen = 0;
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          for (const { value } of batch.messages) if (value !== null) use(value);
          seen += batch.messages.length;
          if (seen >= total) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
}
