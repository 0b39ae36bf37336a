import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SwaError } from '../../lib/errors/errors.js';
import type { Fact } from '../../facts/fact.js';
import { offsetAt } from '../../log/cut.js';
import { fixedShare } from '../../log/share.js';
import type { BatchView, ViewId } from '../../facts/views/view.js';
import { CheckedFile, CheckedWriter } from '../../serving/checked-file.js';
import { generationIds, pointerPath } from '../store/layout.js';
import { openRealtime } from '../store/read-side.js';
import { equiv, pageview } from './facts.js';
import { Harness, genesis } from './harness.js';
import { eventually } from '../../test/eventually.js';
import { rounds } from '../../test/rounds.js';

/** Pageviews, with an edge now and then. */
function views(count: number): Fact[] {
  return Array.from({ length: count }, (_, i) => {
    const view = pageview(`cookie:${i % 17}`, `http://example.com/${i % 5}`);
    return i % 9 === 0 ? [view, equiv(view.visitor, `user:${i % 4}`)] : [view];
  }).flat();
}

test('a new batch view takes over with its own mapping, and the old generation is deleted', async (t) => {
  const house = new Harness(t);
  await house.append(pageview('cookie:b', 'http://example.com/'), equiv('cookie:a', 'cookie:b'));
  house.start();
  await house.untilCaughtUp(genesis);
  const first = house.publish(1);
  await house.append(
    pageview('cookie:b', 'http://example.com/'),
    pageview('cookie:a', 'http://example.com/'),
  );
  await house.untilCaughtUp(first);
  await eventually('the old generation to go', () => !house.hasFiles(genesis));
  assert.deepEqual(house.errors, []);
});

test('a hand-over measures what the old mapping cost', async (t) => {
  const house = new Harness(t);
  const worker = house.start();
  await house.append(
    pageview('cookie:a', 'http://example.com/one'),
    pageview('cookie:b', 'http://example.com/one'),
    pageview('cookie:c', 'http://example.com/two'),
    equiv('cookie:a', 'cookie:b'),
  );
  await house.untilCaughtUp(genesis);
  await house.untilCaughtUp(house.publish(1));
  await eventually(
    () => `the measurement; errors: ${house.errors.join()}`,
    () => worker.mappingError !== undefined,
  );
  const { pages, median = -1, p99 = -1 } = worker.mappingError ?? {};
  assert.deepEqual([pages, Math.round(median), Math.round(p99)], [2, 0, 1]); // one page: 2 people instead of 1
  assert.deepEqual(house.errors, []);
});

test('a view published while a hand-over runs follows it; a roll back goes to the older cut and catches up', async (t) => {
  const house = new Harness(t);
  await house.append(...views(500));
  house.start();
  await house.untilCaughtUp(genesis);
  const watch = house.watch();
  const older = house.publish(1);
  await house.append(...views(700));
  house.publish(2);
  const newest = house.publish(3);
  await house.append(...views(700));
  await house.untilCaughtUp(newest);
  house.rollBack(older);
  await house.append(...views(100));
  await house.untilCaughtUp(older);
  house.rollBack(newest);
  await eventually('a hand-over to begin', () => house.pointer()?.next === newest);
  house.rollBack(older); // while it runs
  await house.append(...views(100));
  await eventually(
    'the roll back',
    () => house.pointer()?.serving === older && house.pointer()?.next === undefined,
  );
  await house.untilCaughtUp(older);
  const { queries } = await watch.stop();
  assert.ok(queries > 20, `${queries} queries`);
  assert.deepEqual(house.errors, []);
});

test('a worker stopped and started at any moment of a hand-over goes on, and no answer goes back', async (t) => {
  const house = new Harness(t);
  await house.append(...views(2_000));
  house.start();
  await house.untilCaughtUp(genesis);
  const watch = house.watch();
  let current = genesis;
  for (let round = 1; round <= rounds(4, 8); round++) {
    const next = house.publish(round);
    await house.append(...views(400));
    await eventually(
      'the hand-over',
      () => house.pointer()?.next === next || house.pointer()?.serving === next,
    );
    for (let turns = 0; turns < round * 3; turns++) await new Promise(setImmediate);
    await house.stop();
    house.start();
    await house.untilCaughtUp(next);
    current = next;
  }
  await watch.stop();
  assert.equal(house.pointer()?.serving, current);
  assert.deepEqual(house.errors, []);
});

test('a batch view that is gone before its generation was replaced does not stop the next one', async (t) => {
  const house = new Harness(t);
  await house.append(...views(300));
  house.start();
  await house.untilCaughtUp(genesis);
  await house.stop();
  await house.append(...views(300));
  const next = house.publish(1);
  house.forget(genesis);
  await house.append(...views(300));
  house.start();
  await house.untilCaughtUp(next);
});

test('a batch view found damaged while its generation is worked on is given up, and the next one serves', async (t) => {
  const house = new Harness(t);
  await house.append(...views(300));
  const path = join(house.dataDir, 'file');
  const writer = new CheckedWriter(path);
  writer.write(Buffer.from('a mapping'));
  const seal = await writer.close();
  writeFileSync(path, Buffer.concat([Buffer.from('b'), readFileSync(path).subarray(1)]));
  const file = new CheckedFile(path, seal);
  t.after(() => file.close());
  const damaged = house.publish(1);
  const openView = (id: ViewId): BatchView =>
    id === damaged
      ? { ...house.view(id), personOf: (visitor) => visitor + String(file.read(Buffer.alloc(9), 0)) }
      : house.view(id);
  await house.append(...views(300));
  const worker = house.start({ openView });
  await eventually('the damage to be found', () => worker.obstacle !== undefined);
  assert.match(worker.obstacle?.message ?? '', /file is damaged: bytes 0 to 9/);
  assert.notEqual(house.pointer()?.serving, damaged);
  const next = house.publish(2);
  await house.untilCaughtUp(next);
  assert.equal(worker.obstacle, undefined);
  assert.equal(house.errors.length, 1, 'it is tried once');
});

test('while CURRENT is damaged the speed layer goes on with what is open, and says so', async (t) => {
  const house = new Harness(t);
  let damage: SwaError | undefined;
  const current = (): ViewId => {
    if (damage !== undefined) throw damage;
    return house.published(0);
  };
  const worker = house.start({ current });
  await house.untilCaughtUp(genesis);
  damage = new SwaError('view.corrupt', 'CURRENT is empty');
  await house.append(...views(300));
  await house.untilCaughtUp(genesis);
  await eventually('the obstacle to be named', () => worker.obstacle === damage);
  damage = undefined;
  await eventually('the obstacle to be gone', () => worker.obstacle === undefined);
  assert.equal(house.errors.length, 1);
});

const harm: Record<string, (dir: string) => void> = {
  'everything deleted': (dir) => rmSync(dir, { recursive: true }),
  'the pointer deleted': (dir) => rmSync(join(dir, 'SERVING')),
  'the pointer overwritten': (dir) => writeFileSync(join(dir, 'SERVING'), 'nonsense'),
  'another partition named by one flipped bit': (dir) => {
    const path = join(dir, 'SERVING');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"pageviews/1"', '"pageviews/0"'));
  },
  'one store deleted': (dir) => rmSync(join(dir, genesis, 'pageviews-0'), { recursive: true }),
  'one data file deleted': (dir) => rmSync(join(dir, genesis, 'pageviews-1', 'data.mdb')),
  'one data file overwritten': (dir) =>
    writeFileSync(join(dir, genesis, 'pageviews-1', 'data.mdb'), Buffer.alloc(40_960, 7)),
  'one data file cut short': (dir) => truncateSync(join(dir, genesis, 'pageviews-1', 'data.mdb'), 4_096),
  'a description damaged': (dir) => writeFileSync(join(dir, genesis, 'pageviews-0', 'STORE'), '{}'),
};

for (const [what, hurt] of Object.entries(harm)) {
  test(`${what} while the speed layer is down: it is made again, and no answer goes back`, async (t) => {
    const house = new Harness(t);
    await house.append(...views(800));
    house.start();
    await house.untilCaughtUp(genesis);
    const before = house.compare();
    await house.stop();
    await house.realtime.close();
    hurt(join(house.dataDir, 'speed'));
    house.useRealtime(openRealtime(house.dataDir));
    house.start();
    // Only if everything is deleted is it unknown that there was more than the batch view.
    const watch = house.watch(before.next, what !== 'everything deleted');
    await house.untilCaughtUp(genesis);
    await watch.stop();
  });
}

test('a lost pointer is written before the last generation goes: queries and the next start always see that something has served', async (t) => {
  const house = new Harness(t);
  await house.append(...views(300));
  house.start();
  await house.untilCaughtUp(genesis);
  await house.stop();
  rmSync(pointerPath(house.dataDir));
  const seen: boolean[] = [];
  const look = (): void =>
    void seen.push(existsSync(pointerPath(house.dataDir)) || generationIds(house.dataDir).length > 0);
  house.start({
    holdViews: look,
    openView: (id) => {
      look();
      return house.view(id);
    },
  });
  await house.untilCaughtUp(genesis);
  assert.ok(seen.length >= 3, `looked ${seen.length} times`);
  assert.ok(!seen.includes(false), `seen: ${seen.join(', ')}`);
});

for (const what of [
  'everything deleted',
  'the pointer deleted',
  'another partition named by one flipped bit',
  'one store deleted',
  'one data file deleted',
]) {
  test(`${what} while the speed layer runs: it notices`, async (t) => {
    const house = new Harness(t);
    await house.append(...views(800));
    house.start();
    await house.untilCaughtUp(genesis);
    const watch = house.watch();
    harm[what]?.(join(house.dataDir, 'speed'));
    await house.append(...views(50));
    await house.untilCaughtUp(genesis);
    await watch.stop();
  });
}

test('a cell that changed on disk is found when it is read, and the store is rebuilt', async (t) => {
  const house = new Harness(t);
  await house.append(...views(50));
  house.start();
  await house.untilCaughtUp(genesis);
  await house.damageCells(genesis, 'http://example.com/1');
  assert.ok(house.readsFail());
  await house.untilCaughtUp(genesis);
});

test('edges that changed on disk are found when they are read, and the store is rebuilt', async (t) => {
  const house = new Harness(t);
  await house.append(...views(50));
  house.start();
  await house.untilCaughtUp(genesis);
  await house.damageEdges(genesis);
  assert.ok(house.readsFail());
  await house.untilCaughtUp(genesis);
});

test('several workers share the partitions; together they answer, and one that is missing is missed', async (t) => {
  const house = new Harness(t, 4);
  await house.append(...views(500), equiv('a', 'b'));
  house.start({ share: fixedShare(house.log.partitions, { members: 2, member: 0 }) });
  await eventually('the first worker to begin', () => house.hasFiles(genesis));
  assert.equal(house.snapshot(), undefined);
  house.start({ share: fixedShare(house.log.partitions, { members: 2, member: 1 }) });
  await house.untilCaughtUp(genesis);
  const watch = house.watch();
  for (let round = 1; round <= 3; round++) {
    const view = house.publish(round);
    await house.append(...views(300));
    await house.untilCaughtUp(view);
  }
  await watch.stop();
  assert.deepEqual(house.errors, []);
});

for (const deleted of ['nothing', 'everything']) {
  test(`a second worker with the same number is refused and harms nothing, with ${deleted} deleted`, async (t) => {
    const house = new Harness(t);
    await house.append(...views(100));
    house.start();
    await house.untilCaughtUp(genesis);
    if (deleted === 'everything') rmSync(join(house.dataDir, 'speed'), { recursive: true });
    await assert.rejects(house.runUntilDone(), { code: 'data-dir.in-use' });
    await house.append(...views(100));
    await house.untilCaughtUp(genesis);
  });
}

test('a batch view that the log does not reach back to is not followed, and the next one is', async (t) => {
  const house = new Harness(t);
  await house.append(...views(100));
  await house.log.trim(house.log.end());
  const worker = house.start();
  await eventually('the worker to see it', () => worker.obstacle !== undefined);
  assert.equal(worker.obstacle?.code, 'log.out-of-range');
  assert.deepEqual(house.errors, [worker.obstacle]);
  assert.equal(house.snapshot(), undefined, 'facts are left out');
  const next = house.publish(1);
  await house.append(...views(100));
  await house.untilCaughtUp(next);
  assert.equal(worker.obstacle, undefined);
});

test('one worker that cannot follow a batch view is enough for all to go on with the next one', async (t) => {
  const house = new Harness(t, 4);
  await house.append(...views(100));
  const last = 'pageviews/3';
  await house.log.trim({ [last]: offsetAt(house.log.end(), last) });
  const workers = [0, 1].map((member) =>
    house.start({ share: fixedShare(house.log.partitions, { members: 2, member }) }),
  );
  await eventually('both to see it', () => workers.every(({ obstacle }) => obstacle !== undefined));
  await house.untilCaughtUp(house.publish(1));
});

test('a roll back beyond the log: the newer view answers on, until the next one comes', async (t) => {
  const house = new Harness(t);
  await house.append(...views(100));
  const worker = house.start();
  await house.untilCaughtUp(genesis);
  const newer = house.publish(1);
  await house.untilCaughtUp(newer);
  await house.log.trim(house.log.end());
  const watch = house.watch();
  house.rollBack(genesis);
  await eventually('the worker to see it', () => worker.obstacle !== undefined);
  await house.append(...views(100));
  await house.untilCaughtUp(newer);
  await house.untilCaughtUp(house.publish(2));
  await watch.stop();
});
