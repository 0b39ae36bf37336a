/** Bolts on worker threads: the same results and guarantees as on the topology's thread, also when a thread dies. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { threadId } from 'node:worker_threads';
import type { TopologyOptions } from '../index.js';
import { FunctionBolt, itemsTo, ListSpout, ReplayingSpout, simulated, sorted } from './parts.js';
import type { Wish } from './thread-bolts.js';
import { eventually } from '../../test/eventually.js';

const module = new URL('./thread-bolts.js', import.meta.url);
const outputs = { default: ['item', 'thread'] };

function withThreads(spout: ListSpout, wish: Wish, threads: number, options: Partial<TopologyOptions> = {}) {
  const seen: unknown[] = [];
  const threadsSeen = new Set<unknown>();
  const simulation = simulated(
    (builder) => {
      builder.setSpout('numbers', () => spout);
      builder.setBolt('far', { module, outputs, data: wish }, threads).shuffleGrouping('numbers');
      const sink = new FunctionBolt((tuple, output) => {
        seen.push(tuple.get('item'));
        threadsSeen.add(tuple.get('thread'));
        output.ack(tuple);
      });
      builder.setBolt('sink', () => sink).globalGrouping('far');
    },
    { clock: Date.now, messageTimeoutMs: 60_000, ...options },
  );
  return { ...simulation, seen, threadsSeen };
}

test('a bolt on threads passes every tuple through its threads, anchored, and every tree is acked', async () => {
  const spout = new ListSpout(itemsTo(5000));
  const { topology, seen, threadsSeen, errors } = withThreads(spout, { kind: 'pass' }, 2);
  await topology.settle();
  topology.close();
  assert.deepEqual(sorted(seen), itemsTo(5000));
  assert.deepEqual(sorted(spout.acked), itemsTo(5000));
  assert.deepEqual(errors, []);
  assert.equal(threadsSeen.size, 2);
  assert.ok(!threadsSeen.has(threadId));
});

test('an error on the thread fails the tuple and is reported with its message, and the bolt continues', async () => {
  const spout = new ReplayingSpout(itemsTo(100));
  const { topology, errors } = withThreads(spout, { kind: 'throwOnThird' }, 1);
  await topology.settle();
  topology.close();
  assert.deepEqual(sorted(spout.acked), itemsTo(100));
  assert.equal(errors.length, spout.failed.length);
  assert.ok(errors.length >= 33);
  for (const { component, error } of errors)
    assert.equal(`${component}: ${String(error)}`, 'far: Error: third');
});

test('a thread that dies fails what it held and is replaced; with replay every tree is acked in the end', async () => {
  const spout = new ReplayingSpout(itemsTo(60));
  const limits = { batch: 3, maxSpoutPending: 6 };
  const { topology, errors, seen } = withThreads(spout, { kind: 'dieOnSeventh' }, 1, limits);
  await topology.settle();
  topology.close();
  assert.deepEqual(sorted(spout.acked), itemsTo(60));
  assert.deepEqual(new Set(sorted(seen)), new Set(itemsTo(60)));
  assert.ok(errors.length >= 8);
  assert.match(String(errors[0]?.error), /thread of 'far' ended with code 9/);
});

test('a bolt whose thread cannot start is not restarted after three deaths, and its tuples fail', async () => {
  const spout = new ListSpout(itemsTo(10));
  const { topology, errors } = withThreads(spout, { kind: 'dieAtOnce' }, 1);
  await topology.settle();
  await eventually('three errors', () => errors.length >= 3);
  assert.deepEqual(sorted(spout.failed), itemsTo(10));
  for (const { error } of errors.slice(0, 3)) assert.match(String(error), /cannot start|died/);
  topology.close();
});

test('a bolt on a thread may keep tuples and settle them later', async () => {
  const spout = new ListSpout(itemsTo(300));
  const { topology, seen } = withThreads(spout, { kind: 'holdAWhile' }, 2);
  await topology.settle();
  topology.close();
  assert.deepEqual(sorted(seen), itemsTo(300));
  assert.deepEqual(sorted(spout.acked), itemsTo(300));
});

test('a value that cannot be cloned fails its batch and is reported', async () => {
  const spout = new ListSpout([() => 1]);
  const { topology, errors } = withThreads(spout, { kind: 'pass' }, 1);
  await topology.settle();
  topology.close();
  assert.deepEqual(spout.failed, [0]);
  assert.match(String(errors[0]?.error), /could not be cloned/);
});
