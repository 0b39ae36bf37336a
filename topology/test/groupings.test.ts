/** Tests the guarantee of each grouping on its selector. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { everyTask, selectorOf, type Grouping } from '../grouping.js';
import { seededRandom } from '../random.js';

const fields = ['key', 'other'];

function choices(grouping: Grouping, keys: readonly unknown[], parallelism: number, seed = 5) {
  const selector = selectorOf(grouping, { fields, parallelism, random: seededRandom(seed) });
  return keys.map((key, i) => selector.select([key, i]));
}

function countsOf(chosen: readonly number[], parallelism: number): number[] {
  return Array.from({ length: parallelism }, (_, task) => chosen.filter((c) => c === task).length);
}

const many = Array.from({ length: 10_000 }, (_, i) => `key ${i}`);
const anyKey = fc.oneof(fc.string(), fc.integer(), fc.double(), fc.bigInt(), fc.boolean(), fc.constant(null));

test('with shuffle grouping the counts of any two tasks differ by at most one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 1, max: 9 }), (n, parallelism) => {
      const counts = countsOf(choices({ kind: 'shuffle' }, many.slice(0, n), parallelism), parallelism);
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
      assert.equal(
        counts.reduce((a, b) => a + b, 0),
        n,
      );
    }),
  );
});

test('fields sends equal keys to one task, whatever the other fields and the sender', () => {
  fc.assert(
    fc.property(fc.array(anyKey), fc.integer({ min: 1, max: 9 }), (keys, parallelism) => {
      const grouping: Grouping = { kind: 'fields', fields: ['key'] };
      const once = choices(grouping, keys, parallelism);
      for (const task of once) assert.ok(task >= 0 && task < parallelism);
      // The same key again, after all others and from another sender.
      assert.deepEqual(choices(grouping, [...keys, ...keys], parallelism).slice(keys.length), once);
      assert.deepEqual(choices(grouping, keys, parallelism, 6), once);
    }),
  );
});

test('fields spreads many keys over all tasks', () => {
  const counts = countsOf(choices({ kind: 'fields', fields: ['key'] }, many, 8), 8);
  for (const count of counts) assert.ok(count > 1000 && count < 1500, `counts ${counts.join(', ')}`);
});

test('fields distinguishes lists of values whose concatenated texts are equal', () => {
  const grouping: Grouping = { kind: 'fields', fields };
  const selector = selectorOf(grouping, { fields, parallelism: 1009, random: seededRandom(1) });
  assert.notEqual(selector.select(['ab', 'c']), selector.select(['a', 'bc']));
});

test('fields refuses a value without a stable identity', () => {
  assert.throws(() => choices({ kind: 'fields', fields: ['key'] }, [{}], 2), { code: 'topology.invalid' });
});

test('partial key sends a key to at most two tasks, and balances a key that is half of all tuples', () => {
  const grouping: Grouping = { kind: 'partialKey', fields: ['key'] };
  const keys = many.map((key, i) => (i % 2 === 0 ? 'hot' : key));
  const chosen = choices(grouping, keys, 8);
  const tasksOfKey = new Map<string, Set<number>>();
  keys.forEach((key, i) => {
    const tasks = tasksOfKey.get(key) ?? new Set();
    tasksOfKey.set(key, tasks.add(chosen[i] ?? -1));
  });
  for (const [key, tasks] of tasksOfKey) assert.ok(tasks.size <= 2, key);
  assert.equal(tasksOfKey.get('hot')?.size, 2);
  const byFields = countsOf(choices({ kind: 'fields', fields: ['key'] }, keys, 8), 8);
  assert.ok(Math.max(...countsOf(chosen, 8)) < 0.6 * Math.max(...byFields));
});

test('all chooses every task, global the first', () => {
  assert.deepEqual(choices({ kind: 'all' }, ['a', 'b'], 3), [everyTask, everyTask]);
  assert.deepEqual(choices({ kind: 'global' }, ['a', 'b'], 3), [0, 0]);
});
