/**
 * The worker side of a `ThreadTask`: runs the bolt on its own thread and records what it does. The bolt has the same
 * contract as on the topology's thread; its tuples are identified by numbers instead of edges.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Anchors, Bolt, BoltOutput } from './component.js';
import { invalid } from './errors.js';
import type { Action, FromThread, SentTuple, ThreadSetup, ToThread } from './thread-messages.js';
import { defaultStream, Tuple } from './tuple.js';
import type { Values } from './tuple.js';

/** Records the bolt's actions and sends them after each batch and each turn of this thread's event loop. */
class Recorder implements BoltOutput {
  readonly #ids = new WeakMap<Tuple, number>();
  #actions: Action[] = [];
  #executed = 0;
  #busyMs = 0;
  #scheduled = false;

  constructor(private readonly send: (report: FromThread) => void) {}

  emit(values: Values, anchors?: Anchors): void {
    this.emitTo(defaultStream, values, anchors);
  }
  emitTo(stream: string, values: Values, anchors: Anchors = []): void {
    const tuples = anchors instanceof Tuple ? [anchors] : anchors;
    this.#record({ kind: 'emit', stream, values, anchors: tuples.map((tuple) => this.#unsettledId(tuple)) });
  }
  ack(tuple: Tuple): void {
    this.#settle(tuple, 'ack');
  }
  fail(tuple: Tuple): void {
    this.#settle(tuple, 'fail');
  }
  reportError(error: unknown): void {
    this.#record({ kind: 'error', error });
  }

  execute(bolt: Bolt, { id, source, values }: SentTuple): void {
    const tuple = new Tuple(source, values, null);
    this.#ids.set(tuple, id);
    const startedMs = performance.now();
    try {
      bolt.execute(tuple);
    } catch (error) {
      if (!tuple.settled) this.fail(tuple);
      this.reportError(error);
    }
    this.#busyMs += performance.now() - startedMs;
    this.#executed++;
  }

  flush(): void {
    this.#scheduled = false;
    const report = { actions: this.#actions, executed: this.#executed, busyMs: this.#busyMs };
    this.#actions = [];
    this.#executed = 0;
    this.#busyMs = 0;
    if (report.actions.length > 0 || report.executed > 0) this.send(report);
  }

  #record(action: Action): void {
    this.#actions.push(action);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  #settle(tuple: Tuple, kind: 'ack' | 'fail'): void {
    const id = this.#unsettledId(tuple);
    tuple.settled = true;
    this.#record({ kind, id });
  }

  #unsettledId(tuple: Tuple): number {
    const id = this.#ids.get(tuple);
    if (id === undefined || tuple.settled) throw invalid('a tuple is used that is already settled');
    return id;
  }
}

async function loadBolt({ module, data }: ThreadSetup): Promise<Bolt> {
  // A module of the caller: its exports are unknown until it is loaded.
  const { createBolt } = (await import(module)) as { createBolt?: (data: unknown) => Bolt };
  if (createBolt === undefined) throw invalid(`${module} exports no createBolt`);
  return createBolt(data);
}

const port = parentPort;
if (port === null) throw invalid('thread-main.js runs on a worker thread only');
// Set by ThreadTask, the only code that starts this file.
const setup = workerData as ThreadSetup;
const bolt = await loadBolt(setup);
const recorder = new Recorder((report) => port.postMessage(report));
bolt.prepare?.(setup.context, recorder);

port.on('message', (message: ToThread) => {
  if (message.kind === 'close') {
    bolt.close?.();
    port.close();
    return;
  }
  for (const tuple of message.tuples) recorder.execute(bolt, tuple);
  recorder.flush();
});
