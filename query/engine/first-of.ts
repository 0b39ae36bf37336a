/** Keeps the first few of many items by an order, in bounded memory: for processing a long list piece by piece. */
import type { Pace } from './pace.js';
import { sortPaced } from './paced-sort.js';

export class FirstOf<T> {
  readonly #limit: number;
  readonly #compare: (a: T, b: T) => number;
  /** At most twice the limit. Once it has been cut, items after `#last` are rejected. */
  #items: T[] = [];
  #last: T | undefined;

  constructor(limit: number, compare: (a: T, b: T) => number) {
    this.#limit = limit;
    this.#compare = compare;
  }

  /** Returns true if `cut` must be called before the next offer. */
  offer(item: T): boolean {
    if (this.#last !== undefined && this.#compare(item, this.#last) >= 0) return false;
    this.#items.push(item);
    return this.#items.length >= 2 * this.#limit;
  }

  /** Sorts and truncates. Throws `deadline-exceeded`. */
  async cut(pace: Pace): Promise<void> {
    this.#items = (await sortPaced(this.#items, this.#compare, pace)).slice(0, this.#limit);
    if (this.#items.length === this.#limit) this.#last = this.#items.at(-1);
  }

  /** The kept items in order. Throws `deadline-exceeded`. */
  async sorted(pace: Pace): Promise<readonly T[]> {
    await this.cut(pace);
    return this.#items;
  }
}
