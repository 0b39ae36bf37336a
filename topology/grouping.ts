/**
 * Groupings: which tasks of a bolt get a tuple of a stream it takes. Here as data, one variant each; `selector.ts`
 * makes them choose.
 */
import type { Fields } from './tuple.js';

export type Grouping =
  /** Any task, evenly. */
  | { readonly kind: 'shuffle' }
  /** The same values of these fields always go to the same task. */
  | { readonly kind: 'fields'; readonly fields: Fields }
  /** The same values of these fields go to one of at most two tasks, whichever has had less: for skewed keys. */
  | { readonly kind: 'partialKey'; readonly fields: Fields }
  /** Every task gets every tuple. */
  | { readonly kind: 'all' }
  /** Everything goes to the first task. */
  | { readonly kind: 'global' }
  /** The sender names the task, by `emitDirect`; plain emits pass such a subscription by. */
  | { readonly kind: 'direct' }
  /** Shuffle over the tasks on the sender's own thread if there are any, else over all. */
  | { readonly kind: 'localOrShuffle' };

/** One bolt's interest in one stream. */
export interface Subscription {
  readonly component: string;
  readonly stream: string;
  readonly grouping: Grouping;
}
