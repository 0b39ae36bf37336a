/** One running bolt: takes tuples from its inbox, gives what it emits its edges, and reports to the acker. */
import type { Anchors, Bolt, BoltOutput, TaskContext } from './component.js';
import { Inbox } from './inbox.js';
import type { Ledger } from './ledger.js';
import type { ComponentMetrics } from './metrics.js';
import type { Outlet } from './outlet.js';
import { Outlets } from './outlets.js';
import { invalid } from './plan.js';
import { Tuple } from './tuple.js';
import type { Edge, Values } from './tuple.js';

export interface BoltTaskSettings {
  readonly tickMs: number | undefined;
  readonly queueLimit: number;
}

export class BoltTask implements BoltOutput {
  readonly inbox: Inbox;
  readonly outlets: Outlets;
  private readonly defaultOutlet: Outlet | undefined;
  private readonly tickMs: number;
  private nextTickMs: number;

  constructor(
    private readonly bolt: Bolt,
    private readonly context: TaskContext,
    private readonly ledger: Ledger,
    private readonly metrics: ComponentMetrics,
    settings: BoltTaskSettings,
  ) {
    const outputs = bolt.outputs ?? {};
    this.inbox = new Inbox(settings.queueLimit);
    this.outlets = new Outlets(context.component, context.task, outputs);
    this.defaultOutlet = 'default' in outputs ? this.outlets.get() : undefined;
    this.tickMs = settings.tickMs ?? Infinity;
    this.nextTickMs = ledger.nowMs + this.tickMs;
  }

  /** Whether it works on the thread of the topology. */
  get local(): boolean {
    return this.bolt.remote !== true;
  }

  prepare(): void {
    this.outlets.seal();
    this.bolt.prepare?.(this.context, this);
  }

  close(): void {
    this.bolt.close?.();
  }

  /** This task's part of a turn: a tick if it is due, then up to `batch` tuples. Returns the calls made. */
  run(batch: number): number {
    const startedMs = this.ledger.readClock();
    const ticks = this.nextTickMs <= startedMs ? this.tick(startedMs) : 0;
    const calls = ticks + this.executeUpTo(batch);
    if (calls > 0) this.metrics.busyMs += this.ledger.readClock() - startedMs;
    return calls;
  }

  emit(values: Values, anchors?: Anchors): void {
    const outlet = this.defaultOutlet ?? this.outlets.get();
    this.send(outlet, outlet.receivers(values), values, anchors);
  }

  emitTo(stream: string, values: Values, anchors?: Anchors): void {
    const outlet = this.outlets.get(stream);
    this.send(outlet, outlet.receivers(values), values, anchors);
  }

  emitDirect(task: number, stream: string, values: Values, anchors?: Anchors): void {
    const outlet = this.outlets.get(stream);
    this.send(outlet, outlet.receiver(task), values, anchors);
  }

  ack(tuple: Tuple): void {
    this.settle(tuple, 'ack');
    this.metrics.acked++;
    this.ledger.ack(tuple);
  }

  fail(tuple: Tuple): void {
    this.settle(tuple, 'fail');
    this.metrics.failed++;
    this.ledger.fail(tuple);
  }

  reportError(error: unknown): void {
    this.metrics.errors++;
    this.ledger.report({ component: this.context.component, task: this.context.task, error });
  }

  private send(
    outlet: Outlet,
    receivers: readonly Inbox[],
    values: Values,
    anchors: Anchors | undefined,
  ): void {
    this.metrics.emitted++;
    for (const inbox of receivers) inbox.push(new Tuple(outlet.source, values, this.edgesFor(anchors)));
  }

  private edgesFor(anchors: Anchors | undefined): Edge | null {
    if (anchors === undefined) return null;
    if (anchors instanceof Tuple) {
      this.refuseSettled(anchors);
      return this.ledger.edgesUnder(anchors);
    }
    for (const anchor of anchors) this.refuseSettled(anchor);
    return this.ledger.edgesUnderAll(anchors);
  }

  private refuseSettled(anchor: Tuple): void {
    if (anchor.settled)
      throw invalid(`'${this.context.component}' anchors to a tuple it has settled already`);
  }

  private settle(tuple: Tuple, what: 'ack' | 'fail'): void {
    if (tuple.settled)
      throw invalid(`'${this.context.component}': ${what} of a tuple that was settled before`);
    tuple.settled = true;
  }

  private executeUpTo(batch: number): number {
    let executed = 0;
    while (executed < batch && !this.outlets.blocked && this.bolt.busy !== true) {
      const tuple = this.inbox.shift();
      if (tuple === undefined) break;
      this.execute(tuple);
      executed++;
    }
    if (executed > 0) this.guard(() => this.bolt.endBatch?.());
    return executed;
  }

  private execute(tuple: Tuple): void {
    this.metrics.executed++;
    try {
      this.bolt.execute(tuple);
    } catch (error) {
      if (!tuple.settled) this.fail(tuple);
      this.reportError(error);
    }
  }

  private tick(nowMs: number): number {
    this.nextTickMs = nowMs + this.tickMs;
    this.guard(() => this.bolt.tick?.(nowMs));
    return 1;
  }

  /** Reports what a call throws that has no tuple to fail. */
  private guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.reportError(error);
    }
  }
}
