/**
 * The contract between the engine and its spouts and bolts.
 *
 * **Turns.** A topology runs on one thread, in turns. In a turn every spout task runs first, then every bolt task,
 * upstream before downstream. No method of a component is called while another one is running: not two tasks of one
 * bolt, not a spout's `ack` from inside the bolt that acked. So components need no locks and may share state by
 * reference, but must not block the thread. The exception is a bolt given as a `BoltModule`: each of its tasks runs on
 * a worker thread of its own, truly in parallel, and shares nothing.
 *
 * **Guarantees.** A spout tuple emitted with a message id is answered by exactly one `ack` or `fail` of that id, on the
 * task that emitted it: `ack` when every tuple of its tree has been acked, `fail` when one of them failed or when the
 * tree was not complete after the message timeout T (reported at an age between T and 1.5 T). What a spout does with a
 * `fail` decides the semantics: emitting the tuple again is at-least-once, ignoring it is at-most-once. Emits between
 * two tasks keep their order; no order is kept between different tasks.
 */
import type { Fields, Tuple, Values } from './tuple.js';

/** The streams a component emits on, by name, each with its fields. `emit` uses the one named `default`. */
export type Streams = Readonly<Record<string, Fields>>;

/**
 * Chosen by the spout and passed back to it with `ack` or `fail`. Any value but undefined; the engine does not look at
 * it.
 */
export type MessageId = unknown;

/** A source of tuples. One instance per task, made by the factory given to the builder. */
export interface Spout {
  readonly outputs: Streams;

  /** Called once, before any other method. */
  open?(context: TaskContext, output: SpoutOutput): void;

  /**
   * Asks the spout to emit any number of tuples and to return at once, even if it has none. Called again in the same
   * turn as long as it emits, up to the engine's batch. Not called while `maxSpoutPending` trees of this task are
   * unanswered or while a queue it emits to is full; one call may exceed both limits by what it emits.
   */
  nextTuple(): void;

  /** The tree of this message is complete. Called in this task's part of a turn, before `nextTuple`; may emit. */
  ack?(messageId: MessageId): void;

  /**
   * The tree of this message failed or timed out. Parts of it may have been processed, or may still be. Called like
   * `ack`.
   */
  fail?(messageId: MessageId): void;

  /** Called once, when the topology closes. Unanswered messages stay unanswered. */
  close?(): void;

  // An error thrown by a spout is thrown out of the running turn: the topology has lost its source and stops.
}

/**
 * A processing step that receives tuples and may emit others. One instance per task, made by the factory given to the
 * builder. `V` is the type of the values it expects, which the wiring must provide: `implements Bolt<[word: string]>`.
 */
export interface Bolt<V extends Values = Values> {
  readonly outputs?: Streams;

  /** Called once, before any other method. */
  prepare?(context: TaskContext, output: BoltOutput): void;

  /**
   * Processes one tuple; tuples of one sender arrive in the order they were emitted. Every tuple must be acked or
   * failed, now or later, or its tree times out. Synchronous: a bolt with asynchronous work keeps its tuples, continues
   * in a promise of its own, and acks when that is done.
   *
   * If it throws, the engine fails the tuple (unless it was already settled), reports the error, and continues with the
   * next tuple; tuples emitted before the throw are not taken back.
   */
  execute(tuple: Tuple<V>): void;

  /** Called once, when the topology closes. */
  close?(): void;
}

/**
 * A bolt whose tasks each run on a worker thread. The module exports `createBolt(data): Bolt`. Tuples and what the bolt
 * emits are copied by structured clone, so this pays off where one `execute` costs far more than a few microseconds.
 *
 * A thread that dies loses its bolt's memory: the tuples it held fail (the spout replays their trees), and a new thread
 * with a new bolt takes over. After three deaths in a row without a report of work between them, no further thread is
 * started and every tuple fails on arrival.
 */
export interface BoltModule {
  /** File URL of the module. */
  readonly module: URL;
  /** Must equal the `outputs` of the bolt that the module creates. */
  readonly outputs?: Streams;
  /** Passed to `createBolt` as a structured clone. */
  readonly data?: unknown;
}

/** How a spout emits. May be called in `open`, `nextTuple`, `ack` and `fail`. */
export interface SpoutOutput {
  /**
   * Emits on the default stream. With a message id the tuple's tree is tracked and answered; without one it is
   * untracked.
   */
  emit(values: Values, messageId?: MessageId): void;
  /** Like `emit`, on a declared stream. */
  emitTo(stream: string, values: Values, messageId?: MessageId): void;
}

/**
 * The tuples a new one is anchored to. Their trees complete only after the new tuple is acked, and fail if it fails.
 */
export type Anchors = Tuple | readonly Tuple[];

/**
 * How a bolt emits and settles (Storm's output collector). May be called in any of the bolt's methods and later from a
 * promise it started. Emitted tuples are queued and executed after the running method returns, never inside it.
 */
export interface BoltOutput {
  /** Emits on the default stream. With anchors the new tuple joins their trees; without any it is untracked. */
  emit(values: Values, anchors?: Anchors): void;
  /** Like `emit`, on a declared stream. */
  emitTo(stream: string, values: Values, anchors?: Anchors): void;
  /**
   * Marks the tuple as done. Emit tuples anchored to it first: a settled tuple cannot be an anchor. Throws if already
   * settled.
   */
  ack(tuple: Tuple): void;
  /** Reports that the tuple could not be processed: all trees it belongs to fail at once. Throws if already settled. */
  fail(tuple: Tuple): void;
  /** Reports an error that occurred after `execute` returned. Fails no tuple. */
  reportError(error: unknown): void;
}

/** A task's place in the topology. */
export interface TaskContext {
  readonly component: string;
  /** Unique in the topology. */
  readonly task: number;
  /** This task's number within its component, from 0. */
  readonly index: number;
  /** How many tasks the component has. */
  readonly parallelism: number;
}
