/** One task of a bolt on the topology's thread: takes tuples from its queue and passes them to the bolt one by one. */
import type { Bolt, TaskContext } from './component.js';
import { Inbox } from './inbox.js';
import type { ComponentMetrics } from './metrics.js';
import { OutputCollector } from './output-collector.js';
import type { OutputStreams } from './output-streams.js';
import type { TupleTrees } from './tuple-trees.js';
import type { Tuple } from './tuple.js';

export class BoltTask {
  readonly inbox: Inbox;
  readonly #output: OutputCollector;

  constructor(
    private readonly bolt: Bolt,
    private readonly context: TaskContext,
    private readonly trees: TupleTrees,
    private readonly metrics: ComponentMetrics,
    queueLimit: number,
  ) {
    this.inbox = new Inbox(queueLimit);
    this.#output = new OutputCollector(context, bolt.outputs ?? {}, trees, metrics);
  }

  get streams(): OutputStreams {
    return this.#output.streams;
  }

  prepare(): void {
    this.streams.seal();
    this.bolt.prepare?.(this.context, this.#output);
  }

  close(): void {
    this.bolt.close?.();
  }

  /** Runs this task's part of a turn, up to `batch` tuples, and returns how many it executed. */
  run(batch: number): number {
    const startedMs = this.trees.readClock();
    let executed = 0;
    while (executed < batch && !this.streams.blocked) {
      const tuple = this.inbox.shift();
      if (tuple === undefined) break;
      this.#execute(tuple);
      executed++;
    }
    if (executed > 0) this.metrics.busyMs += this.trees.readClock() - startedMs;
    return executed;
  }

  #execute(tuple: Tuple): void {
    this.metrics.executed++;
    try {
      this.bolt.execute(tuple);
    } catch (error) {
      if (!tuple.settled) this.#output.fail(tuple);
      this.#output.reportError(error);
    }
  }
}
