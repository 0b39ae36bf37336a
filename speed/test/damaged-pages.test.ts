/**
 * Pages of a store change on disk while it is in use. Only damage that LMDB reports as an error is tested: a page of an unknown kind. Damage
 * that fails an assertion, or makes LMDB read beyond the end of the file, ends the process.
 */
import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { hasCode } from '../../lib/errors/errors.js';
import type { Fact } from '../../facts/fact.js';
import type { PartitionName } from '../../log/log.js';
import type { LocalRealtimeView } from '../../facts/views/view.js';
import { storeDir } from '../store/layout.js';
import { readStoreState } from '../store/partition-store.js';
import { dataFile } from '../store/store-files.js';
import { hour0, pageview } from './facts.js';
import { Harness, genesis } from './harness.js';
import { eventually } from '../../test/eventually.js';

const partition: PartitionName = 'pageviews/0';
const pageBytes = 4_096;
/** Offsets in a meta page: the roots of its two trees, and the transaction; in any page: its kind. */
const rootAt = { free: 88, cells: 136 } as const;
const transactionAt = 152;
const kindAt = 18;

function views(count: number): Fact[] {
  return Array.from({ length: count }, (_, i) => pageview(`cookie:${i}`, `http://example.com/${i}`));
}

/** A worker that has caught up in more than one commit. */
async function atWork(t: TestContext): Promise<Harness> {
  const harness = new Harness(t, 1);
  harness.start();
  for (let round = 0; round < 3; round++) {
    await harness.append(...views(50));
    await harness.untilCaughtUp(genesis);
  }
  return harness;
}

/** Damages the root page of a tree on disk. */
function damage(harness: Harness, tree: keyof typeof rootAt): void {
  const fd = openSync(dataFile(storeDir(harness.dataDir, genesis, partition)), 'r+');
  const metas = [0, 1].map((page) => {
    const bytes = Buffer.alloc(pageBytes);
    readSync(fd, bytes, 0, pageBytes, page * pageBytes);
    return bytes;
  });
  const newest = metas.reduce((a, b) =>
    a.readBigUInt64LE(transactionAt) > b.readBigUInt64LE(transactionAt) ? a : b,
  );
  const root = newest.readBigUInt64LE(rootAt[tree]);
  assert.ok(root > 1n && root < 1_000_000n, `the tree has no page: ${root}`);
  writeSync(fd, Buffer.alloc(2), 0, 2, Number(root) * pageBytes + kindAt);
  closeSync(fd);
}

function requireRebuilding(read: () => unknown): void {
  assert.throws(read, (error) => hasCode(error, 'speed.failed') && error.retryable);
}

for (const tree of ['cells', 'free'] as const) {
  test(`a damaged page that a commit meets (${tree}): the store is made again, and the worker goes on`, async (t) => {
    const harness = await atWork(t);
    damage(harness, tree);
    await harness.append(...views(50));
    await eventually('the worker to notice', () => harness.errors.length > 0);
    await harness.untilCaughtUp(genesis);
    assert.ok(harness.errors.every((error) => hasCode(error, 'realtime.corrupt')));
  });
}

const reads: Record<string, (view: LocalRealtimeView) => unknown> = {
  hours: (view) =>
    view.forEachBucket({ kind: 'page', url: 'http://example.com/1' }, hour0, hour0 + 1, () => undefined),
  pages: (view) => [...view.pages('example.com', hour0, hour0 + 1)],
  domains: (view) => [...view.domains()],
};

for (const [what, read] of Object.entries(reads)) {
  test(`a damaged page that a reader of ${what} meets: it is told to come again, and the store is made again`, async (t) => {
    const harness = await atWork(t);
    const snapshot = harness.realtime.snapshot();
    assert.ok(snapshot !== undefined);
    damage(harness, 'cells');
    requireRebuilding(() => read(snapshot));
    snapshot.release();
    await eventually('the worker to hear of it', () => harness.errors.length > 0);
    await harness.untilCaughtUp(genesis);
  });
}

for (const tree of ['cells', 'free'] as const) {
  test(`a damaged page (${tree}) is found when the store is opened, before anything else meets it`, async (t) => {
    const harness = await atWork(t);
    await harness.stop();
    damage(harness, tree);
    harness.start();
    await harness.append(...views(50));
    await harness.untilCaughtUp(genesis);
    assert.deepEqual(harness.errors, []);
  });
}

test('a damaged page that the first look of a snapshot meets, or of another worker', async (t) => {
  const harness = await atWork(t);
  await harness.stop();
  damage(harness, 'cells');
  requireRebuilding(() => harness.realtime.snapshot());
  assert.equal(readStoreState(storeDir(harness.dataDir, genesis, partition)), undefined);
  harness.start();
  await harness.untilCaughtUp(genesis);
});

test("another worker's store is not opened to see how far it is: its owner may be about to replace it", async (t) => {
  const harness = await atWork(t);
  await harness.stop();
  const dir = storeDir(harness.dataDir, genesis, partition);
  const lockFile = join(dir, 'lock.mdb');
  rmSync(lockFile);
  assert.equal(readStoreState(dir)?.next, 150);
  assert.ok(!existsSync(lockFile), 'LMDB has been at the store');
});
