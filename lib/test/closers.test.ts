import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openAll } from '../process/closers.js';

test('resources are closed in reverse order when the next cannot be opened, and the first failure is thrown', async () => {
  const closed: string[] = [];
  const opening = openAll(async (closers) => {
    closers.add(() => void closed.push('first'));
    closers.add(() => Promise.reject(new Error('cannot close')));
    closers.add(async () => void closed.push('third'));
    throw new Error('cannot open');
  });
  await assert.rejects(opening, /cannot open/);
  assert.deepEqual(closed, ['third', 'first']);
});

test('resources stay open until they are closed, once, and a failure to close is thrown', async () => {
  const closed: string[] = [];
  const closers = await openAll(async (all) => {
    all.add(() => void closed.push('first'));
    all.add(() => Promise.reject(new Error('cannot close')));
    return all;
  });
  assert.deepEqual(closed, []);
  await assert.rejects(closers.close(), /cannot close/);
  await closers.close();
  assert.deepEqual(closed, ['first']);
});
