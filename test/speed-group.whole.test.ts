/**
 * Speed workers as a consumer group of a real Kafka broker: processes of their own on one data directory. One is killed,
 * others join, one stands still and comes back, all are replaced one by one, and batch views are published meanwhile. The
 * realtime view must always equal the oracle at the cut it names, and no cut may lie behind an earlier one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readStatus } from '../lib/process/status.js';
import { suiteBroker } from './kafka/suite-broker.js';
import { eventually } from './eventually.js';
import { SpeedHouse } from './speed-house.js';

const { skip, broker } = suiteBroker();

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

test(
  `workers of a Kafka group are killed, join, stand still and are replaced: the realtime view is the oracle's at every cut (seed ${seed})`,
  { skip },
  async (t) => {
    const { address } = broker();
    const house = await SpeedHouse.open(t, {
      seed,
      change: { kafkaBrokers: [address] },
      envOf: () => ({ SWA_KAFKA_BROKERS: address }),
      feedEveryMs: 50,
    });
    const published = async (number: number): Promise<void> => {
      const cut = house.ledger.end();
      await house.untilPast(cut);
      const view = await house.publish(number, cut);
      await house.untilServing(view);
    };

    house.start(0);
    house.start(1);
    await untilShared(house, [0, 1]);
    await house.untilServing(undefined);

    await house.kill(0);
    await untilShared(house, [1]);
    await house.untilReached(house.ledger.end());
    await published(1);

    house.start(2);
    house.start(3);
    await untilShared(house, [1, 2, 3]);
    await house.untilReached(house.ledger.end());
    await published(2);

    house.signal(2, 'SIGSTOP'); // alive, so its partitions stay its own although the group has given them away
    await eventually(
      'the group to give them to others',
      () => awaited(house, [1, 3]).length > 0 || undefined,
    );
    house.compare();
    house.signal(2, 'SIGCONT');
    await untilShared(house, [1, 2, 3]);
    await house.untilReached(house.ledger.end());

    for (const worker of [1, 2, 3]) {
      await house.stop(worker);
      house.start(worker);
      await untilShared(house, [1, 2, 3]);
      if (worker === 2) await published(3);
    }
    await house.stopFeeding();
    await house.untilEqualAtEnd();
    assert.ok(house.compared > 20, `${house.compared} comparisons`);
    await house.stopWorkers();
    assert.deepEqual(readStatus(house.dataDir), [], 'who leaves the group leaves the board');
  },
);

/** Until these workers, and no others, have all partitions among them, none more than one more than another. */
async function untilShared(house: SpeedHouse, workers: readonly number[]): Promise<void> {
  await eventually(`workers ${workers.join()} to share the partitions`, () => {
    house.compare();
    const hands = workers.map((worker) => partitionsOf(house, worker, 'partitions'));
    const sizes = hands.map((hand) => hand.length);
    const isWhole = hands.flat().toSorted().join() === house.ledger.partitions.toSorted().join();
    return (isWhole && Math.max(...sizes) - Math.min(...sizes) <= 1) || undefined;
  });
}

function awaited(house: SpeedHouse, workers: readonly number[]): string[] {
  return workers.flatMap((worker) => partitionsOf(house, worker, 'awaitedPartitions'));
}

function partitionsOf(
  house: SpeedHouse,
  worker: number,
  which: 'partitions' | 'awaitedPartitions',
): string[] {
  const entry = readStatus(house.dataDir).find(({ pid }) => pid === house.pid(worker));
  const names = entry?.details[which];
  return Array.isArray(names) ? names.map(String) : [];
}
