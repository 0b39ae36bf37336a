/** Wraps a bolt and injects seeded random faults, without the bolt knowing. */
import type {
  Anchors,
  Bolt,
  BoltOutput,
  Random,
  Streams,
  TaskContext,
  Tuple,
  Values,
} from '../../topology/index.js';

export interface Faults {
  /** Duration of one `execute`, in simulated milliseconds. */
  readonly workMs: number;
  /** Before this simulated time, `execute` takes ten times as long. */
  readonly slowUntilMs: number;
  /** One emit in this many throws: what the bolt emitted before is queued and the rest is not. 0 for never. */
  readonly crashOneIn: number;
  /** One ack in this many becomes a fail: the work was done but is reported as failed. 0 for never. */
  readonly failOneIn: number;
}

/** Simulated time, advanced only by the work of bolts. */
export interface SimulatedTime {
  nowMs: number;
}

export class FaultyBolt implements Bolt {
  constructor(
    private readonly inner: Bolt,
    private readonly faults: Faults,
    private readonly random: Random,
    private readonly time: SimulatedTime,
  ) {}

  get outputs(): Streams {
    return this.inner.outputs ?? {};
  }

  prepare(context: TaskContext, output: BoltOutput): void {
    this.inner.prepare?.(context, new FaultyOutput(output, this.faults, this.random));
  }

  execute(tuple: Tuple): void {
    const { workMs, slowUntilMs } = this.faults;
    this.time.nowMs += this.time.nowMs < slowUntilMs ? 10 * workMs : workMs;
    this.inner.execute(tuple);
  }
}

class FaultyOutput implements BoltOutput {
  constructor(
    private readonly output: BoltOutput,
    private readonly faults: Faults,
    private readonly random: Random,
  ) {}

  emit(values: Values, anchors?: Anchors): void {
    if (this.oneIn(this.faults.crashOneIn)) throw new Error('crashed between two emits');
    this.output.emit(values, anchors);
  }
  emitTo(stream: string, values: Values, anchors?: Anchors): void {
    this.output.emitTo(stream, values, anchors);
  }
  ack(tuple: Tuple): void {
    if (this.oneIn(this.faults.failOneIn)) this.output.fail(tuple);
    else this.output.ack(tuple);
  }
  fail(tuple: Tuple): void {
    this.output.fail(tuple);
  }
  reportError(error: unknown): void {
    this.output.reportError(error);
  }

  private oneIn(n: number): boolean {
    return n > 0 && (this.random.int32() >>> 0) % n === 0;
  }
}
