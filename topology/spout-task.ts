/** One running spout: begins a tree for every tuple with a message id, and passes the acker's answers on. */
import type { Outcome } from './acker.js';
import type { MessageId, Spout, SpoutOutput, TaskContext } from './component.js';
import type { Inbox } from './inbox.js';
import type { Ledger } from './ledger.js';
import type { ComponentMetrics } from './metrics.js';
import type { Outlet } from './outlet.js';
import { Outlets } from './outlets.js';
import { Tuple } from './tuple.js';
import type { Values } from './tuple.js';

/** The acker's word on one message, waiting for the spout's part of the turn. */
interface Answer {
  readonly messageId: MessageId;
  readonly acked: boolean;
}

export class SpoutTask implements SpoutOutput {
  readonly outlets: Outlets;
  private readonly defaultOutlet: Outlet | undefined;
  private answers: Answer[] = [];
  /** Tracked tuples whose answer the spout has not been given. */
  private unanswered = 0;
  private emits = 0;

  constructor(
    private readonly spout: Spout,
    private readonly context: TaskContext,
    private readonly ledger: Ledger,
    private readonly metrics: ComponentMetrics,
    private readonly maxPending: number,
  ) {
    this.outlets = new Outlets(context.component, context.task, spout.outputs);
    this.defaultOutlet = 'default' in spout.outputs ? this.outlets.get() : undefined;
  }

  get pending(): number {
    return this.unanswered;
  }

  open(): void {
    this.outlets.seal();
    this.spout.open?.(this.context, this);
  }

  close(): void {
    this.spout.close?.();
  }

  /** This task's part of a turn: all answers, then up to `batch` calls of nextTuple. Returns the calls made. */
  run(batch: number): number {
    const startedMs = this.ledger.readClock();
    let calls = this.giveAnswers();
    for (let i = 0; i < batch && this.unanswered < this.maxPending && !this.outlets.blocked; i++) {
      const before = this.emits;
      this.spout.nextTuple();
      if (this.emits === before) break;
      calls++;
    }
    if (calls > 0) this.metrics.busyMs += this.ledger.readClock() - startedMs;
    return calls;
  }

  /** The acker's answer on a tree of this task; comes while some bolt or the clock is at work. */
  answered(messageId: MessageId, outcome: Outcome, ageMs: number): void {
    const { metrics } = this;
    const acked = outcome === 'acked';
    if (acked) {
      metrics.acked++;
      metrics.latencySumMs += ageMs;
      if (ageMs > metrics.latencyMaxMs) metrics.latencyMaxMs = ageMs;
    } else {
      metrics.failed++;
      if (outcome === 'timedOut') metrics.timedOut++;
    }
    this.answers.push({ messageId, acked });
  }

  emit(values: Values, messageId?: MessageId): void {
    const outlet = this.defaultOutlet ?? this.outlets.get();
    this.send(outlet, outlet.receivers(values), values, messageId);
  }

  emitTo(stream: string, values: Values, messageId?: MessageId): void {
    const outlet = this.outlets.get(stream);
    this.send(outlet, outlet.receivers(values), values, messageId);
  }

  emitDirect(task: number, stream: string, values: Values, messageId?: MessageId): void {
    const outlet = this.outlets.get(stream);
    this.send(outlet, outlet.receiver(task), values, messageId);
  }

  private send(outlet: Outlet, receivers: readonly Inbox[], values: Values, messageId: MessageId): void {
    this.emits++;
    this.metrics.emitted++;
    if (messageId === undefined) {
      for (const inbox of receivers) inbox.push(new Tuple(outlet.source, values, null));
    } else {
      this.sendTracked(outlet, receivers, values, messageId);
    }
  }

  private sendTracked(
    outlet: Outlet,
    receivers: readonly Inbox[],
    values: Values,
    messageId: MessageId,
  ): void {
    const { acker, messageIds } = this.ledger;
    const slot = acker.begin(this.context.task, this.ledger.nowMs);
    const generation = acker.generationOf(slot);
    messageIds[slot] = messageId;
    this.unanswered++;
    let hi = 0;
    let lo = 0;
    for (const inbox of receivers) {
      const edge = this.ledger.rootEdge(slot, generation);
      hi ^= edge.hi;
      lo ^= edge.lo;
      inbox.push(new Tuple(outlet.source, values, edge));
    }
    acker.init(slot, generation, hi, lo, this.ledger.nowMs);
  }

  private giveAnswers(): number {
    if (this.answers.length === 0) return 0;
    const { answers } = this;
    this.answers = [];
    this.unanswered -= answers.length;
    for (const { messageId, acked } of answers) {
      if (acked) this.spout.ack?.(messageId);
      else this.spout.fail?.(messageId);
    }
    return answers.length;
  }
}
