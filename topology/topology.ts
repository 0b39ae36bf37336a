/**
 * A running topology: all tasks of all components, run in turns on this thread.
 *
 * There are two ways to run it. By hand (`turn`, `runUntilIdle`, `settle`): for tests in simulated time and for work in
 * epochs, where the caller feeds the spout, runs until every tree is answered, and commits. Continuously (`run`): until
 * a signal aborts. `component.ts` says which calls a component gets in a turn and what it is guaranteed.
 */
import { setImmediate, setTimeout } from 'node:timers/promises';
import { BoltTask } from './bolt-task.js';
import type { Streams, TaskContext } from './component.js';
import { invalid } from './errors.js';
import { selectorOf } from './grouping.js';
import { ComponentMetrics, snapshotOf } from './metrics.js';
import type { MetricsSnapshot } from './metrics.js';
import { checkSubscription } from './plan.js';
import type { BoltSpec, SpoutSpec } from './plan.js';
import type { Random } from './random.js';
import { SpoutTask } from './spout-task.js';
import { ThreadTask } from './thread-task.js';
import { TupleTrees } from './tuple-trees.js';
import type { BoltError } from './tuple-trees.js';

export interface TopologyOptions {
  /**
   * Returns whole milliseconds since any fixed time. Must not go backwards: a tree that began "later" than now would
   * time out.
   */
  readonly clock: () => number;
  /** Source of tuple ids and of the choices of shuffle grouping. The same seed, clock and input give the same run. */
  readonly random: Random;
  /**
   * Called for each error of a bolt. If it throws, `turn` throws that error; for an error that a bolt reports after the
   * turn (as bolts on threads do), the error goes to whatever called `reportError`.
   */
  readonly onError: (error: BoltError) => void;
  /** Message timeout T: an incomplete tree fails at an age between T and 1.5 T, plus at most one turn. Default 30 s. */
  readonly messageTimeoutMs?: number;
  /** A spout task with this many unanswered trees is not called. Default 1,000. */
  readonly maxSpoutPending?: number;
  /** Queue length in front of a task at which its senders pause. Default 1,024. */
  readonly queueLimit?: number;
  /**
   * Maximum number of calls a task gets in one turn. Lower values reduce latency, higher ones raise throughput. Default
   * 128.
   */
  readonly batch?: number;
}

/** How long `run` and `settle` sleep after a turn that did nothing. */
const idleWaitMs = 1;
/** The acker stores task ids in two bytes. */
const maxTasks = 0xffff;

interface Component<T> {
  readonly name: string;
  readonly tasks: readonly T[];
  readonly outputs: Streams;
  readonly metrics: ComponentMetrics;
}

export class Topology {
  private readonly trees: TupleTrees;
  private readonly taskIds = new Map<string, readonly number[]>();
  private readonly spouts: readonly Component<SpoutTask>[];
  private readonly bolts: readonly Component<BoltTask | ThreadTask>[];
  private readonly spoutTasks = new Map<number, SpoutTask>();
  private readonly batch: number;
  private readonly expireEveryMs: number;
  private nextExpireMs: number;
  private nextTask = 0;
  private closed = false;

  /** Called by `TopologyBuilder.build`. Creates and wires all tasks, prepares the bolts and opens the spouts. */
  constructor(spouts: readonly SpoutSpec[], bolts: readonly BoltSpec[], options: TopologyOptions) {
    const { clock, random, messageTimeoutMs = 30_000, batch = 128 } = options;
    this.trees = new TupleTrees(
      clock,
      random,
      messageTimeoutMs,
      (task, slot, outcome, ageMs) => {
        const messageId = this.trees.messageIds[slot];
        this.trees.messageIds[slot] = undefined;
        this.spoutTasks.get(task)?.answered(messageId, outcome, ageMs);
      },
      options.onError,
    );
    this.batch = batch;
    this.expireEveryMs = messageTimeoutMs / 2;
    this.nextExpireMs = this.trees.nowMs + this.expireEveryMs;
    for (const { name, parallelism } of [...spouts, ...bolts]) this.nameTasks(name, parallelism);
    this.spouts = spouts.map((spec) => this.spoutOf(spec, options.maxSpoutPending ?? 1000));
    this.bolts = bolts.map((spec) => this.boltOf(spec, options.queueLimit ?? 1024));
    bolts.forEach((spec) => this.wire(spec, random));
    for (const bolt of this.bolts) for (const task of bolt.tasks) task.prepare();
    for (const spout of this.spouts) for (const task of spout.tasks) task.open();
  }

  /** Number of tracked spout tuples whose ack or fail has not been delivered to the spout yet. */
  get pending(): number {
    let pending = 0;
    for (const task of this.spoutTasks.values()) pending += task.pending;
    return pending;
  }

  /**
   * Runs one turn: timeouts if due, then each spout task, then each bolt task. Returns the number of component calls
   * that did something; 0 means that there is nothing to do until the clock moves, a bolt settles a tuple it kept, or a
   * spout has new input. Throws what a spout throws.
   */
  turn(): number {
    if (this.closed) throw invalid('turn of a closed topology');
    this.expireIfDue();
    let calls = 0;
    for (const spout of this.spouts) for (const task of spout.tasks) calls += task.run(this.batch);
    for (const bolt of this.bolts) for (const task of bolt.tasks) calls += task.run(this.batch);
    return calls;
  }

  /**
   * Runs turns until one does nothing; synchronous. Meant for spouts that stop emitting by themselves: on return all
   * queues are empty (except those of bolts on threads that are still busy), every answer has been delivered, and
   * `pending` counts only the trees of tuples that bolts keep.
   */
  runUntilIdle(): void {
    while (this.turn() > 0);
  }

  /**
   * Like `runUntilIdle`, then waits for the tuples that bolts keep, until every tree has been acked, failed or timed
   * out. The clock must advance on its own.
   */
  async settle(): Promise<void> {
    for (;;) {
      this.runUntilIdle();
      if (this.pending === 0) return;
      await setTimeout(idleWaitMs);
    }
  }

  /** Runs turns until the signal aborts and yields to the event loop between them. Rejects with what a spout throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.turn() > 0) await setImmediate();
      else await setTimeout(idleWaitMs);
    }
  }

  /** Returns the counters of each component by name. */
  metrics(): ReadonlyMap<string, MetricsSnapshot> {
    const snapshots = new Map<string, MetricsSnapshot>();
    for (const { name, metrics, tasks } of this.spouts)
      snapshots.set(name, snapshotOf(metrics, tasks.length, 0));
    for (const { name, metrics, tasks } of this.bolts) {
      const queued = tasks.reduce((sum, task) => sum + task.inbox.length, 0);
      snapshots.set(name, snapshotOf(metrics, tasks.length, queued));
    }
    return snapshots;
  }

  /** Closes spouts, then bolts. Queued tuples are dropped and unanswered messages stay unanswered. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const spout of this.spouts) for (const task of spout.tasks) task.close();
    for (const bolt of this.bolts) for (const task of bolt.tasks) task.close();
  }

  private expireIfDue(): void {
    const nowMs = this.trees.readClock();
    if (nowMs < this.nextExpireMs) return;
    this.nextExpireMs = nowMs + this.expireEveryMs;
    this.trees.acker.expire(nowMs);
  }

  private nameTasks(component: string, parallelism: number): void {
    const ids = Array.from({ length: parallelism }, () => this.nextTask++);
    if (this.nextTask > maxTasks) throw invalid(`more than ${maxTasks} tasks`);
    this.taskIds.set(component, ids);
  }

  private spoutOf(spec: SpoutSpec, maxPending: number): Component<SpoutTask> {
    const metrics = new ComponentMetrics();
    let outputs: Streams = {};
    const tasks = this.contextsOf(spec.name).map((context) => {
      const spout = spec.create();
      outputs = spout.outputs;
      const task = new SpoutTask(spout, context, this.trees, metrics, maxPending);
      this.spoutTasks.set(context.task, task);
      return task;
    });
    return { name: spec.name, tasks, outputs, metrics };
  }

  private boltOf(spec: BoltSpec, queueLimit: number): Component<BoltTask | ThreadTask> {
    const metrics = new ComponentMetrics();
    let outputs: Streams = {};
    const tasks = this.contextsOf(spec.name).map((context) => {
      const bolt = typeof spec.bolt === 'function' ? spec.bolt() : spec.bolt;
      outputs = bolt.outputs ?? {};
      return 'module' in bolt
        ? new ThreadTask(bolt, context, this.trees, metrics, queueLimit)
        : new BoltTask(bolt, context, this.trees, metrics, queueLimit);
    });
    return { name: spec.name, tasks, outputs, metrics };
  }

  private contextsOf(component: string): readonly TaskContext[] {
    const ids = this.tasksOf(component);
    return ids.map((task, index) => ({ component, task, index, parallelism: ids.length }));
  }

  private tasksOf(component: string): readonly number[] {
    const ids = this.taskIds.get(component);
    if (ids === undefined) throw invalid(`no component '${component}' in this topology`);
    return ids;
  }

  /** Connects the bolt's tasks to every task of every component it subscribes to. */
  private wire(spec: BoltSpec, random: Random): void {
    const inboxes = this.bolts.find(({ name }) => name === spec.name)?.tasks.map(({ inbox }) => inbox) ?? [];
    for (const { component, stream, grouping } of spec.inputs) {
      const sender = [...this.spouts, ...this.bolts].find(({ name }) => name === component);
      const fields = checkSubscription(spec.name, { component, stream, grouping }, sender?.outputs ?? {});
      for (const { streams } of sender?.tasks ?? []) {
        const selector = selectorOf(grouping, { fields, parallelism: inboxes.length, random });
        streams.get(stream).subscribe(selector, inboxes);
      }
    }
  }
}
