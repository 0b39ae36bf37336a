/** One spout task: begins a tree for every tuple with a message id, and delivers the acker's answers to the spout. */
import type { Outcome } from './acker.js';
import type { MessageId, Spout, SpoutOutput, TaskContext } from './component.js';
import type { ComponentMetrics } from './metrics.js';
import { OutputStreams } from './output-streams.js';
import type { OutputStream } from './output-streams.js';
import type { TupleTrees } from './tuple-trees.js';
import { defaultStream, Tuple } from './tuple.js';
import type { Values } from './tuple.js';

/** The acker's answer for one message, kept until the spout's part of the turn. */
interface Answer {
  readonly messageId: MessageId;
  readonly acked: boolean;
}

export class SpoutTask implements SpoutOutput {
  readonly streams: OutputStreams;
  private answers: Answer[] = [];
  /** Number of tracked tuples whose answer has not been delivered to the spout. */
  private unanswered = 0;
  private emits = 0;

  constructor(
    private readonly spout: Spout,
    private readonly context: TaskContext,
    private readonly trees: TupleTrees,
    private readonly metrics: ComponentMetrics,
    private readonly maxPending: number,
  ) {
    this.streams = new OutputStreams(context.component, context.task, spout.outputs);
  }

  get pending(): number {
    return this.unanswered;
  }

  open(): void {
    this.streams.seal();
    this.spout.open?.(this.context, this);
  }

  close(): void {
    this.spout.close?.();
  }

  /**
   * Runs this task's part of a turn: delivers all answers, then calls `nextTuple` up to `batch` times. Returns the
   * number of calls.
   */
  run(batch: number): number {
    const startedMs = this.trees.readClock();
    let calls = this.giveAnswers();
    for (let i = 0; i < batch && this.unanswered < this.maxPending && !this.streams.blocked; i++) {
      const before = this.emits;
      this.spout.nextTuple();
      if (this.emits === before) break;
      calls++;
    }
    if (calls > 0) this.metrics.busyMs += this.trees.readClock() - startedMs;
    return calls;
  }

  /** Queues the acker's answer for a tree of this task. Called while a bolt or a timeout runs. */
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
    this.emitTo(defaultStream, values, messageId);
  }

  emitTo(name: string, values: Values, messageId?: MessageId): void {
    const stream = this.streams.get(name);
    this.emits++;
    this.metrics.emitted++;
    if (messageId !== undefined) return this.emitTracked(stream, values, messageId);
    for (const inbox of stream.receivers(values)) inbox.push(new Tuple(stream.source, values, null));
  }

  private emitTracked(stream: OutputStream, values: Values, messageId: MessageId): void {
    const slot = this.trees.begin(this.context.task, messageId);
    const generation = this.trees.acker.generationOf(slot);
    this.unanswered++;
    let hi = 0;
    let lo = 0;
    for (const inbox of stream.receivers(values)) {
      const edge = this.trees.rootEdge(slot, generation);
      hi ^= edge.hi;
      lo ^= edge.lo;
      inbox.push(new Tuple(stream.source, values, edge));
    }
    this.trees.initialised(slot, generation, hi, lo);
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
