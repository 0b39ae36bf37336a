/** CURRENT names a batch view only when all its files are durable and in place. */
import { test } from 'node:test';
import { OrderRun } from '../../test/faults/order-run.js';
import { shimSkip } from '../../test/faults/shim.js';

test(
  'CURRENT names no view that is not durable, and none goes before another serves',
  { skip: shimSkip },
  (t) => {
    const run = new OrderRun(t);
    run.work(0, 'log', 'sink', 'batch');
    run.work(12, 'log', 'sink', 'batch');
    run.assertInOrder(['CURRENT gets its name', 'a batch view is removed', 'the end']);
  },
);

test('a view with a file whose sync fails is not published', { skip: shimSkip }, (t) => {
  const run = new OrderRun(t);
  run.work(0, 'log', 'sink', 'batch');
  for (const file of ['META*', '*.dat']) {
    run.workWithFailedSync(`*/serving/building/view-*/${file}`, 0, 'batch');
    run.assertInOrder(['CURRENT gets its name'], false);
  }
});
