/**
 * A bolt on a thread of its own. To the engine it is an ordinary bolt that keeps its tuples: it sends them over in
 * batches, and when the thread's report comes back it does here what the bolt did there. Ids, queues and the acker
 * stay on the topology's thread.
 *
 *   builder.setBolt('render', () => new WorkerBolt({ module: new URL('./render-bolt.js', import.meta.url), outputs }), 4)
 *
 * The module exports `createBolt(data): Bolt`. Worth it where one `execute` costs far more than copying its tuple there
 * and back (some microseconds).
 *
 * A thread that dies takes the bolt's memory with it. All tuples it was given and had not settled fail at once, and a
 * new thread with a new bolt takes over. After `maxDeaths` deaths in a row without one batch done, none is started any
 * more, and every tuple fails as soon as it comes.
 */
import { Worker } from 'node:worker_threads';
import { SwaError } from '../lib/errors/errors.js';
import type { Bolt, BoltOutput, Streams, TaskContext } from './component.js';
import type { Source, Tuple, Values } from './tuple.js';
import type { Deed, FromThread, ThreadSetup, ToThread } from './worker-messages.js';

export interface WorkerBoltSpec {
  /** File URL of the module that exports `createBolt`. */
  readonly module: URL;
  /** Must equal what the bolt itself declares. */
  readonly outputs?: Streams;
  /** Given to `createBolt`; cloned. */
  readonly data?: unknown;
}

/** Tuples sent over and not yet executed there, at most (and what one batch adds). */
const maxUnexecuted = 1024;
const maxDeaths = 3;

export class WorkerBolt implements Bolt {
  readonly remote = true;
  readonly outputs: Streams;
  private thread: Thread | undefined;
  private deaths = 0;
  private closed = false;
  private context: TaskContext | undefined;
  private output: BoltOutput | undefined;

  constructor(private readonly spec: WorkerBoltSpec) {
    this.outputs = spec.outputs ?? {};
  }

  get busy(): boolean {
    return this.thread?.full === true;
  }

  prepare(context: TaskContext, output: BoltOutput): void {
    this.context = context;
    this.output = output;
    this.start();
  }

  execute(tuple: Tuple): void {
    if (this.thread === undefined) {
      throw new SwaError(
        'speed.failed',
        `the thread of '${this.context?.component ?? ''}' died ${this.deaths} times`,
      );
    }
    this.thread.add(tuple);
  }

  endBatch(): void {
    this.thread?.sendBatch();
  }

  tick(nowMs: number): void {
    this.thread?.send({ kind: 'tick', nowMs });
  }

  close(): void {
    this.closed = true;
    this.thread?.close();
  }

  private start(): void {
    const { context, output, spec } = this;
    if (context === undefined || output === undefined) return;
    const setup = { module: spec.module.href, data: spec.data, context };
    this.thread = new Thread(setup, output, {
      batchDone: () => (this.deaths = 0),
      died: (error) => this.afterDeath(error, output),
    });
  }

  private afterDeath(error: unknown, output: BoltOutput): void {
    if (this.closed) return;
    const lost = this.thread?.unsettled() ?? [];
    this.thread = undefined;
    this.deaths++;
    for (const tuple of lost) output.fail(tuple);
    output.reportError(error);
    if (this.deaths < maxDeaths) this.start();
  }
}

interface ThreadEvents {
  readonly batchDone: () => void;
  /** Once, whatever ended the thread. */
  readonly died: (error: unknown) => void;
}

/** One life of the thread: the tuples it holds, by number. */
class Thread {
  private readonly worker: Worker;
  private readonly held = new Map<number, Tuple>();
  private nextId = 0;
  private unexecuted = 0;
  private ids: number[] = [];
  private sources: Source[] = [];
  private values: Values[] = [];

  constructor(
    setup: ThreadSetup,
    private readonly output: BoltOutput,
    events: ThreadEvents,
  ) {
    this.worker = new Worker(new URL('./worker-thread.js', import.meta.url), { workerData: setup });
    let cause: unknown;
    this.worker.on('error', (error) => (cause = error));
    this.worker.on('exit', (code) => {
      events.died(
        cause ??
          new SwaError('speed.failed', `a thread of '${setup.context.component}' ended with code ${code}`),
      );
    });
    this.worker.on('message', ({ deeds, executed }: FromThread) => {
      this.unexecuted -= executed;
      for (const deed of deeds) this.redo(deed);
      if (executed > 0) events.batchDone();
    });
  }

  get full(): boolean {
    return this.unexecuted >= maxUnexecuted;
  }

  unsettled(): readonly Tuple[] {
    return [...this.held.values()];
  }

  add(tuple: Tuple): void {
    const id = this.nextId++;
    this.held.set(id, tuple);
    this.unexecuted++;
    this.ids.push(id);
    this.sources.push(tuple.source);
    this.values.push(tuple.values);
  }

  sendBatch(): void {
    const { ids, sources, values } = this;
    if (ids.length === 0) return;
    this.ids = [];
    this.sources = [];
    this.values = [];
    try {
      this.send({ kind: 'tuples', ids, sources, values });
    } catch (error) {
      // A value that cannot be cloned: nothing has been sent.
      this.unexecuted -= ids.length;
      this.failHeld(ids);
      throw error;
    }
  }

  send(message: ToThread): void {
    this.worker.postMessage(message);
  }

  /** Lets the thread end by itself, and the process end without it. */
  close(): void {
    this.send({ kind: 'close' });
    this.worker.unref();
  }

  private redo(deed: Deed): void {
    switch (deed.kind) {
      case 'error':
        return this.output.reportError(deed.error);
      case 'emit':
        return this.emit(deed);
      case 'fail':
        return this.failHeld([deed.id]);
      case 'ack': {
        const tuple = this.take(deed.id);
        if (tuple !== undefined) this.output.ack(tuple);
      }
    }
  }

  /** An emit refused here (an undeclared stream, a queue beyond its hard limit) fails its anchors, as a throw would. */
  private emit(deed: Extract<Deed, { kind: 'emit' }>): void {
    const { stream, values, direct } = deed;
    const anchors = deed.anchors.flatMap((id) => this.held.get(id) ?? []);
    try {
      if (direct === undefined) this.output.emitTo(stream, values, anchors);
      else this.output.emitDirect(direct, stream, values, anchors);
    } catch (error) {
      this.failHeld(deed.anchors);
      this.output.reportError(error);
    }
  }

  private failHeld(ids: readonly number[]): void {
    for (const id of ids) {
      const tuple = this.take(id);
      if (tuple !== undefined) this.output.fail(tuple);
    }
  }

  private take(id: number): Tuple | undefined {
    const tuple = this.held.get(id);
    this.held.delete(id);
    return tuple;
  }
}
