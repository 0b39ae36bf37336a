/** A small topology by hand: what reaches whom, and which answers a spout gets. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { seededRandom, TopologyBuilder } from '../topology/index.js';
import type { Bolt, BoltOutput, Spout, SpoutOutput, TaskContext, Tuple } from '../topology/index.js';

class Numbers implements Spout {
  readonly outputs = { default: ['n'] };
  readonly answers: string[] = [];
  private output: SpoutOutput | undefined;
  private next = 0;

  constructor(private readonly count: number) {}

  open(_: TaskContext, output: SpoutOutput): void {
    this.output = output;
  }
  nextTuple(): void {
    if (this.next < this.count) this.output?.emit([this.next], this.next++);
  }
  ack(id: unknown): void {
    this.answers.push(`acked ${String(id)}`);
  }
  fail(id: unknown): void {
    this.answers.push(`failed ${String(id)}`);
  }
}

class Twice implements Bolt<[n: number]> {
  readonly outputs = { default: ['n'] };
  private output: BoltOutput | undefined;

  prepare(_: TaskContext, output: BoltOutput): void {
    this.output = output;
  }
  execute(tuple: Tuple<[n: number]>): void {
    this.output?.emit([tuple.values[0] * 2], tuple);
    this.output?.emit([tuple.values[0] * 2 + 1], tuple);
    this.output?.ack(tuple);
  }
}

class Sink implements Bolt<[n: number]> {
  readonly seen: number[] = [];
  private output: BoltOutput | undefined;

  constructor(private readonly onTuple: (n: number) => 'ack' | 'fail' | 'throw' | 'keep') {}

  prepare(_: TaskContext, output: BoltOutput): void {
    this.output = output;
  }
  execute(tuple: Tuple<[n: number]>): void {
    const [n] = tuple.values;
    this.seen.push(n);
    const verdict = this.onTuple(n);
    if (verdict === 'ack') this.output?.ack(tuple);
    else if (verdict === 'fail') this.output?.fail(tuple);
    else if (verdict === 'throw') throw new Error(`no ${n}`);
  }
}

function run(verdict: (n: number) => 'ack' | 'fail' | 'throw' | 'keep') {
  const clock = { now: 1_000_000 };
  const errors: unknown[] = [];
  const spout = new Numbers(4);
  const sink = new Sink(verdict);
  const builder = new TopologyBuilder();
  builder.setSpout('numbers', () => spout);
  builder.setBolt('twice', () => new Twice(), 3).shuffleGrouping('numbers');
  builder.setBolt('sink', () => sink).globalGrouping('twice');
  const topology = builder.build({
    clock: () => clock.now,
    random: seededRandom(1),
    onError: ({ component, error }) => errors.push(`${component}: ${String(error)}`),
    messageTimeoutMs: 1000,
  });
  topology.runUntilIdle();
  return { clock, errors, spout, sink, topology };
}

test('every tree whose tuples are all acked is acked once', () => {
  const { spout, sink, topology } = run(() => 'ack');
  assert.deepEqual(spout.answers.toSorted(), ['acked 0', 'acked 1', 'acked 2', 'acked 3']);
  assert.deepEqual(
    sink.seen.toSorted((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
  assert.equal(topology.pending, 0);
  assert.equal(topology.metrics().get('sink')?.acked, 8);
});

test('one failed tuple fails its tree and no other', () => {
  const { spout } = run((n) => (n === 5 ? 'fail' : 'ack'));
  assert.deepEqual(spout.answers.toSorted(), ['acked 0', 'acked 1', 'acked 3', 'failed 2']);
});

test('a bolt that throws fails the tuple, reports, and goes on', () => {
  const { spout, errors } = run((n) => (n === 2 ? 'throw' : 'ack'));
  assert.deepEqual(spout.answers.toSorted(), ['acked 0', 'acked 2', 'acked 3', 'failed 1']);
  assert.deepEqual(errors, ['sink: Error: no 2']);
});

test('a tuple that nobody settles times out', () => {
  const { spout, clock, topology } = run((n) => (n === 7 ? 'keep' : 'ack'));
  assert.equal(topology.pending, 1);
  clock.now += 1500;
  topology.runUntilIdle();
  assert.equal(spout.answers.at(-1), 'failed 3');
  assert.equal(topology.pending, 0);
});
