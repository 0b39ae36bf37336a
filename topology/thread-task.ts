/**
 * One task of a bolt on its own worker thread (`BoltModule`). For the rest of the topology it is a task like any other:
 * it takes tuples from its queue and sends them to the thread in batches, and when the thread reports what the bolt
 * did, it replays that here. Edges, queues and the acker never leave the topology's thread.
 */
import { Worker } from 'node:worker_threads';
import type { BoltModule, TaskContext } from './component.js';
import { TopologyError } from './errors.js';
import { Inbox } from './inbox.js';
import type { ComponentMetrics } from './metrics.js';
import { OutputCollector } from './output-collector.js';
import type { OutputStreams } from './output-streams.js';
import type { Action, FromThread, SentTuple, ThreadSetup, ToThread } from './thread-messages.js';
import type { TupleTrees } from './tuple-trees.js';
import type { Tuple } from './tuple.js';

/** Limit of tuples sent to the thread and not executed yet; the last batch may exceed it. */
const maxUnexecuted = 1024;
/** Number of consecutive deaths, without a report between them, after which no further thread is started. */
const maxDeaths = 3;

export class ThreadTask {
  readonly inbox: Inbox;
  readonly #output: OutputCollector;
  #thread: BoltThread | undefined;
  #deaths = 0;
  #closed = false;

  constructor(
    private readonly bolt: BoltModule,
    private readonly context: TaskContext,
    trees: TupleTrees,
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
    this.#start();
  }

  close(): void {
    this.#closed = true;
    this.#thread?.close();
  }

  /** Runs this task's part of a turn: sends up to `batch` tuples to the thread and returns how many. */
  run(batch: number): number {
    if (this.streams.blocked || this.#thread?.full === true) return 0;
    const tuples: Tuple[] = [];
    while (tuples.length < batch) {
      const tuple = this.inbox.shift();
      if (tuple === undefined) break;
      tuples.push(tuple);
    }
    if (tuples.length > 0) this.#send(tuples);
    return tuples.length;
  }

  #send(tuples: readonly Tuple[]): void {
    this.metrics.executed += tuples.length;
    const { component } = this.context;
    try {
      if (this.#thread === undefined)
        throw new TopologyError(
          'topology.thread-died',
          `the thread of '${component}' died ${maxDeaths} times`,
        );
      this.#thread.send(tuples);
    } catch (error) {
      // There is no thread, or a value cannot be cloned: no tuple was sent.
      for (const tuple of tuples) this.#output.fail(tuple);
      this.#output.reportError(error);
    }
  }

  #start(): void {
    const setup = { module: this.bolt.module.href, data: this.bolt.data, context: this.context };
    this.#thread = new BoltThread(setup, {
      did: (actions, busyMs) => {
        this.#deaths = 0;
        this.metrics.busyMs += busyMs;
        for (const action of actions) this.#replay(action);
      },
      died: (error, lost) => {
        if (this.#closed) return;
        this.#thread = undefined;
        for (const tuple of lost) this.#output.fail(tuple);
        this.#output.reportError(error);
        if (++this.#deaths < maxDeaths) this.#start();
      },
    });
  }

  /** Repeats here what the bolt did on its thread. */
  #replay(action: ReplayedAction): void {
    switch (action.kind) {
      case 'error':
        return this.#output.reportError(action.error);
      case 'ack':
        return this.#output.ack(action.tuple);
      case 'fail':
        return this.#output.fail(action.tuple);
      case 'emit':
        return this.#emit(action);
    }
  }

  #emit({ stream, values, anchors }: Extract<ReplayedAction, { kind: 'emit' }>): void {
    try {
      this.#output.emitTo(stream, values, anchors);
    } catch (error) {
      // The stream is not declared, or a queue is at its hard limit: fail the anchors, as a throw in `execute` would.
      for (const tuple of anchors) if (!tuple.settled) this.#output.fail(tuple);
      this.#output.reportError(error);
    }
  }
}

type ReplayedAction =
  | { readonly kind: 'ack'; readonly tuple: Tuple }
  | { readonly kind: 'fail'; readonly tuple: Tuple }
  | { readonly kind: 'error'; readonly error: unknown }
  | {
      readonly kind: 'emit';
      readonly stream: string;
      readonly values: Tuple['values'];
      readonly anchors: readonly Tuple[];
    };

interface ThreadEvents {
  /** Called for each report, with the bolt's actions on tuples that are not settled yet. */
  readonly did: (actions: Iterable<ReplayedAction>, busyMs: number) => void;
  /** Called once when the thread ends for any reason, with the tuples it held and had not settled. */
  readonly died: (error: unknown, lost: readonly Tuple[]) => void;
}

/** One worker thread and the tuples it holds, by number. */
class BoltThread {
  readonly #worker: Worker;
  readonly #held = new Map<number, Tuple>();
  #nextId = 0;
  #unexecuted = 0;

  constructor(setup: ThreadSetup, { did, died }: ThreadEvents) {
    this.#worker = new Worker(new URL('./thread-main.js', import.meta.url), { workerData: setup });
    let cause: unknown;
    this.#worker.on('error', (error) => (cause = error));
    this.#worker.on('exit', (code) => {
      const { component } = setup.context;
      cause ??= new TopologyError(
        'topology.thread-died',
        `a thread of '${component}' ended with code ${code}`,
      );
      died(
        cause,
        [...this.#held.values()].filter(({ settled }) => !settled),
      );
    });
    this.#worker.on('message', ({ actions, executed, busyMs }: FromThread) => {
      this.#unexecuted -= executed;
      did(this.#withTuples(actions), busyMs);
    });
  }

  get full(): boolean {
    return this.#unexecuted >= maxUnexecuted;
  }

  /** Sends a batch. Throws if a value cannot be cloned; the thread then has received none of the tuples. */
  send(tuples: readonly Tuple[]): void {
    const sent: SentTuple[] = tuples.map(({ source, values }, i) => ({
      id: this.#nextId + i,
      source,
      values,
    }));
    this.#post({ kind: 'tuples', tuples: sent });
    for (const tuple of tuples) this.#held.set(this.#nextId++, tuple);
    this.#unexecuted += tuples.length;
  }

  /** Asks the thread to end, and lets the process exit without waiting for it. */
  close(): void {
    this.#post({ kind: 'close' });
    this.#worker.unref();
  }

  #post(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  *#withTuples(actions: readonly Action[]): Iterable<ReplayedAction> {
    for (const action of actions) {
      if (action.kind === 'error') yield action;
      else if (action.kind === 'emit')
        yield { ...action, anchors: action.anchors.flatMap((id) => this.#held.get(id) ?? []) };
      else {
        const tuple = this.#held.get(action.id);
        this.#held.delete(action.id);
        // The tuple may be settled already: an emit that the bolt took to be successful failed here.
        if (tuple?.settled === false) yield { kind: action.kind, tuple };
      }
    }
  }
}
