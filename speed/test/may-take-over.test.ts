/** The decisions of a hand-over: when the next generation may serve, and how far the serving one may go. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ViewId } from '../../facts/views/view.js';
import { offset, type PartitionName } from '../../log/log.js';
import { limitsOf, mayTakeOver } from '../generations/hand-over.js';

const partitions: readonly PartitionName[] = ['pageviews/0', 'pageviews/1', 'equivs/0'];
const [old, next] = ['v000001-a' as ViewId, 'v000002-b' as ViewId]; // brands
const pointer = { serving: old, next, partitions };

/** Whether `next` may take over, given the positions of the old and the next generation in each partition. */
function decide(
  olds: readonly number[],
  nexts: readonly (number | undefined)[],
  { readyAt = 0, servingLives = true } = {},
): boolean {
  return mayTakeOver(pointer, servingLives, (generation, partition) => {
    const position = (generation === old ? olds : nexts)[partitions.indexOf(partition)];
    if (position === undefined) return undefined;
    return { next: offset(position), readyAt: offset(generation === old ? 0 : readyAt) };
  });
}

test('a generation takes over when it is not behind on any partition', () => {
  assert.equal(decide([5, 5, 5], [5, 6, 5]), true);
  for (const behind of [0, 1, 2]) {
    const nexts = [9, 9, 9].with(behind, 4);
    assert.equal(decide([5, 5, 5], nexts), false, `behind on partition ${behind}`);
    assert.equal(
      decide(
        [5, 5, 5],
        [9, 9, 9].map((at, i) => (i === behind ? undefined : at)),
      ),
      false,
    );
  }
  assert.equal(decide([5, 5, 5], [6, 6, 6], { readyAt: 7 }), false, 'not ready');
});

test('the serving generation does not pass the next one where that has caught up, and only there', () => {
  const serving = { 'pageviews/0': offset(5), 'pageviews/1': offset(5), 'equivs/0': offset(5) };
  const reached = { 'pageviews/0': offset(4), 'pageviews/1': offset(5), 'equivs/0': offset(8) };
  assert.deepEqual(limitsOf(serving, reached), { 'pageviews/1': 5, 'equivs/0': 8 });
});
