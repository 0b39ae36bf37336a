/**
 * What a task and its thread say to each other: batches of tuples one way, batches of what the bolt did with them the
 * other. Everything is copied by structured clone.
 */
import type { TaskContext } from './component.js';
import type { Source, Values } from './tuple.js';

/** Given to the thread when it starts. */
export interface ThreadSetup {
  readonly module: string;
  readonly data: unknown;
  readonly context: TaskContext;
}

/** To the thread: tuples, or the end. A tuple travels as its number, its source and its values; its edges stay here. */
export type ToThread =
  { readonly kind: 'tuples'; readonly tuples: readonly SentTuple[] } | { readonly kind: 'close' };

export interface SentTuple {
  readonly id: number;
  readonly source: Source;
  readonly values: Values;
}

/** One thing the bolt did. */
export type Action =
  | { readonly kind: 'ack' | 'fail'; readonly id: number }
  | { readonly kind: 'error'; readonly error: unknown }
  | {
      readonly kind: 'emit';
      readonly stream: string;
      readonly values: Values;
      readonly anchors: readonly number[];
    };

/** From the thread: what the bolt did, in order, and the tuples `execute` has returned from since the last report. */
export interface FromThread {
  readonly actions: readonly Action[];
  readonly executed: number;
  /** Time spent in `execute`. */
  readonly busyMs: number;
}
