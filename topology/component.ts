/**
 * What a spout and a bolt are, and what they may ask of the engine. These comments are the contract.
 *
 * **Turns.** A topology runs on one thread, in turns. In a turn every spout task gets its part first, then every bolt
 * task, upstream before downstream. No method of a component is called while another one is running: not two tasks of
 * one bolt, not a spout's `ack` from inside the bolt that acked. So components need no locks and may share state by
 * reference, but must not block the thread. The exception is a bolt given as a `BoltModule`: each of its tasks runs on
 * a worker thread of its own, truly in parallel, and shares nothing.
 *
 * **Guarantees.** A spout tuple emitted with a message id is answered by exactly one `ack` or `fail` of that id, on the
 * task that emitted it: `ack` when every tuple of its tree has been acked, `fail` when one of them failed or when
 * the tree was not complete after the message timeout T (told at an age between T and 1.5 T). What a spout does
 * with a `fail` decides the semantics: emitting the tuple again is at-least-once, ignoring it is at-most-once. Emits
 * between two tasks keep their order; no order is kept between different tasks.
 */
import type { Fields, Tuple, Values } from './tuple.js';

/** Streams a component emits on, by name, each with its fields. The name `default` is the one `emit` uses. */
export type Streams = Readonly<Record<string, Fields>>;

/** Chosen by the spout, given back to it with `ack` or `fail`; anything but undefined. Not looked at by the engine. */
export type MessageId = unknown;

/** A source of tuples. One instance per task, made by the factory given to the builder. */
export interface Spout {
  readonly outputs: Streams;

  /** Called once, before any other method. */
  open?(context: TaskContext, output: SpoutOutput): void;

  /**
   * Asks for tuples: emits any number of them and returns at once, also when there is nothing to emit. Called
   * again in the same turn as long as it emits, up to the engine's batch; not called while `maxSpoutPending` trees of
   * this task are unanswered or while a queue it emits to is full. A call may overshoot both by what it emits itself.
   */
  nextTuple(): void;

  /** The tree of this message is complete. Called in this task's part of a turn, before `nextTuple`; may emit. */
  ack?(messageId: MessageId): void;

  /** The tree of this message failed or timed out; parts of it may have been processed, or still be. As `ack`. */
  fail?(messageId: MessageId): void;

  /** Called once, when the topology closes. Unanswered messages stay unanswered. */
  close?(): void;

  // An error thrown by a spout is thrown out of the running turn: the topology has lost its source and stops.
}

/**
 * A step that takes tuples and may emit others. One instance per task, made by the factory given to the builder.
 * `V` is the shape of the values it expects, a promise that the wiring keeps: `implements Bolt<[word: string]>`.
 */
export interface Bolt<V extends Values = Values> {
  readonly outputs?: Streams;

  /** Called once, before any other method. */
  prepare?(context: TaskContext, output: BoltOutput): void;

  /**
   * Takes one tuple, in the order each sender emitted them. Every tuple must be acked or failed, here or later (from a
   * promise this bolt started), or its tree times out. Synchronous: a bolt that awaits keeps its tuples, continues in a
   * promise of its own, and acks when that is done.
   *
   * If it throws, the engine fails the tuple (unless it was already settled), reports the error, and continues with the
   * next tuple; tuples it emitted before throwing are on their way and are not taken back.
   */
  execute(tuple: Tuple<V>): void;

  /** Called once, when the topology closes. */
  close?(): void;
}

/**
 * A bolt whose tasks each run on a worker thread: the module exports `createBolt(data): Bolt`. Tuples and what the bolt
 * emits are copied by structured clone, so this pays where one `execute` costs far more than some microseconds.
 *
 * A thread that dies takes its bolt's memory with it: the tuples it held fail (the spout replays their trees), and a new
 * thread with a new bolt takes over. After three deaths in a row without one batch done no thread is started any more,
 * and every tuple fails as it comes.
 */
export interface BoltModule {
  /** File URL of the module. */
  readonly module: URL;
  /** Must equal what the bolt itself declares. */
  readonly outputs?: Streams;
  /** Passed to `createBolt`; cloned. */
  readonly data?: unknown;
}

/** How a spout emits. May be called in `open`, `nextTuple`, `ack` and `fail`. */
export interface SpoutOutput {
  /** Emits on the default stream. With a message id the tuple's tree is tracked and answered; without, it is not. */
  emit(values: Values, messageId?: MessageId): void;
  /** As `emit`, on a declared stream. */
  emitTo(stream: string, values: Values, messageId?: MessageId): void;
}

/** What a new tuple is anchored to: its trees are complete only when the new tuple is acked, and fail when it fails. */
export type Anchors = Tuple | readonly Tuple[];

/**
 * How a bolt emits and settles (Storm's output collector). May be called in any of the bolt's methods and later from a
 * promise it started. Emitted tuples are queued and executed after the running method returns, never inside it.
 */
export interface BoltOutput {
  /** Emits on the default stream. With anchors the new tuple joins their trees; without, no one tracks it. */
  emit(values: Values, anchors?: Anchors): void;
  /** As `emit`, on a declared stream. */
  emitTo(stream: string, values: Values, anchors?: Anchors): void;
  /** Done with the tuple. Emit what is anchored to it first: afterwards it can anchor nothing. Throws when repeated. */
  ack(tuple: Tuple): void;
  /** The tuple could not be processed: all trees it belongs to fail at once. Throws on a tuple settled before. */
  fail(tuple: Tuple): void;
  /** Reports an error that `execute` cannot throw, because it came later. Fails nothing. */
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
