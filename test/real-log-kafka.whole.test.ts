import { test } from 'node:test';
import { KafkaBroker, kafkaSkip } from './kafka/broker.js';
import { proveRealLog, realLogSkip } from './real-log-proof.js';

const skip = realLogSkip() === false ? kafkaSkip() : realLogSkip();

test('a real log gives the oracle’s answers through a real Kafka broker', { skip }, async (t) => {
  const broker = await KafkaBroker.start();
  try {
    await t.test('every phase', (inner) => proveRealLog(inner, { kafkaBrokers: [broker.address] }));
  } finally {
    await broker.dispose();
  }
});
