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
import { SpeedCluster } from './speed-cluster.js';

const { skip, broker } = suiteBroker();

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

test(
  `workers of a Kafka group are killed, join, stand still and are replaced: the realtime view is the oracle's at every cut (seed ${seed})`,
  { skip },
  async (t) => {
    const { address } = broker();
    const cluster = await SpeedCluster.open(t, {
      seed,
      change: { kafkaBrokers: [address] },
      envOf: () => ({ SWA_KAFKA_BROKERS: address }),
      feedEveryMs: 50,
    });
    const published = async (number: number): Promise<void> => {
      const cut = cluster.ledger.end();
      await cluster.untilPast(cut);
      const view = await cluster.publish(number, cut);
      await cluster.untilServing(view);
    };

    cluster.start(0);
    cluster.start(1);
    await untilShared(cluster, [0, 1]);
    await cluster.untilServing(undefined);

    await cluster.kill(0);
    await untilShared(cluster, [1]);
    await cluster.untilReached(cluster.ledger.end());
    await published(1);

    cluster.start(2);
    cluster.start(3);
    await untilShared(cluster, [1, 2, 3]);
    await cluster.untilReached(cluster.ledger.end());
    await published(2);

    cluster.signal(2, 'SIGSTOP'); // alive, so its partitions stay its own although the group has given them away
    await eventually(
      'the group to give them to others',
      () => awaited(cluster, [1, 3]).length > 0 || undefined,
    );
    cluster.compare();
    cluster.signal(2, 'SIGCONT');
    await untilShared(cluster, [1, 2, 3]);
    await cluster.untilReached(cluster.ledger.end());

    for (const worker of [1, 2, 3]) {
      await cluster.stop(worker);
      cluster.start(worker);
      await untilShared(cluster, [1, 2, 3]);
      if (worker === 2) await published(3);
    }
    await cluster.stopFeeding();
    await cluster.untilEqualAtEnd();
    assert.ok(cluster.compared > 20, `${cluster.compared} comparisons`);
    await cluster.stopWorkers();
    assert.deepEqual(readStatus(cluster.dataDir), [], 'who leaves the group leaves the board');
  },
);

/** Until these workers, and no others, have all partitions among them, none more than one more than another. */
async function untilShared(cluster: SpeedCluster, workers: readonly number[]): Promise<void> {
  await eventually(`workers ${workers.join()} to share the partitions`, () => {
    cluster.compare();
    const hands = workers.map((worker) => partitionsOf(cluster, worker, 'partitions'));
    const sizes = hands.map((hand) => hand.length);
    const isWhole = hands.flat().toSorted().join() === cluster.ledger.partitions.toSorted().join();
    return (isWhole && Math.max(...sizes) - Math.min(...sizes) <= 1) || undefined;
  });
}

function awaited(cluster: SpeedCluster, workers: readonly number[]): string[] {
  return workers.flatMap((worker) => partitionsOf(cluster, worker, 'awaitedPartitions'));
}

function partitionsOf(
  cluster: SpeedCluster,
  worker: number,
  which: 'partitions' | 'awaitedPartitions',
): string[] {
  const entry = readStatus(cluster.dataDir).find(({ pid }) => pid === cluster.pid(worker));
  const names = entry?.details[which];
  return Array.isArray(names) ? names.map(String) : [];
}
