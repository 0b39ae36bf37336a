/**
 * Random topologies under random failures in simulated time, compared with an oracle that counts every tuple of every
 * tree. `RUNS=` sets the number of histories.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { TopologyBuilder } from '../index.js';
import type { Bolt, BoltOutput, Spout, SpoutOutput, TaskContext, Tuple } from '../index.js';
import { below, seededRandom } from '../random.js';
import type { Random } from '../random.js';

const timeoutMs = 1000;
const stepMs = 50;
const keptForMs = 100;

/** The oracle's state of one spout tuple's tree. */
interface Tree {
  readonly emittedAt: number;
  open: number;
  /** Infinity before that. */
  failedAt: number;
  answer: 'acked' | 'failed' | undefined;
}

interface Behaviour {
  /** Probabilities in percent; otherwise the bolt acks. */
  readonly fail: number;
  readonly throw: number;
  readonly keep: number;
  readonly forget: number;
  readonly maxChildren: number;
}

class World {
  now = 500;
  readonly trees: Tree[] = [];

  constructor(
    readonly random: Random,
    /** Number of receivers of one emit of a component. */
    readonly receivers: ReadonlyMap<string, number>,
  ) {}

  chance(percent: number): boolean {
    return below(this.random, 100) < percent;
  }
  emitted(component: string, roots: readonly number[]): void {
    for (const tree of this.of(roots)) tree.open += this.receivers.get(component) ?? 0;
  }
  failed(roots: readonly number[]): void {
    for (const tree of this.of(roots)) tree.failedAt = Math.min(tree.failedAt, this.now);
  }
  of(roots: readonly number[]): Tree[] {
    return roots.flatMap((root) => this.trees[root] ?? []);
  }
}

class RandomSpout implements Spout {
  readonly outputs = { default: ['roots'] };
  private output: SpoutOutput | undefined;
  private left: number;

  constructor(
    private readonly world: World,
    count: number,
  ) {
    this.left = count;
  }
  open(_: TaskContext, output: SpoutOutput): void {
    this.output = output;
  }
  nextTuple(): void {
    if (this.left === 0 || this.world.chance(20)) return;
    this.left--;
    const root = this.world.trees.length;
    this.world.trees.push({ emittedAt: this.world.now, open: 0, failedAt: Infinity, answer: undefined });
    this.world.emitted('spout', [root]);
    this.output?.emit([[root]], root);
  }
  ack(id: unknown): void {
    const tree = this.answered(id, 'acked');
    assert.ok(
      tree.open === 0 && tree.failedAt === Infinity,
      `tree ${String(id)} acked early: ${JSON.stringify(tree)}`,
    );
  }
  fail(id: unknown): void {
    const tree = this.answered(id, 'failed');
    if (tree.failedAt < Infinity) {
      assert.ok(this.world.now <= tree.failedAt + stepMs, 'a failure is told at once');
      return;
    }
    assert.ok(tree.open > 0, `tree ${String(id)} failed though complete`);
    const age = this.world.now - tree.emittedAt;
    assert.ok(age >= timeoutMs && age <= 1.5 * timeoutMs + stepMs, `timed out at ${age} ms`);
  }
  private answered(id: unknown, answer: 'acked' | 'failed'): Tree {
    const tree = this.world.trees[Number(id)];
    assert.ok(tree !== undefined && tree.answer === undefined, `message ${String(id)} answered twice`);
    tree.answer = answer;
    return tree;
  }
}

type Roots = [roots: readonly number[]];

class RandomBolt implements Bolt<Roots> {
  readonly outputs = { default: ['roots'] };
  private output: BoltOutput | undefined;
  private kept: Tuple<Roots>[] = [];

  constructor(
    private readonly name: string,
    private readonly world: World,
    private readonly behaviour: Behaviour,
  ) {}
  prepare(_: TaskContext, output: BoltOutput): void {
    this.output = output;
  }
  execute(tuple: Tuple<Roots>): void {
    const { world, behaviour } = this;
    if (world.chance(behaviour.forget)) return;
    if (world.chance(behaviour.throw)) {
      this.emitChildren([tuple]);
      world.failed(tuple.values[0]);
      throw new Error('planted');
    }
    if (world.chance(behaviour.keep)) this.kept.push(tuple);
    else this.finish([tuple]);
  }
  /** Settles the tuples it keeps, as a promise started by the bolt would. */
  settleKept(): void {
    if (this.kept.length > 0) this.finish(this.kept.splice(0));
  }

  /** Emits children anchored to all the tuples. */
  private emitChildren(tuples: readonly Tuple<Roots>[]): void {
    const { world, behaviour, output } = this;
    const roots = tuples.flatMap((tuple) => tuple.values[0]);
    const children = below(world.random, behaviour.maxChildren + 1);
    for (let i = 0; i < children && roots.length < 50; i++) {
      world.emitted(this.name, roots);
      output?.emit([roots], tuples);
    }
  }

  private finish(tuples: readonly Tuple<Roots>[]): void {
    const { world, behaviour, output } = this;
    this.emitChildren(tuples);
    for (const tuple of tuples) {
      if (world.chance(behaviour.fail)) {
        world.failed(tuple.values[0]);
        output?.fail(tuple);
      } else {
        for (const tree of world.of(tuple.values[0])) tree.open--;
        output?.ack(tuple);
      }
    }
  }
}

const percent = (max: number) => fc.integer({ min: 0, max });
const shape = fc.record({
  seed: fc.integer(),
  tuples: fc.integer({ min: 1, max: 60 }),
  spouts: fc.integer({ min: 1, max: 3 }),
  maxSpoutPending: fc.integer({ min: 1, max: 20 }),
  queueLimit: fc.integer({ min: 1, max: 8 }),
  bolts: fc.array(
    fc.record({
      parallelism: fc.integer({ min: 1, max: 3 }),
      /** The earlier components that the bolt subscribes to. */
      from: fc.uniqueArray(fc.nat(), { minLength: 1, maxLength: 2 }),
      all: fc.boolean(),
      behaviour: fc.record({
        fail: percent(10),
        throw: percent(10),
        keep: percent(40),
        forget: percent(4),
        maxChildren: fc.integer({ min: 0, max: 2 }),
      }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
});

test('every spout tuple is answered exactly once: acked when its tree is complete, failed when it failed or timed out', () => {
  fc.assert(
    fc.property(shape, ({ seed, tuples, spouts, maxSpoutPending, queueLimit, bolts }) => {
      const receivers = new Map<string, number>();
      const world = new World(seededRandom(seed), receivers);
      const builder = new TopologyBuilder();
      builder.setSpout('spout', () => new RandomSpout(world, tuples), spouts);
      const names = ['spout'];
      const keepers: RandomBolt[] = [];
      bolts.forEach(({ parallelism, from, all, behaviour }, i) => {
        const name = `bolt ${i}`;
        const create = (): RandomBolt => {
          const made = new RandomBolt(name, world, behaviour);
          keepers.push(made);
          return made;
        };
        const bolt = builder.setBolt(name, create, parallelism);
        for (const source of new Set(from.map((n) => names[n % names.length] ?? 'spout'))) {
          if (all) bolt.allGrouping(source);
          else bolt.shuffleGrouping(source);
          receivers.set(source, (receivers.get(source) ?? 0) + (all ? parallelism : 1));
        }
        names.push(name);
      });
      const topology = builder.build({
        clock: () => world.now,
        random: seededRandom(seed + 1),
        onError: ({ error }) => assert.equal(String(error), 'Error: planted'),
        messageTimeoutMs: timeoutMs,
        maxSpoutPending,
        queueLimit,
        batch: 4,
      });
      for (let quiet = 0; quiet < 2 * timeoutMs; quiet += stepMs) {
        topology.runUntilIdle();
        world.now += stepMs;
        if (world.now % keptForMs === 0) for (const keeper of keepers) keeper.settleKept();
        if (world.trees.length < tuples * spouts) quiet = 0;
      }
      assert.equal(topology.pending, 0);
      assert.equal(world.trees.length, tuples * spouts);
      for (const tree of world.trees) assert.ok(tree.answer !== undefined);
    }),
    { numRuns: Number(process.env['RUNS'] ?? 1000), includeErrorInReport: true },
  );
});
