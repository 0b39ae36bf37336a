import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OrderedJobs } from '../sorts/ordered-jobs.js';
import type { SortJob, SortResult } from '../arrays/sort-job.js';

const job = (rows: number): SortJob => ({
  kind: 'pages',
  fromShard: 0,
  toShard: 1,
  from: 0,
  to: 1,
  part: undefined,
  rows,
});
const result = (subject: number): SortResult => ({
  subjects: Uint32Array.of(subject),
  values: new Uint32Array(0),
  hashes: new Int32Array(4),
  lengths: Float64Array.of(1),
  tableLengths: Float64Array.of(1),
  pageviews: Float64Array.of(1),
  visits: new Uint8Array(0),
  visitEnds: new Float64Array(0),
  part: undefined,
});

/** Ordered jobs with these numbers of rows, and their deliveries: `b7` are blocks, `r0` is the result of job 0. */
function jobsOf(rows: readonly number[]): { ordered: OrderedJobs; heard: string[] } {
  const heard: string[] = [];
  const ordered = new OrderedJobs(rows.map(job), {
    onRows: () => undefined,
    onBlocks: (_job, blocks) => heard.push(`b${blocks.join()}`),
    onResult: (_job, { subjects }) => heard.push(`r${subjects.join()}`),
  });
  return { ordered, heard };
}

test('blocks that come early wait for their turn, and are delivered as soon as it comes', () => {
  const { ordered, heard } = jobsOf([1, 1, 1]);
  assert.deepEqual(
    [ordered.start()?.index, ordered.start()?.index, ordered.start()?.index, ordered.start()],
    [0, 1, 2, undefined],
  );
  ordered.addBlocks(1, Uint8Array.of(10));
  ordered.addBlocks(2, Uint8Array.of(20));
  ordered.finish(2, result(2));
  assert.deepEqual(heard, []);
  ordered.addBlocks(0, Uint8Array.of(1));
  assert.deepEqual(heard, ['b1']);
  ordered.finish(0, result(0));
  assert.deepEqual(heard, ['b1', 'r0', 'b10'], 'job 1 has its turn, and no result yet');
  ordered.addBlocks(1, Uint8Array.of(11));
  assert.deepEqual(heard.slice(3), ['b11']);
  ordered.finish(1, result(1));
  assert.deepEqual(heard.slice(4), ['r1', 'b20', 'r2']);
});

test('a job that would hold too much output waits, unless its turn is next', () => {
  const { ordered } = jobsOf([5 << 20, 5 << 20, 100 << 20, 1]);
  assert.equal(ordered.start()?.index, 0);
  assert.equal(ordered.start(), undefined, '10 M rows would be ahead');
  ordered.finish(0, result(0));
  assert.equal(ordered.start()?.index, 1);
  assert.equal(ordered.start(), undefined);
  ordered.finish(1, result(1));
  assert.equal(ordered.start()?.index, 2, 'however large it is');
  assert.equal(ordered.start(), undefined);
});
