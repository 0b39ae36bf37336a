/**
 * Messages between a task and its thread: batches of tuples one way, batches of what the bolt did with them the other
 * way. Everything is copied by structured clone.
 */
import type { TaskContext } from './component.js';
import type { Source, Values } from './tuple.js';

/** Passed to the thread when it starts. */
export interface ThreadSetup {
  readonly module: string;
  readonly data: unknown;
  readonly context: TaskContext;
}

/**
 * Sent to the thread: tuples, or a request to end. A tuple is sent as its number, source and values; edges are not
 * sent.
 */
export type ToThread =
  { readonly kind: 'tuples'; readonly tuples: readonly SentTuple[] } | { readonly kind: 'close' };

export interface SentTuple {
  readonly id: number;
  readonly source: Source;
  readonly values: Values;
}

/** One action of the bolt. */
export type Action =
  | { readonly kind: 'ack' | 'fail'; readonly id: number }
  | { readonly kind: 'error'; readonly error: unknown }
  | {
      readonly kind: 'emit';
      readonly stream: string;
      readonly values: Values;
      readonly anchors: readonly number[];
    };

/** Sent by the thread: the bolt's actions in order, and the number of tuples executed since the last report. */
export interface FromThread {
  readonly actions: readonly Action[];
  readonly executed: number;
  /** Time spent in `execute`, in milliseconds. */
  readonly busyMs: number;
}
