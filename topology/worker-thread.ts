/**
 * The other end of a worker bolt: runs the real bolt on its own thread and writes down what it does. The bolt sees
 * the same contract as on the topology's thread; its tuples carry numbers instead of edges.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { SwaError } from '../lib/errors/errors.js';
import type { Anchors, Bolt, BoltOutput } from './component.js';
import { invalid } from './plan.js';
import { defaultStream, Tuple } from './tuple.js';
import type { Values } from './tuple.js';
import type { Deed, FromThread, ThreadSetup, ToThread } from './worker-messages.js';

/** Writes down what the bolt does; sent at the end of each batch, and of each turn of this thread's loop. */
class Recorder implements BoltOutput {
  private readonly ids = new WeakMap<Tuple, number>();
  private deeds: Deed[] = [];
  private executed = 0;
  private sending = false;

  constructor(private readonly send: (report: FromThread) => void) {}

  number(tuple: Tuple, id: number): void {
    this.ids.set(tuple, id);
  }
  emit(values: Values, anchors?: Anchors): void {
    this.emitTo(defaultStream, values, anchors);
  }
  emitTo(stream: string, values: Values, anchors?: Anchors): void {
    this.record({ kind: 'emit', stream, values, anchors: this.idsOf(anchors), direct: undefined });
  }
  emitDirect(task: number, stream: string, values: Values, anchors?: Anchors): void {
    this.record({ kind: 'emit', stream, values, anchors: this.idsOf(anchors), direct: task });
  }
  ack(tuple: Tuple): void {
    this.settle(tuple, 'ack');
  }
  fail(tuple: Tuple): void {
    this.settle(tuple, 'fail');
  }
  reportError(error: unknown): void {
    this.record({ kind: 'error', error });
  }
  tupleExecuted(): void {
    this.executed++;
  }

  /** Sends what has been recorded. */
  flush(): void {
    this.sending = false;
    const { deeds, executed } = this;
    this.deeds = [];
    this.executed = 0;
    if (deeds.length > 0 || executed > 0) this.send({ deeds, executed });
  }

  private record(deed: Deed): void {
    this.deeds.push(deed);
    if (this.sending) return;
    this.sending = true;
    setImmediate(() => this.flush());
  }

  private settle(tuple: Tuple, kind: 'ack' | 'fail'): void {
    const id = this.unsettledId(tuple);
    tuple.settled = true;
    this.record({ kind, id });
  }

  private idsOf(anchors: Anchors | undefined): readonly number[] {
    if (anchors === undefined) return [];
    const tuples = anchors instanceof Tuple ? [anchors] : anchors;
    return tuples.map((tuple) => this.unsettledId(tuple));
  }

  private unsettledId(tuple: Tuple): number {
    const id = this.ids.get(tuple);
    if (id === undefined || tuple.settled) throw invalid('a tuple is used that was settled before');
    return id;
  }
}

async function loadBolt(setup: ThreadSetup): Promise<Bolt> {
  // The module is the caller's: what it exports can only be looked at when it is there.
  const module = (await import(setup.module)) as { createBolt?: (data: unknown) => Bolt };
  if (module.createBolt === undefined) throw invalid(`${setup.module} exports no createBolt`);
  return module.createBolt(setup.data);
}

function execute(bolt: Bolt, output: Recorder, tuple: Tuple): void {
  try {
    bolt.execute(tuple);
  } catch (error) {
    if (!tuple.settled) output.fail(tuple);
    output.reportError(error);
  }
  output.tupleExecuted();
}

/** Reports what a call throws that has no tuple to fail. */
function guard(output: Recorder, call: () => void): void {
  try {
    call();
  } catch (error) {
    output.reportError(error);
  }
}

const port = parentPort;
if (port === null) throw new SwaError('internal.invariant', 'worker-thread.js runs on a worker thread only');
// Set by WorkerBolt, the only one that starts this file.
const setup = workerData as ThreadSetup;
const bolt = await loadBolt(setup);
const output = new Recorder((report) => port.postMessage(report));
bolt.prepare?.(setup.context, output);

port.on('message', (message: ToThread) => {
  switch (message.kind) {
    case 'tuples': {
      const { ids, sources, values } = message;
      sources.forEach((source, i) => {
        const tuple = new Tuple(source, values[i] ?? [], null);
        output.number(tuple, ids[i] ?? -1);
        execute(bolt, output, tuple);
      });
      guard(output, () => bolt.endBatch?.());
      return output.flush();
    }
    case 'tick':
      guard(output, () => bolt.tick?.(message.nowMs));
      return output.flush();
    case 'close':
      bolt.close?.();
      port.close();
  }
});
