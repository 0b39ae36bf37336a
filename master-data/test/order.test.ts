/**
 * A manifest is linked only when everything it lists is on the disk, and a file is removed only when its replacement
 * is.
 */
import { test } from 'node:test';
import { OrderRun } from '../../test/faults/order-run.js';
import { shimSkip } from '../../test/faults/shim.js';

test('the master dataset names nothing that is not durable', { skip: shimSkip }, (t) => {
  const run = new OrderRun(t);
  run.work(0, 'log', 'sink', 'log', 'sink');
  run.assertInOrder([
    'a manifest gets its name',
    'a file or manifest of the master dataset is removed',
    'the end',
  ]);
});

test('a data file whose sync fails gets no name', { skip: shimSkip }, (t) => {
  const run = new OrderRun(t);
  run.work(0, 'log');
  run.workWithFailedSync('*/master/*.parquet*', 0, 'sink');
  run.work(0, 'sink');
  run.assertInOrder(['a manifest gets its name'], false);
});
