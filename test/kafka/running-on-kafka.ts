/** A running system whose log is a real broker, and pageviews for it. */
import type { TestContext } from 'node:test';
import kafkajs, { type Kafka } from 'kafkajs';
import type { Config } from '../../lib/config/config.js';
import { startTestSystem, type TestSystem } from '../running-system.js';
import type { KafkaBroker } from './broker.js';

/** How many visitors all of `views` are. */
export const uniques = '/v1/uniques?domain=example.com&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z';

/** Pageviews of a visitor each, on pages enough for every partition. */
export function views(from: number, to: number): object[] {
  return Array.from({ length: to - from }, (_, k) => ({
    type: 'pageview',
    visitor: `cookie:${from + k}`,
    url: `https://example.com/${(from + k) % 20}`,
    timestamp: '2026-01-01T10:00:00Z',
  }));
}

export function startOnKafka(
  t: TestContext,
  { address }: KafkaBroker,
  kafkaTopicPrefix: string,
  change: Partial<Config> = {},
): Promise<TestSystem> {
  return startTestSystem(t, { kafkaBrokers: [address], kafkaTopicPrefix, logLevel: 'fatal', ...change });
}

/** A client of others, who meddle. */
export function clientOf({ address }: KafkaBroker): Kafka {
  return new kafkajs.Kafka({ brokers: [address], logLevel: kafkajs.logLevel.NOTHING });
}
