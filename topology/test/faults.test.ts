/** A bolt ten times too slow, a bolt that keeps crashing, a burst: queues stay short and nothing is lost. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { FunctionBolt, itemsTo, ReplayingSpout, simulated, sorted } from './parts.js';

test('behind a slow bolt queues stop growing at their limit, and the spout waits', () => {
  const queueLimit = 16;
  const fanOut = 3;
  const spout = new ReplayingSpout(itemsTo(2000));
  const { topology, clock } = simulated(
    (builder) => {
      builder.setSpout('numbers', () => spout);
      const spread = new FunctionBolt((tuple, output) => {
        clock.now += 1;
        for (let i = 0; i < fanOut; i++) output.emit(tuple.values, tuple);
        output.ack(tuple);
      });
      builder.setBolt('spread', () => spread).shuffleGrouping('numbers');
      const slow = new FunctionBolt((tuple, output) => {
        clock.now += 10;
        output.ack(tuple);
      });
      builder.setBolt('slow', () => slow).shuffleGrouping('spread');
    },
    { queueLimit, maxSpoutPending: 1_000_000, messageTimeoutMs: 10_000_000, batch: 10 },
  );
  let longest = 0;
  while (topology.turn() > 0) {
    longest = Math.max(longest, topology.metrics().get('slow')?.queued ?? 0);
    assert.ok((topology.metrics().get('spread')?.queued ?? 0) <= queueLimit);
  }
  assert.equal(spout.acked.length, 2000);
  assert.ok(longest >= queueLimit - 10 && longest < queueLimit + fanOut, `longest queue ${longest}`);
});

test('trees that time out behind a slow bolt are replayed until all are acked', () => {
  const spout = new ReplayingSpout(itemsTo(50));
  let slowMs = 100;
  const { topology, clock } = simulated(
    (builder) => {
      builder.setSpout('numbers', () => spout);
      const spread = new FunctionBolt((tuple, output) => {
        for (let i = 0; i < 4; i++) output.emit(tuple.values, tuple);
        output.ack(tuple);
      });
      builder.setBolt('spread', () => spread).shuffleGrouping('numbers');
      const slow = new FunctionBolt((tuple, output) => {
        clock.now += slowMs;
        output.ack(tuple);
      });
      builder.setBolt('slow', () => slow).shuffleGrouping('spread');
    },
    { messageTimeoutMs: 1000, batch: 5 },
  );
  for (let turns = 0; turns < 20; turns++) topology.turn();
  assert.ok(spout.failed.length > 0, 'some timed out');
  slowMs = 1;
  topology.runUntilIdle();
  assert.deepEqual(sorted(spout.acked), itemsTo(50));
});

test('a bolt that crashes on every third tuple loses nothing when the spout replays', () => {
  const spout = new ReplayingSpout(itemsTo(1000));
  const seen = new Map<unknown, number>();
  let calls = 0;
  const { topology, errors } = simulated((builder) => {
    builder.setSpout('numbers', () => spout);
    const crashing = new FunctionBolt((tuple, output) => {
      if (++calls % 3 === 0) throw new Error('crash');
      const [item] = tuple.values;
      seen.set(item, (seen.get(item) ?? 0) + 1);
      output.ack(tuple);
    });
    builder.setBolt('crashing', () => crashing).shuffleGrouping('numbers');
  });
  topology.runUntilIdle();
  assert.deepEqual(sorted(spout.acked), itemsTo(1000));
  assert.equal(seen.size, 1000);
  assert.equal(errors.length, spout.failed.length);
  assert.equal(calls, 1000 + errors.length);
});

test('a call that emits without end fails before memory runs out', () => {
  const spout = new ReplayingSpout(itemsTo(1));
  let emitted = 0;
  const { topology, errors } = simulated(
    (builder) => {
      builder.setSpout('numbers', () => spout);
      const endless = new FunctionBolt((tuple, output) => {
        if (emitted > 0) return output.ack(tuple);
        for (;;) {
          output.emit(tuple.values);
          emitted++;
        }
      });
      builder.setBolt('endless', () => endless).shuffleGrouping('numbers');
      builder
        .setBolt('sink', () => new FunctionBolt((t, output) => output.ack(t)))
        .shuffleGrouping('endless');
    },
    { queueLimit: 10 },
  );
  topology.runUntilIdle();
  assert.equal(emitted, 2 ** 20);
  assert.match(String(errors[0]?.error), /more than 1048576 tuples queued/);
  assert.deepEqual(spout.acked, [0]);
});
