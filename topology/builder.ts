/**
 * TopologyBuilder describes a topology by the names of its components, then builds it.
 *
 *   const builder = new TopologyBuilder();
 *   builder.setSpout('sentences', () => new SentenceSpout());
 *   builder.setBolt('split', () => new SplitBolt(), 2).shuffleGrouping('sentences');
 *   builder.setBolt('count', () => new CountBolt(), 4).fieldsGrouping('split', ['word']);
 *   const topology = builder.build({ clock, random, onError });
 *
 * A bolt may subscribe to a component that is defined later: `build` checks the wiring. One builder can build several
 * topologies; each has its own instances.
 */
import type { Bolt, BoltModule, Spout } from './component.js';
import { invalid } from './errors.js';
import type { Grouping, Subscription } from './grouping.js';
import { inOrder } from './plan.js';
import type { BoltSpec, SpoutSpec } from './plan.js';
import { Topology } from './topology.js';
import type { TopologyOptions } from './topology.js';
import { defaultStream } from './tuple.js';
import type { Fields } from './tuple.js';

export class TopologyBuilder {
  private readonly spouts: SpoutSpec[] = [];
  private readonly bolts: BoltDeclarer[] = [];

  /** @param parallelism number of tasks, each with its own instance */
  setSpout(name: string, create: () => Spout, parallelism = 1): void {
    this.check(name, parallelism);
    this.spouts.push({ name, create, parallelism });
  }

  /**
   * Returns a declarer, which says what streams the bolt reads and how their tuples are distributed over its tasks.
   *
   * @param bolt a factory: tasks run on the topology's thread; or a module: each task runs on its own thread
   */
  setBolt(name: string, bolt: (() => Bolt) | BoltModule, parallelism = 1): BoltDeclarer {
    this.check(name, parallelism);
    const declarer = new BoltDeclarer(name, bolt, parallelism);
    this.bolts.push(declarer);
    return declarer;
  }

  /**
   * Creates and wires the tasks, prepares the bolts and opens the spouts; no tuple moves yet. Throws `topology.invalid`
   * if the wiring cannot work.
   */
  build(options: TopologyOptions): Topology {
    const bolts = this.bolts.map((bolt) => bolt.spec());
    return new Topology(this.spouts, inOrder(this.spouts, bolts), options);
  }

  private check(name: string, parallelism: number): void {
    const taken = [...this.spouts, ...this.bolts].some((component) => component.name === name);
    if (taken) throw invalid(`component '${name}' is defined twice`);
    if (!Number.isInteger(parallelism) || parallelism < 1) {
      throw invalid(`component '${name}' has parallelism ${parallelism}, must be a whole number from 1`);
    }
  }
}

/** Declares what a bolt reads. Each method adds one subscription; `Grouping` explains each kind. */
export class BoltDeclarer {
  private readonly inputs: Subscription[] = [];

  constructor(
    readonly name: string,
    private readonly bolt: (() => Bolt) | BoltModule,
    private readonly parallelism: number,
  ) {}

  shuffleGrouping(component: string, stream = defaultStream): this {
    return this.grouping({ kind: 'shuffle' }, component, stream);
  }

  fieldsGrouping(component: string, fields: Fields, stream = defaultStream): this {
    return this.grouping({ kind: 'fields', fields }, component, stream);
  }

  partialKeyGrouping(component: string, fields: Fields, stream = defaultStream): this {
    return this.grouping({ kind: 'partialKey', fields }, component, stream);
  }

  allGrouping(component: string, stream = defaultStream): this {
    return this.grouping({ kind: 'all' }, component, stream);
  }

  globalGrouping(component: string, stream = defaultStream): this {
    return this.grouping({ kind: 'global' }, component, stream);
  }

  spec(): BoltSpec {
    const { name, bolt, parallelism, inputs } = this;
    return { name, bolt, parallelism, inputs };
  }

  private grouping(grouping: Grouping, component: string, stream: string): this {
    this.inputs.push({ component, stream, grouping });
    return this;
  }
}
