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
  const harness = new Harness(t);
  await harness.append(pageview('cookie:b', 'http://example.com/'), equiv('cookie:a', 'cookie:b'));
  harness.start();
  await harness.untilCaughtUp(genesis);
  const first = harness.publish(1);
  await harness.append(
    pageview('cookie:b', 'http://example.com/'),
    pageview('cookie:a', 'http://example.com/'),
  );
  await harness.untilCaughtUp(first);
  await eventually('the old generation to go', () => !harness.hasFiles(genesis));
  assert.deepEqual(harness.errors, []);
});

test('a hand-over measures what the old mapping cost', async (t) => {
  const harness = new Harness(t);
  const worker = harness.start();
  await harness.append(
    pageview('cookie:a', 'http://example.com/one'),
    pageview('cookie:b', 'http://example.com/one'),
    pageview('cookie:c', 'http://example.com/two'),
    equiv('cookie:a', 'cookie:b'),
  );
  await harness.untilCaughtUp(genesis);
  await harness.untilCaughtUp(harness.publish(1));
  await eventually(
    () => `the measurement; errors: ${harness.errors.join()}`,
    () => worker.mappingError !== undefined,
  );
  const { pages, median = -1, p99 = -1 } = worker.mappingError ?? {};
  assert.deepEqual([pages, Math.round(median), Math.round(p99)], [2, 0, 1]); // one page: 2 people instead of 1
  assert.deepEqual(harness.errors, []);
});

test('a view published while a hand-over runs follows it; a roll back goes to the older cut and catches up', async (t) => {
  const harness = new Harness(t);
  await harness.append(...views(500));
  harness.start();
  await harness.untilCaughtUp(genesis);
  const watch = harness.watch();
  const older = harness.publish(1);
  await harness.append(...views(700));
  harness.publish(2);
  const newest = harness.publish(3);
  await harness.append(...views(700));
  await harness.untilCaughtUp(newest);
  harness.rollBack(older);
  await harness.append(...views(100));
  await harness.untilCaughtUp(older);
  harness.rollBack(newest);
  await eventually('a hand-over to begin', () => harness.pointer()?.next === newest);
  harness.rollBack(older); // while it runs
  await harness.append(...views(100));
  await eventually(
    'the roll back',
    () => harness.pointer()?.serving === older && harness.pointer()?.next === undefined,
  );
  await harness.untilCaughtUp(older);
  const { queries } = await watch.stop();
  assert.ok(queries > 20, `${queries} queries`);
  assert.deepEqual(harness.errors, []);
});

test('a worker stopped and started at any moment of a hand-over goes on, and no answer goes back', async (t) => {
  const harness = new Harness(t);
  await harness.append(...views(2_000));
  harness.start();
  await harness.untilCaughtUp(genesis);
  const watch = harness.watch();
  let current = genesis;
  for (let round = 1; round <= rounds(4, 8); round++) {
    const next = harness.publish(round);
    await harness.append(...views(400));
    await eventually(
      'the hand-over',
      () => harness.pointer()?.next === next || harness.pointer()?.serving === next,
    );
    for (let turns = 0; turns < round * 3; turns++) await new Promise(setImmediate);
    await harness.stop();
    harness.start();
    await harness.untilCaughtUp(next);
    current = next;
  }
  await watch.stop();
  assert.equal(harness.pointer()?.serving, current);
  assert.deepEqual(harness.errors, []);
});

test('a batch view that is gone before its generation was replaced does not stop the next one', async (t) => {
  const harness = new Harness(t);
  await harness.append(...views(300));
  harness.start();
  await harness.untilCaughtUp(genesis);
  await harness.stop();
  await harness.append(...views(300));
  const next = harness.publish(1);
  harness.forget(genesis);
  await harness.append(...views(300));
  harness.start();
  await harness.untilCaughtUp(next);
});

test('a batch view found damaged while its generation is worked on is given up, and the next one serves', async (t) => {
  const harness = new Harness(t);
  await harness.append(...views(300));
  const path = join(harness.dataDir, 'file');
  const writer = new CheckedWriter(path);
  writer.write(Buffer.from('a mapping'));
  const seal = await writer.close();
  writeFileSync(path, Buffer.concat([Buffer.from('b'), readFileSync(path).subarray(1)]));
  const file = new CheckedFile(path, seal);
  t.after(() => file.close());
  const damaged = harness.publish(1);
  const openView = (id: ViewId): BatchView =>
    id === damaged
      ? { ...harness.view(id), personOf: (visitor) => visitor + String(file.read(Buffer.alloc(9), 0)) }
      : harness.view(id);
  await harness.append(...views(300));
  const worker = harness.start({ openView });
  await eventually('the damage to be found', () => worker.blockingError !== undefined);
  assert.match(worker.blockingError?.message ?? '', /file is damaged: bytes 0 to 9/);
  assert.notEqual(harness.pointer()?.serving, damaged);
  const next = harness.publish(2);
  await harness.untilCaughtUp(next);
  assert.equal(worker.blockingError, undefined);
  assert.equal(harness.errors.length, 1, 'it is tried once');
});

test('while CURRENT is damaged the speed layer goes on with what is open, and says so', async (t) => {
  const harness = new Harness(t);
  let damage: SwaError | undefined;
  const current = (): ViewId => {
    if (damage !== undefined) throw damage;
    return harness.published(0);
  };
  const worker = harness.start({ current });
  await harness.untilCaughtUp(genesis);
  damage = new SwaError('view.corrupt', 'CURRENT is empty');
  await harness.append(...views(300));
  await harness.untilCaughtUp(genesis);
  await eventually('the blocking error to be named', () => worker.blockingError === damage);
  damage = undefined;
  await eventually('the blocking error to be gone', () => worker.blockingError === undefined);
  assert.equal(harness.errors.length, 1);
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
    const harness = new Harness(t);
    await harness.append(...views(800));
    harness.start();
    await harness.untilCaughtUp(genesis);
    const before = harness.compare();
    await harness.stop();
    await harness.realtime.close();
    hurt(join(harness.dataDir, 'speed'));
    harness.useRealtime(openRealtime(harness.dataDir));
    harness.start();
    // Only if everything is deleted is it unknown that there was more than the batch view.
    const watch = harness.watch(before.next, what !== 'everything deleted');
    await harness.untilCaughtUp(genesis);
    await watch.stop();
  });
}

test('a lost pointer is written before the last generation goes: queries and the next start always see that something has served', async (t) => {
  const harness = new Harness(t);
  await harness.append(...views(300));
  harness.start();
  await harness.untilCaughtUp(genesis);
  await harness.stop();
  rmSync(pointerPath(harness.dataDir));
  const seen: boolean[] = [];
  const look = (): void =>
    void seen.push(existsSync(pointerPath(harness.dataDir)) || generationIds(harness.dataDir).length > 0);
  harness.start({
    holdViews: look,
    openView: (id) => {
      look();
      return harness.view(id);
    },
  });
  await harness.untilCaughtUp(genesis);
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
    const harness = new Harness(t);
    await harness.append(...views(800));
    harness.start();
    await harness.untilCaughtUp(genesis);
    const watch = harness.watch();
    harm[what]?.(join(harness.dataDir, 'speed'));
    await harness.append(...views(50));
    await harness.untilCaughtUp(genesis);
    await watch.stop();
  });
}

test('a cell that changed on disk is found when it is read, and the store is rebuilt', async (t) => {
  const harness = new Harness(t);
  await harness.append(...views(50));
  harness.start();
  await harness.untilCaughtUp(genesis);
  await harness.damageCells(genesis, 'http://example.com/1');
  assert.ok(harness.readsFail());
  await harness.untilCaughtUp(genesis);
});

test('edges that changed on disk are found when they are read, and the store is rebuilt', async (t) => {
  const harness = new Harness(t);
  await harness.append(...views(50));
  harness.start();
  await harness.untilCaughtUp(genesis);
  await harness.damageEdges(genesis);
  assert.ok(harness.readsFail());
  await harness.untilCaughtUp(genesis);
});

test('several workers share the partitions; together they answer, and one that is missing is missed', async (t) => {
  const harness = new Harness(t, 4);
  await harness.append(...views(500), equiv('a', 'b'));
  harness.start({ share: fixedShare(harness.log.partitions, { members: 2, member: 0 }) });
  await eventually('the first worker to begin', () => harness.hasFiles(genesis));
  assert.equal(harness.snapshot(), undefined);
  harness.start({ share: fixedShare(harness.log.partitions, { members: 2, member: 1 }) });
  await harness.untilCaughtUp(genesis);
  const watch = harness.watch();
  for (let round = 1; round <= 3; round++) {
    const view = harness.publish(round);
    await harness.append(...views(300));
    await harness.untilCaughtUp(view);
  }
  await watch.stop();
  assert.deepEqual(harness.errors, []);
});

for (const deleted of ['nothing', 'everything']) {
  test(`a second worker with the same number is refused and harms nothing, with ${deleted} deleted`, async (t) => {
    const harness = new Harness(t);
    await harness.append(...views(100));
    harness.start();
    await harness.untilCaughtUp(genesis);
    if (deleted === 'everything') rmSync(join(harness.dataDir, 'speed'), { recursive: true });
    await assert.rejects(harness.runUntilDone(), { code: 'data-dir.in-use' });
    await harness.append(...views(100));
    await harness.untilCaughtUp(genesis);
  });
}

test('a batch view that the log does not reach back to is not followed, and the next one is', async (t) => {
  const harness = new Harness(t);
  await harness.append(...views(100));
  await harness.log.trim(harness.log.end());
  const worker = harness.start();
  await eventually('the worker to see it', () => worker.blockingError !== undefined);
  assert.equal(worker.blockingError?.code, 'log.out-of-range');
  assert.deepEqual(harness.errors, [worker.blockingError]);
  assert.equal(harness.snapshot(), undefined, 'facts are left out');
  const next = harness.publish(1);
  await harness.append(...views(100));
  await harness.untilCaughtUp(next);
  assert.equal(worker.blockingError, undefined);
});

test('one worker that cannot follow a batch view is enough for all to go on with the next one', async (t) => {
  const harness = new Harness(t, 4);
  await harness.append(...views(100));
  const last = 'pageviews/3';
  await harness.log.trim({ [last]: offsetAt(harness.log.end(), last) });
  const workers = [0, 1].map((member) =>
    harness.start({ share: fixedShare(harness.log.partitions, { members: 2, member }) }),
  );
  await eventually('both to see it', () => workers.every(({ blockingError }) => blockingError !== undefined));
  await harness.untilCaughtUp(harness.publish(1));
});

test('a roll back beyond the log: the newer view answers on, until the next one comes', async (t) => {
  const harness = new Harness(t);
  await harness.append(...views(100));
  const worker = harness.start();
  await harness.untilCaughtUp(genesis);
  const newer = harness.publish(1);
  await harness.untilCaughtUp(newer);
  await harness.log.trim(harness.log.end());
  const watch = harness.watch();
  harness.rollBack(genesis);
  await eventually('the worker to see it', () => worker.blockingError !== undefined);
  await harness.append(...views(100));
  await harness.untilCaughtUp(newer);
  await harness.untilCaughtUp(harness.publish(2));
  await watch.stop();
});
