/**
 * Groupings decide which tasks of a bolt receive a tuple of a stream: first as data, then as selectors that choose a
 * task.
 */
import { hashValues, mix } from './hash.js';
import { below } from './random.js';
import type { Random } from './random.js';
import type { Fields, Values } from './tuple.js';

export type Grouping =
  /** Tuples are distributed evenly over the tasks. */
  | { readonly kind: 'shuffle' }
  /** Tuples with the same values of these fields always go to the same task. */
  | { readonly kind: 'fields'; readonly fields: Fields }
  /**
   * Tuples with the same values of these fields go to one of two tasks, the one with less load so far. For skewed keys.
   */
  | { readonly kind: 'partialKey'; readonly fields: Fields }
  /** Every task gets every tuple. */
  | { readonly kind: 'all' }
  /** Every tuple goes to the first task. */
  | { readonly kind: 'global' };

/** One bolt's subscription to one stream. */
export interface Subscription {
  readonly component: string;
  readonly stream: string;
  readonly grouping: Grouping;
}

/** Returned by a selector that chooses every task. */
export const everyTask = -1;

export interface Selector {
  /** The receiving task's number within its component, or `everyTask`. */
  select(values: Values): number;
}

export interface SelectorInput {
  readonly fields: Fields;
  /** Number of tasks of the receiving bolt. */
  readonly parallelism: number;
  readonly random: Random;
}

/** Makes the selector for one sending task and one subscription. */
export function selectorOf(grouping: Grouping, { fields, parallelism, random }: SelectorInput): Selector {
  if (parallelism === 1) return firstTask;
  switch (grouping.kind) {
    case 'shuffle':
      return new Shuffle(parallelism, random);
    case 'fields':
      return new ByFields(indexesOf(grouping.fields, fields), parallelism);
    case 'partialKey':
      return new PartialKey(indexesOf(grouping.fields, fields), parallelism);
    case 'all':
      return { select: () => everyTask };
    case 'global':
      break;
  }
  return firstTask;
}

const firstTask: Selector = { select: () => 0 };

/** Visits the tasks in a random order, reshuffled each round: the counts of any two tasks differ by at most one. */
class Shuffle implements Selector {
  private readonly order: number[];
  private next: number;

  constructor(
    parallelism: number,
    private readonly random: Random,
  ) {
    this.order = Array.from({ length: parallelism }, (_, i) => i);
    this.next = parallelism;
  }

  select(): number {
    if (this.next === this.order.length) this.reorder();
    return this.order[this.next++] ?? 0;
  }

  /** Fisher-Yates. */
  private reorder(): void {
    for (let i = this.order.length - 1; i > 0; i--) {
      const j = below(this.random, i + 1);
      const moved = this.order[i] ?? 0;
      this.order[i] = this.order[j] ?? 0;
      this.order[j] = moved;
    }
    this.next = 0;
  }
}

class ByFields implements Selector {
  constructor(
    private readonly indexes: readonly number[],
    private readonly parallelism: number,
  ) {}

  select(values: Values): number {
    return (hashValues(values, this.indexes) >>> 0) % this.parallelism;
  }
}

/**
 * Hashes each key to two candidate tasks and picks the one that this sender has sent less to (Nasir et al., "The power
 * of both choices", 2015). Results of one key are spread over two tasks, so a downstream step must add them up.
 */
class PartialKey implements Selector {
  private readonly sent: Float64Array;

  constructor(
    private readonly indexes: readonly number[],
    private readonly parallelism: number,
  ) {
    this.sent = new Float64Array(parallelism);
  }

  select(values: Values): number {
    const hash = hashValues(values, this.indexes);
    const one = (hash >>> 0) % this.parallelism;
    // 1 to parallelism - 1 tasks further on, so never the same task.
    const other = (one + 1 + ((mix(hash + 1) >>> 0) % (this.parallelism - 1))) % this.parallelism;
    const chosen = (this.sent[one] ?? 0) <= (this.sent[other] ?? 0) ? one : other;
    this.sent[chosen] = (this.sent[chosen] ?? 0) + 1;
    return chosen;
  }
}

function indexesOf(names: Fields, fields: Fields): readonly number[] {
  return names.map((name) => fields.indexOf(name));
}
