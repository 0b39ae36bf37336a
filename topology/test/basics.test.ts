/** What a topology does with streams, anchors, pending limits and errors, on small cases in simulated time. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { BoltOutput, Tuple } from '../index.js';
import { FunctionBolt, itemsTo, ListSpout, ReplayingSpout, simulated, sorted } from './parts.js';
import type { Simulated } from './parts.js';

type Verdict = 'ack' | 'fail' | 'throw' | 'keep';

function twice(tuple: Tuple, output: BoltOutput): void {
  const n = Number(tuple.get('item'));
  output.emit([2 * n], tuple);
  output.emit([2 * n + 1], tuple);
  output.ack(tuple);
}

function passOn(tuple: Tuple, output: BoltOutput): void {
  output.emit(tuple.values, tuple);
  output.ack(tuple);
}

/** The topology: numbers 0..3 -> twice (n to 2n and 2n + 1) -> sink, which acks or fails each number by `verdict`. */
function doubling(verdict: (n: number) => Verdict): Simulated & { spout: ListSpout; seen: number[] } {
  const spout = new ListSpout(itemsTo(4));
  const seen: number[] = [];
  const sink = (tuple: Tuple, output: BoltOutput): void => {
    const n = Number(tuple.get('item'));
    seen.push(n);
    const what = verdict(n);
    if (what === 'ack') output.ack(tuple);
    if (what === 'fail') output.fail(tuple);
    if (what === 'throw') throw new Error(`no ${n}`);
  };
  const simulation = simulated((builder) => {
    builder.setSpout('numbers', () => spout);
    builder.setBolt('twice', () => new FunctionBolt(twice), 3).shuffleGrouping('numbers');
    builder.setBolt('sink', () => new FunctionBolt(sink)).globalGrouping('twice');
  });
  simulation.topology.runUntilIdle();
  return { ...simulation, spout, seen };
}

test('a tree whose tuples are all acked is acked once', () => {
  const { spout, seen, topology } = doubling(() => 'ack');
  assert.deepEqual(sorted(spout.acked), [0, 1, 2, 3]);
  assert.deepEqual(spout.failed, []);
  assert.deepEqual(sorted(seen), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.equal(topology.pending, 0);
});

test('one failed tuple fails its tree and no other', () => {
  const { spout } = doubling((n) => (n === 5 ? 'fail' : 'ack'));
  assert.deepEqual(sorted(spout.acked), [0, 1, 3]);
  assert.deepEqual(spout.failed, [2]);
});

test('a bolt that throws fails the tuple, is reported, and gets the next one', () => {
  const { spout, errors, seen } = doubling((n) => (n === 2 ? 'throw' : 'ack'));
  assert.deepEqual(spout.failed, [1]);
  assert.equal(seen.length, 8);
  assert.deepEqual(
    errors.map(({ component, error }) => `${component}: ${String(error)}`),
    ['sink: Error: no 2'],
  );
});

test('a tuple that is never settled times out its tree, once', () => {
  const { spout, clock, topology } = doubling((n) => (n === 7 ? 'keep' : 'ack'));
  assert.equal(topology.pending, 1);
  clock.now += 999;
  topology.runUntilIdle();
  assert.deepEqual(spout.failed, [], 'not before the timeout');
  clock.now += 501;
  topology.runUntilIdle();
  assert.deepEqual(spout.failed, [3]);
  clock.now += 10_000;
  topology.runUntilIdle();
  assert.deepEqual(spout.failed, [3]);
  assert.equal(topology.metrics().get('numbers')?.timedOut, 1);
});

test('an unanchored tuple is processed, and its failure touches no tree', () => {
  const spout = new ListSpout(itemsTo(3));
  const { topology } = simulated((builder) => {
    builder.setSpout('numbers', () => spout);
    const pass = new FunctionBolt((tuple, output) => {
      output.emit(tuple.values);
      output.ack(tuple);
    });
    builder.setBolt('pass', () => pass).shuffleGrouping('numbers');
    builder.setBolt('sink', () => new FunctionBolt((t, output) => output.fail(t))).shuffleGrouping('pass');
  });
  topology.runUntilIdle();
  assert.deepEqual(sorted(spout.acked), [0, 1, 2]);
  assert.equal(topology.metrics().get('sink')?.failed, 3);
});

test('a tuple anchored to two trees holds both and fails both', () => {
  const spout = new ListSpout(itemsTo(4));
  const { topology } = simulated((builder) => {
    builder.setSpout('numbers', () => spout);
    let waiting: Tuple | undefined;
    const pair = new FunctionBolt((tuple, output) => {
      if (waiting === undefined) {
        waiting = tuple;
        return;
      }
      output.emit([Number(waiting.values[0]) + Number(tuple.values[0])], [waiting, tuple]);
      output.ack(waiting);
      output.ack(tuple);
      waiting = undefined;
    });
    builder.setBolt('pair', () => pair).globalGrouping('numbers');
    const sink = new FunctionBolt((tuple, output) => {
      if (tuple.values[0] === 1) output.fail(tuple);
      else output.ack(tuple);
    });
    builder.setBolt('sink', () => sink).globalGrouping('pair');
  });
  topology.runUntilIdle();
  assert.deepEqual(sorted(spout.failed), [0, 1]);
  assert.deepEqual(sorted(spout.acked), [2, 3]);
});

test('a tree that splits, joins again and goes on is complete only with its last tuple', () => {
  const spout = new ListSpout(['x']);
  const last: (() => void)[] = [];
  const { topology } = simulated((builder) => {
    builder.setSpout('one', () => spout);
    builder.setBolt('left', () => new FunctionBolt(passOn)).shuffleGrouping('one');
    builder.setBolt('right', () => new FunctionBolt(passOn)).shuffleGrouping('one');
    const halves: Tuple[] = [];
    const join = new FunctionBolt((tuple, output) => {
      if (halves.push(tuple) < 2) return;
      output.emit(tuple.values, halves);
      for (const half of halves) output.ack(half);
    });
    builder
      .setBolt('join', () => join)
      .globalGrouping('left')
      .globalGrouping('right');
    builder.setBolt('after', () => new FunctionBolt(passOn)).shuffleGrouping('join');
    builder
      .setBolt('last', () => new FunctionBolt((t, output) => last.push(() => output.ack(t))))
      .shuffleGrouping('after');
  });
  topology.runUntilIdle();
  assert.deepEqual(spout.acked, []);
  last[0]?.();
  topology.runUntilIdle();
  assert.deepEqual(spout.acked, [0]);
});

test('declared streams reach their own subscribers', () => {
  const spout = new ListSpout(itemsTo(10));
  const seen: string[] = [];
  const note = (tuple: Tuple, output: BoltOutput, name: string): void => {
    seen.push(`${name} ${String(tuple.get('n'))}`);
    output.ack(tuple);
  };
  const { topology } = simulated((builder) => {
    builder.setSpout('numbers', () => spout);
    const route = new FunctionBolt(
      (tuple, output) => {
        const n = Number(tuple.values[0]);
        if (n % 2 === 0) output.emitTo('even', [n, 'even'], tuple);
        else output.emitTo('odd', [n], tuple);
        output.ack(tuple);
      },
      { even: ['n', 'why'], odd: ['n'] },
    );
    builder.setBolt('route', () => route).shuffleGrouping('numbers');
    builder
      .setBolt('even', () => new FunctionBolt((t, output) => note(t, output, 'even')))
      .fieldsGrouping('route', ['why'], 'even');
    builder
      .setBolt('odd', () => new FunctionBolt((t, output) => note(t, output, 'odd')), 3)
      .shuffleGrouping('route', 'odd');
  });
  topology.runUntilIdle();
  const expected = itemsTo(10).map((n) => (n % 2 === 0 ? `even ${n}` : `odd ${n}`));
  assert.deepEqual(seen.toSorted(), expected.toSorted());
  assert.equal(spout.acked.length, 10);
});

test('all-grouping makes the tree wait for every task', () => {
  const spout = new ListSpout(['x']);
  const kept: (() => void)[] = [];
  const { topology } = simulated((builder) => {
    builder.setSpout('one', () => spout);
    builder
      .setBolt('each', () => new FunctionBolt((t, output) => kept.push(() => output.ack(t))), 3)
      .allGrouping('one');
  });
  topology.runUntilIdle();
  assert.equal(kept.length, 3);
  for (const settle of kept) {
    assert.deepEqual(spout.acked, []);
    settle();
    topology.runUntilIdle();
  }
  assert.deepEqual(spout.acked, [0]);
});

test('a tracked tuple without receivers is acked at once', () => {
  const spout = new ListSpout(itemsTo(2));
  const { topology } = simulated((builder) => builder.setSpout('numbers', () => spout));
  topology.runUntilIdle();
  assert.deepEqual(spout.acked, [0, 1]);
});

test('a spout task is not called while maxSpoutPending trees are unanswered', () => {
  const spout = new ListSpout(itemsTo(100));
  const kept: (() => void)[] = [];
  const { topology } = simulated(
    (builder) => {
      builder.setSpout('numbers', () => spout);
      builder
        .setBolt('keep', () => new FunctionBolt((t, output) => kept.push(() => output.ack(t))))
        .shuffleGrouping('numbers');
    },
    { maxSpoutPending: 7 },
  );
  for (let done = 0; done < 100; done++) {
    topology.runUntilIdle();
    assert.equal(topology.pending, Math.min(7, 100 - done));
    kept.shift()?.();
  }
  topology.runUntilIdle();
  assert.equal(spout.acked.length, 100);
});

test('a bolt that settles a tuple twice or anchors to a settled one gets an error, and no tree is acked early', () => {
  const spout = new ListSpout(itemsTo(2));
  const { topology, errors } = simulated((builder) => {
    builder.setSpout('numbers', () => spout);
    const misuse = new FunctionBolt((tuple, output) => {
      output.ack(tuple);
      if (tuple.values[0] === 0) output.ack(tuple);
      else output.emit(['late'], tuple);
    });
    builder.setBolt('misuse', () => misuse).shuffleGrouping('numbers');
    builder.setBolt('sink', () => new FunctionBolt((t, output) => output.ack(t))).shuffleGrouping('misuse');
  });
  topology.runUntilIdle();
  assert.equal(errors.length, 2);
  for (const { error } of errors) assert.match(String(error), /settled/);
});

test('a turn throws the error of a spout', () => {
  const broken = new ListSpout([]);
  broken.nextTuple = () => {
    throw new Error('source gone');
  };
  const { topology } = simulated((builder) => builder.setSpout('broken', () => broken));
  assert.throws(() => topology.runUntilIdle(), /source gone/);
});

test('settle waits for a bolt that continues in a promise', async () => {
  const spout = new ReplayingSpout(itemsTo(20));
  let failuresLeft = 3;
  const later = async (tuple: Tuple, output: BoltOutput): Promise<void> => {
    await Promise.resolve();
    if (failuresLeft-- > 0) output.fail(tuple);
    else output.ack(tuple);
  };
  const pending: Promise<void>[] = [];
  const { topology } = simulated((builder) => {
    builder.setSpout('numbers', () => spout);
    builder
      .setBolt('later', () => new FunctionBolt((t, output) => void pending.push(later(t, output))))
      .shuffleGrouping('numbers');
  });
  await topology.settle();
  assert.deepEqual(sorted(spout.acked), itemsTo(20));
  assert.equal(spout.failed.length, 3);
  await Promise.all(pending);
});

test('run continues until its signal aborts, and other work of the process runs in between', async () => {
  const stop = new AbortController();
  let immediates = 0;
  const spout = new ListSpout(itemsTo(10_000));
  const { topology } = simulated((builder) => {
    builder.setSpout('numbers', () => spout);
    const sink = new FunctionBolt((tuple, output) => {
      output.ack(tuple);
      if (tuple.values[0] === 5000) setImmediate(() => immediates++);
      if (tuple.values[0] === 9999) stop.abort();
    });
    builder.setBolt('sink', () => sink).shuffleGrouping('numbers');
  });
  await topology.run(stop.signal);
  assert.equal(immediates, 1);
  assert.ok(spout.acked.length > 5000);
});

test('metrics count emits, executions, acks, failures and latency by component', () => {
  const spout = new ListSpout(itemsTo(4));
  const { topology, clock } = simulated((builder) => {
    builder.setSpout('numbers', () => spout);
    const sink = new FunctionBolt((tuple, output) => {
      clock.now += 10;
      if (tuple.values[0] === 3) output.fail(tuple);
      else output.ack(tuple);
    });
    builder.setBolt('sink', () => sink).shuffleGrouping('numbers');
  });
  topology.turn();
  topology.turn();
  const { emitted, acked, failed, latencyMaxMs } = topology.metrics().get('numbers') ?? {};
  assert.deepEqual({ emitted, acked, failed }, { emitted: 4, acked: 3, failed: 1 });
  assert.ok(latencyMaxMs !== undefined);
  const sink = topology.metrics().get('sink');
  assert.deepEqual([sink?.executed, sink?.acked, sink?.failed, sink?.latencyMs], [4, 3, 1, 10]);
});
