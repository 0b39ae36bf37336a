/** Sharing partitions by a consumer group of a real Kafka broker. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openKafkaLog } from '../log/kafka/kafka-log.js';
import type { LogWriter, Share } from '../log/log.js';
import { suiteBroker } from '../../test/kafka/suite-broker.js';
import { suitePartitions } from './log-conformance.js';

const { skip, broker } = suiteBroker();

function open(topicPrefix: string): Promise<LogWriter> {
  return openKafkaLog({
    brokers: [broker().address],
    topicPrefix,
    partitions: suitePartitions,
    replication: 1,
    leastRetentionMs: 0,
    tls: false,
    sasl: undefined,
  });
}

const ascending = (a: number, b: number): number => a - b;
const join = (log: LogWriter): Promise<Share> => log.share({ group: 'workers', members: 1, member: 0 });

/** Until the shares have these sizes, in any order, and together every partition once. */
async function untilDealt(log: LogWriter, shares: readonly Share[], sizes: readonly number[]): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const hands = shares.map((share) => share.partitions());
    const isWhole = hands.flat().toSorted().join() === log.partitions.toSorted().join();
    const found = hands.map((hand) => hand.length);
    if (isWhole && found.toSorted(ascending).join() === sizes.toSorted(ascending).join()) return;
    assert.ok(performance.now() < deadline, JSON.stringify(hands));
    await sleep(20);
  }
}

test(
  'members share all partitions, a newcomer gets some, and a leaver gives all at once',
  { skip },
  async () => {
    const log = await open(`t${randomUUID().slice(0, 8)}-`);
    const first = await join(log);
    await untilDealt(log, [first], [4]);
    const second = await join(log);
    await untilDealt(log, [first, second], [2, 2]);
    const had = first.partitions();
    const third = await join(log);
    await untilDealt(log, [first, second, third], [2, 1, 1]);
    for (const name of first.partitions()) assert.ok(had.includes(name), 'who stays gets nothing new');
    await first.leave();
    await untilDealt(log, [second, third], [2, 2]);
    await Promise.all([second.leave(), third.leave()]);
    await log.close();
  },
);

test(
  'a share outlives a crash of the broker: afterwards its members have what they had',
  { skip },
  async () => {
    const log = await open(`t${randomUUID().slice(0, 8)}-`);
    const shares = [await join(log), await join(log)];
    await untilDealt(log, shares, [2, 2]);
    const had = shares.map((share) => share.partitions());
    await broker().stop('SIGKILL');
    await broker().resume();
    const later = await join(log);
    await untilDealt(log, [...shares, later], [2, 1, 1]);
    await later.leave();
    await untilDealt(log, shares, [2, 2]);
    for (const [i, share] of shares.entries()) {
      const common = share.partitions().filter((name) => had[i]?.includes(name) === true);
      assert.ok(common.length > 0, 'something stayed');
    }
    await Promise.all(shares.map((share) => share.leave()));
    await log.close();
  },
);
