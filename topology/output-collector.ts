/** The output of one bolt task: gives new tuples their edges and reports each ack and fail to the acker. */
import type { Anchors, BoltOutput, Streams, TaskContext } from './component.js';
import { invalid } from './errors.js';
import type { ComponentMetrics } from './metrics.js';
import { OutputStreams } from './output-streams.js';
import type { TupleTrees } from './tuple-trees.js';
import { defaultStream, Tuple } from './tuple.js';
import type { Edge, Values } from './tuple.js';

export class OutputCollector implements BoltOutput {
  readonly streams: OutputStreams;

  constructor(
    private readonly context: TaskContext,
    outputs: Streams,
    private readonly trees: TupleTrees,
    private readonly metrics: ComponentMetrics,
  ) {
    this.streams = new OutputStreams(context.component, context.task, outputs);
  }

  emit(values: Values, anchors?: Anchors): void {
    this.emitTo(defaultStream, values, anchors);
  }

  emitTo(name: string, values: Values, anchors?: Anchors): void {
    const stream = this.streams.get(name);
    this.metrics.emitted++;
    for (const inbox of stream.receivers(values))
      inbox.push(new Tuple(stream.source, values, this.#edgesUnder(anchors)));
  }

  ack(tuple: Tuple): void {
    this.#settle(tuple, 'ack');
    this.metrics.acked++;
    this.trees.ack(tuple);
  }

  fail(tuple: Tuple): void {
    this.#settle(tuple, 'fail');
    this.metrics.failed++;
    this.trees.fail(tuple);
  }

  reportError(error: unknown): void {
    const { component, task } = this.context;
    this.metrics.errors++;
    this.trees.report({ component, task, error });
  }

  #edgesUnder(anchors: Anchors | undefined): Edge | null {
    if (anchors === undefined) return null;
    if (anchors instanceof Tuple) {
      this.#refuseSettled(anchors);
      return this.trees.edgesUnder(anchors);
    }
    for (const anchor of anchors) this.#refuseSettled(anchor);
    return this.trees.edgesUnderAll(anchors);
  }

  #refuseSettled(anchor: Tuple): void {
    if (anchor.settled)
      throw invalid(`'${this.context.component}' anchors to a tuple that it has already settled`);
  }

  #settle(tuple: Tuple, what: 'ack' | 'fail'): void {
    if (tuple.settled)
      throw invalid(`'${this.context.component}': ${what} of a tuple that is already settled`);
    tuple.settled = true;
  }
}
