/** Groupings: which tasks of a bolt get a tuple of a stream it takes. First as data, then as selectors that choose. */
import { hashValues, mix } from './hash.js';
import { below } from './random.js';
import type { Random } from './random.js';
import type { Fields, Values } from './tuple.js';

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
  | { readonly kind: 'global' };

/** One bolt's interest in one stream. */
export interface Subscription {
  readonly component: string;
  readonly stream: string;
  readonly grouping: Grouping;
}

/** Every task, instead of one. */
export const everyTask = -1;

export interface Selector {
  /** The receiving task's number within its component, or `everyTask`. */
  select(values: Values): number;
}

export interface SelectorInput {
  readonly fields: Fields;
  /** How many tasks the receiving bolt has. */
  readonly parallelism: number;
  readonly random: Random;
}

/** One selector for each sending task and subscription. */
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

/** Round by round over a random order of the tasks: counts of any two tasks differ by at most one. */
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
 * Two candidates for each key by two hashes, and the one that this sender has sent less to (Nasir et al., "The power of
 * both choices", 2015). The receivers' partial results of one key must be added up downstream.
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
    // Between 1 and parallelism - 1 steps further: never the same task.
    const other = (one + 1 + ((mix(hash + 1) >>> 0) % (this.parallelism - 1))) % this.parallelism;
    const chosen = (this.sent[one] ?? 0) <= (this.sent[other] ?? 0) ? one : other;
    this.sent[chosen] = (this.sent[chosen] ?? 0) + 1;
    return chosen;
  }
}

function indexesOf(names: Fields, fields: Fields): readonly number[] {
  return names.map((name) => fields.indexOf(name));
}
