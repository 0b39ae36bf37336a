/**
 * Partitions move between workers. Each worker learns of its share at a different time, so for a while two may believe that they have a
 * partition, or none does. SEED= repeats a run, RUNS= makes it longer.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fact } from '../../facts/fact.js';
import { offsetAt } from '../../log/cut.js';
import type { Log, PartitionName, Share } from '../../log/log.js';
import { below, seededRandom } from '../../topology/random.js';
import { equiv, pageview } from './facts.js';
import { Harness, genesis } from './harness.js';
import { eventually } from '../../test/eventually.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const rounds = Number(process.env['RUNS'] ?? 40);

/** A share that is changed by the test. */
class TestShare implements Share {
  readonly kind = 'moving';
  ours: readonly PartitionName[] = [];
  /** How often the worker has read it: at least once per step. */
  looks = 0;

  partitions(): readonly PartitionName[] {
    this.looks++;
    return this.ours;
  }

  leave(): Promise<void> {
    this.ours = [];
    return Promise.resolve();
  }
}

function views(count: number, from = 0): Fact[] {
  return Array.from({ length: count }, (_, i) =>
    pageview(`cookie:${(from + i) % 23}`, `http://example.com/${(from + i) % 9}`),
  );
}

test(`partitions move between 3 workers, ${rounds} times, also during hand-overs: all answers equal the oracle, none goes back (seed ${seed})`, async (t) => {
  const random = seededRandom(seed);
  const harness = new Harness(t, 4);
  const shares = [new TestShare(), new TestShare(), new TestShare()];
  for (const share of shares) harness.start({ share });
  const moveTo = async (owners: readonly number[]): Promise<void> => {
    for (const worker of [0, 1, 2].toSorted(() => below(random, 3) - 1)) {
      const share = shares[worker];
      if (share !== undefined) share.ours = harness.log.partitions.filter((_name, i) => owners[i] === worker);
      for (let turns = below(random, 60); turns > 0; turns--) await new Promise(setImmediate);
    }
  };
  await harness.append(...views(200));
  await moveTo([0, 1, 2, 0, 1]);
  await harness.untilCaughtUp(genesis);
  const watch = harness.watch();
  let view = genesis;
  for (let round = 1; round <= rounds; round++) {
    await harness.append(...views(60, round), equiv(`cookie:${round % 23}`, `cookie:${(round + 1) % 23}`));
    if (round % 4 === 0) view = harness.publish(round);
    await harness.append(...views(30, round));
    const workers = below(random, 5) === 0 ? 1 : 3; // sometimes one worker has all partitions
    await moveTo(harness.log.partitions.map(() => below(random, workers)));
    if (below(random, 2) === 0) await harness.untilCaughtUp(view);
  }
  await harness.untilCaughtUp(view);
  const { queries } = await watch.stop();
  assert.ok(queries >= rounds, `${queries} queries`);
  assert.deepEqual(harness.errors, []);
});

test('a worker that has lost a partition without knowing it keeps it locked until it releases it', async (t) => {
  const harness = new Harness(t, 2);
  const [zombie, heir] = [new TestShare(), new TestShare()];
  zombie.ours = harness.log.partitions;
  harness.start({ share: zombie });
  await harness.append(...views(100));
  await harness.untilCaughtUp(genesis);
  heir.ours = ['pageviews/0'];
  const waiting = harness.start({ share: heir });
  await eventually('the other worker to look around', () => heir.looks > 20);
  assert.deepEqual([waiting.partitions, waiting.awaited], [[], ['pageviews/0']]);
  await harness.append(...views(100));
  await harness.untilCaughtUp(genesis);
  zombie.ours = ['pageviews/1', 'equivs/0'];
  await eventually('the partition to come over', () => waiting.partitions.length === 1);
  await harness.append(...views(100));
  await harness.untilCaughtUp(genesis);
  assert.deepEqual(waiting.serving?.partitions, ['pageviews/0']);
  assert.deepEqual(harness.errors, []);
});

test('who takes a partition over during a hand-over does not pass the next generation by', async (t) => {
  const blocked = new BlockedLog();
  t.after(() => blocked.unblock());
  const harness = new Harness(t, 2);
  const [first, second, other] = [new TestShare(), new TestShare(), new TestShare()];
  other.ours = ['equivs/0'];
  harness.start({ share: other });
  first.ours = ['pageviews/0', 'pageviews/1'];
  const before = harness.start({ share: first });
  await harness.append(...views(100));
  await harness.untilCaughtUp(genesis);
  other.ours = []; // no worker has equivs: the pointer cannot move
  await eventually('it to be let go', () => other.looks > 3);
  await harness.append(equiv('cookie:1', 'cookie:2'));
  const view = harness.publish(1);
  await eventually('the next generation', () => before.next?.id === view && before.next.positions()['pageviews/0'] !== undefined); // prettier-ignore
  first.ours = ['pageviews/0'];
  const after = harness.start({ share: second, log: blocked.around(harness.log, `speed-${view}`) });
  await eventually('one partition to be free', () => before.partitions.length === 1);
  second.ours = ['pageviews/1'];
  await eventually('the serving generation to be opened elsewhere', () => after.serving !== undefined);
  const position = offsetAt(after.serving?.positions() ?? {}, 'pageviews/1');
  await harness.append(...views(200));
  const looks = second.looks;
  await eventually('ten steps', () => second.looks > looks + 10);
  assert.equal(offsetAt(after.serving?.positions() ?? {}, 'pageviews/1'), position);
  blocked.unblock();
  other.ours = ['equivs/0'];
  await harness.untilCaughtUp(view);
  assert.deepEqual(harness.errors, []);
});

/** Blocks opening a reader with a given consumer name. */
class BlockedLog {
  unblock: () => void = () => undefined;
  readonly #unblocked = new Promise<void>((resolve) => void (this.unblock = resolve));

  around(log: Log, consumer: string): Log {
    return {
      id: log.id,
      partitions: log.partitions,
      earliest: () => log.earliest(),
      latest: () => log.latest(),
      share: (options) => log.share(options),
      close: () => log.close(),
      openReader: async (options) => {
        if (options.consumer === consumer) await this.#unblocked;
        return log.openReader(options);
      },
    };
  }
}
