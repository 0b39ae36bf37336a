/**
 * What a worker bolt and its thread say to each other: batches of tuples one way, batches of what the bolt did with
 * them the other. Everything is copied by structured clone, so values must be of kinds that can be cloned.
 */
import type { TaskContext } from './component.js';
import type { Source, Values } from './tuple.js';

/** Given to the thread when it starts. */
export interface ThreadSetup {
  readonly module: string;
  readonly data: unknown;
  readonly context: TaskContext;
}

/** To the thread. Three lists of one length: a tuple's number, where it came from, and its values. */
export type ToThread =
  | {
      readonly kind: 'tuples';
      readonly ids: readonly number[];
      readonly sources: readonly Source[];
      readonly values: readonly Values[];
    }
  | { readonly kind: 'tick'; readonly nowMs: number }
  | { readonly kind: 'close' };

/** One thing that the bolt did, in the order it did them. */
export type Deed =
  | { readonly kind: 'ack' | 'fail'; readonly id: number }
  | { readonly kind: 'error'; readonly error: unknown }
  | {
      readonly kind: 'emit';
      readonly stream: string;
      readonly values: Values;
      /** Numbers of the anchors. */
      readonly anchors: readonly number[];
      /** The task named by a direct emit. */
      readonly direct: number | undefined;
    };

/** From the thread: what was done, and how many of the tuples sent to it have been through `execute`. */
export interface FromThread {
  readonly deeds: readonly Deed[];
  readonly executed: number;
}
