/** What the log and the job queue acknowledge is on the disk, and a sync that failed proves nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OrderRun } from '../../test/faults/order-run.js';
import { shimSkip } from '../../test/faults/shim.js';

test('nothing is acknowledged before it is durable', { skip: shimSkip }, (t) => {
  const run = new OrderRun(t);
  run.work(0, 'log');
  run.tearTail();
  run.work(12, 'log', 'jobs');
  run.assertInOrder(['an acknowledgement', 'a job is taken on', 'the watermark is moved', 'the end']);
});

const unsafe = 'an append whose sync fails is refused, and its segment is never written again';
test(unsafe, { skip: shimSkip }, (t) => {
  const run = new OrderRun(t);
  const written = run.workWithFailedSync('*/log/segment-??????????.log', 0, 'log');
  assert.equal(written.match(/^\+/gm)?.length, 3, 'one of four appends was refused');
  run.assertInOrder(['an acknowledgement']);
});
