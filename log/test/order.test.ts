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

test(
  'an append whose sync fails is refused, and its segment is never written again',
  { skip: shimSkip },
  (t) => {
    const run = new OrderRun(t);
    run.arm({ ops: ['sync'], path: '*/log/segment-*', time: 3, action: 'fail', error: 'EIO' });
    const acknowledged = run.work(0, 'log').match(/^\+/gm)?.length;
    assert.equal(run.fired, 1, 'a sync failed');
    assert.equal(acknowledged, 3, 'one of four appends was refused');
    run.assertInOrder(['an acknowledgement']);
    const { events } = run;
    const failure = events.findIndex(({ op, outcome }) => op === 'sync' && outcome === 'failed');
    const spoiled = events[failure]?.path;
    const touched = events
      .slice(failure + 1)
      .filter(({ op, path }) => path === spoiled && (op === 'write' || op === 'sync'));
    assert.deepEqual(touched, []);
  },
);
