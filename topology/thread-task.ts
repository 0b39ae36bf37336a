/**
 * One task of a bolt on a worker thread of its own (`BoltModule`). To the rest of the topology it is a task like any
 * other: it takes tuples from its queue and sends them over in batches, and when the thread reports what the bolt did, it
 * does the same here. Edges, queues and the acker never leave the topology's thread.
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

/** Tuples sent over and not yet through `execute`; one batch may exceed it. */
const maxUnexecuted = 1024;
/** Deaths in a row, without a batch done between them, after which no thread is started any more. */
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

  /** This task's part of a turn: sends up to `batch` tuples to the thread. Returns how many. */
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
      // No thread, or a value that cannot be cloned: nothing was sent.
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

  /** Does here what the bolt did on its thread. */
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
      // An undeclared stream, or a queue at its hard limit: fails the anchors, as a throw in `execute` would.
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
  /** A report: what the bolt did, about tuples not settled before. */
  readonly did: (actions: Iterable<ReplayedAction>, busyMs: number) => void;
  /** Called once, whatever ended the thread, with the tuples it had and did not settle. */
  readonly died: (error: unknown, lost: readonly Tuple[]) => void;
}

/** One life of the thread, and the tuples it holds, by number. */
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

  /** Throws when a value cannot be cloned; the thread has none of the tuples then. */
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

  /** Lets the thread end by itself, and the process without it. */
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
        // Settled before where an emit that the bolt believed in was refused here.
        if (tuple?.settled === false) yield { kind: action.kind, tuple };
      }
    }
  }
}
