/** Spouts and bolts made of one function each, and a topology in simulated time, for tests. */
import { seededRandom, TopologyBuilder } from '../index.js';
import type {
  Bolt,
  BoltError,
  BoltOutput,
  Spout,
  SpoutOutput,
  Streams,
  TaskContext,
  Topology,
  TopologyOptions,
  Tuple,
} from '../index.js';

/** Emits each item with its index as message id, and keeps the answers. */
export class ListSpout implements Spout {
  readonly outputs = { default: ['item'] };
  readonly acked: unknown[] = [];
  readonly failed: unknown[] = [];
  protected output: SpoutOutput | undefined;
  private next = 0;

  constructor(protected readonly items: readonly unknown[]) {}

  open(_: TaskContext, output: SpoutOutput): void {
    this.output = output;
  }
  nextTuple(): void {
    if (this.next < this.items.length) this.send(this.next++);
  }
  ack(id: unknown): void {
    this.acked.push(id);
  }
  fail(id: unknown): void {
    this.failed.push(id);
  }
  protected send(index: number): void {
    this.output?.emit([this.items[index]], index);
  }
}

/** Replays a failed item until it is acked. */
export class ReplayingSpout extends ListSpout {
  override fail(id: unknown): void {
    super.fail(id);
    this.send(Number(id));
  }
}

export class FunctionBolt implements Bolt {
  private output: BoltOutput | undefined;
  private context: TaskContext | undefined;

  constructor(
    private readonly body: (tuple: Tuple, output: BoltOutput, context: TaskContext) => void,
    readonly outputs: Streams = { default: ['item'] },
  ) {}

  prepare(context: TaskContext, output: BoltOutput): void {
    this.context = context;
    this.output = output;
  }
  execute(tuple: Tuple): void {
    if (this.output !== undefined && this.context !== undefined) this.body(tuple, this.output, this.context);
  }
}

export interface Simulated {
  readonly clock: { now: number };
  readonly errors: BoltError[];
  readonly topology: Topology;
}

export function simulated(
  declare: (builder: TopologyBuilder) => void,
  options: Partial<TopologyOptions> = {},
): Simulated {
  const clock = { now: Date.UTC(2026, 0) };
  const errors: BoltError[] = [];
  const builder = new TopologyBuilder();
  declare(builder);
  const topology = builder.build({
    clock: () => clock.now,
    random: seededRandom(1),
    onError: (error) => errors.push(error),
    messageTimeoutMs: 1000,
    ...options,
  });
  return { clock, errors, topology };
}

export const itemsTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** Values in ascending order, for comparing as sets with repeats. */
export const sorted = (values: readonly unknown[]): readonly number[] =>
  values.map(Number).toSorted((a, b) => a - b);
