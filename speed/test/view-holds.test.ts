import assert from 'node:assert/strict';
import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { zeroOffsets } from '../../log/cut.js';
import type { ViewId } from '../../facts/views/view.js';

import { createCurrent, readCurrent, writeCurrent } from '../../serving/current.js';
import { heldViews, holdViews } from '../../serving/held.js';
import { fileNames, viewPath } from '../../serving/layout.js';
import { formatMeta, readMeta } from '../../serving/meta.js';
import { ensureGenesis, prune } from '../../serving/store.js';
import { pageview, rules } from './facts.js';
import { Harness, genesis } from './harness.js';
import { eventually } from '../../test/eventually.js';
import { tempDir } from '../../test/temp-dir.js';

test('five views published and pruned during one slow hand-over: what the pointer names stays, the rest goes', async (t) => {
  const harness = new Harness(t);
  const { dataDir } = harness;
  const empty = await emptyView(harness);
  const onDisk = (id: ViewId): void => {
    cpSync(empty, viewPath(dataDir, id), { recursive: true });
    const meta = readMeta(empty);
    const renamed = formatMeta({ ...meta, view: { ...meta.view, id } });
    writeFileSync(join(viewPath(dataDir, id), fileNames.meta), renamed);
  };
  const named = (): ViewId[] => {
    const { serving, next } = harness.pointer() ?? {};
    return [serving, next].filter((id) => id !== undefined);
  };
  const unheld: string[] = [];
  const checkHeld = (): void => {
    const held = heldViews(dataDir);
    unheld.push(...named().filter((id) => !held.has(id)));
  };
  let moves = 0;
  onDisk(genesis);
  createCurrent(dataDir, genesis);
  await harness.append(
    ...Array.from({ length: 6_000 }, (_, i) => pageview(`cookie:${i}`, `http://example.com/${i % 300}`)),
  );
  harness.start({
    holdViews: (ids) => {
      if (moves++ > 0) checkHeld();
      holdViews(dataDir, 'speed', ids);
      checkHeld();
    },
  });
  await harness.untilCaughtUp(genesis);

  const start = zeroOffsets(harness.log.partitions);
  const published: ViewId[] = [];
  for (let number = 1; number <= 5; number++) {
    const id = harness.publish(number, start); // from the very beginning: much to catch up with
    onDisk(id);
    writeCurrent(dataDir, id);
    published.push(id);
    await eventually('the hand-over to begin', () => harness.pointer()?.next !== undefined);
    assert.equal(harness.pointer()?.serving, genesis, 'the hand-over is too fast for this test');
    prune(dataDir, 1);
    for (const each of named()) assert.ok(existsSync(viewPath(dataDir, each)), `${each} was removed`);
  }
  const [first, second] = published;
  assert.deepEqual(named(), [genesis, first]);
  assert.ok(second !== undefined && !existsSync(viewPath(dataDir, second)), 'nobody needs the second');

  await eventually('the first hand-over', () => harness.pointer()?.serving === first);
  assert.deepEqual(prune(dataDir, 1), [genesis]);
  const last = published.at(-1);
  await eventually('the last hand-over', () => harness.pointer()?.serving === last);
  assert.deepEqual(prune(dataDir, 1), [first]);
  assert.deepEqual(unheld, [], 'the pointer named views that were not held');
  assert.deepEqual(harness.errors, []);
});

/** The directory of a complete view: pruning must leave one that can be opened. */
async function emptyView({ log }: Harness): Promise<string> {
  const dir = tempDir('view');
  const cut = { logId: log.id, next: zeroOffsets(log.partitions) };
  await ensureGenesis(dir, {
    cut,
    lgK: 12,
    bucketMinutes: 60,
    rules,
    createdAt: 0,
  });
  return viewPath(dir, readCurrent(dir));
}
