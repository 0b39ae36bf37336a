/** The log on a real Kafka broker: the suite of every log, and what only a broker can do to us. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { randomUUID } from 'node:crypto';
import { openKafkaLog, type KafkaLogOptions } from '../log/kafka/kafka-log.js';
import { KafkaBroker, kafkaSkip } from '../../test/kafka/broker.js';
import { logConformance, suitePartitions } from './log-conformance.js';

const skip = kafkaSkip();
let broker: KafkaBroker | undefined;

before(async () => {
  if (skip === false) broker = await KafkaBroker.start();
});
after(async () => {
  await broker?.dispose();
});

function options(change: Partial<KafkaLogOptions> = {}): KafkaLogOptions {
  assert.ok(broker !== undefined);
  return {
    brokers: [broker.address],
    topicPrefix: `t${randomUUID().slice(0, 8)}-`,
    partitions: suitePartitions,
    replication: 1,
    leastRetentionMs: 0,
    tls: false,
    sasl: undefined,
    ...change,
  };
}

logConformance(
  'Kafka log',
  async () => {
    const own = options();
    return {
      openWriter: () => openKafkaLog(own),
      openLog: () => openKafkaLog(own),
      dispose: () => Promise.resolve(),
    };
  },
  skip,
);
