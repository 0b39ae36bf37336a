/**
 * Everything that is relied on is durable first: read from the log of every write, sync and change of names, of a workload
 * that uses all that keeps files. `order.ts` says what is checked at which moment. Each room has a test of its own part
 * (log/test/order.test.ts and its like); faults planted in the calls that sync and name files must turn those red
 * (test/planted-faults/durable-files.ts).
 */
import { test } from 'node:test';
import { OrderRun } from './order-run.js';
import { momentNames } from './order.js';
import { shimSkip } from './shim.js';

test('nothing is relied on before it is durable, in all that keeps files', { skip: shimSkip }, (t) => {
  const run = new OrderRun(t);
  run.work(0, 'log', 'sink', 'batch');
  run.tearTail();
  run.work(12, 'log', 'sink', 'batch', 'log', 'pointers', 'jobs', 'trim');
  run.assertInOrder(momentNames);
});
