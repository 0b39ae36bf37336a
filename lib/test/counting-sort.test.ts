import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byGroup, groupStarts, inverse } from '../memory/counting-sort.js';

/** Group numbers below `count`, and an order of their indexes. */
const grouped = fc.integer({ min: 1, max: 9 }).chain((count) =>
  fc.array(fc.nat(count - 1), { maxLength: 60 }).chain((groups) =>
    fc.record({
      count: fc.constant(count),
      groups: fc.constant(groups),
      order: fc.shuffledSubarray([...groups.keys()], { minLength: groups.length }),
    }),
  ),
);

test('numbers come by group, and within a group in the order given', () => {
  fc.assert(
    fc.property(grouped, ({ count, groups, order }) => {
      const starts = groupStarts(groups, count);
      const groupOf = (number: number): number => groups[number] ?? Number.NaN;
      const stable = (numbers: number[]): number[] => numbers.toSorted((a, b) => groupOf(a) - groupOf(b));
      assert.deepEqual([...byGroup(groups, starts)], stable([...groups.keys()]));
      assert.deepEqual([...byGroup(groups, starts, order)], stable(order));
      assert.equal(starts.length, count + 1);
      for (let group = 0; group <= count; group++)
        assert.equal(starts[group], groups.filter((each) => each < group).length);
    }),
  );
});

test('an order and its inverse lead back', () => {
  fc.assert(
    fc.property(grouped, ({ order }) => {
      const places = inverse(Uint32Array.from(order));
      assert.deepEqual(
        Array.from(order, (number) => places[number]),
        [...order.keys()],
      );
    }),
  );
});
