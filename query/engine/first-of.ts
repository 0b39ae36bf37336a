/** The first few of many items in an order, in memory for a few: what a long list is looked at piece by piece with. */
import type { Pace } from './pace.js';
import { sortPaced } from './paced-sort.js';

export class FirstOf<T> {
  readonly #limit: number;
  readonly #compare: (a: T, b: T) => number;
  /** At most twice the limit; once it was cut, no item after `#last` is taken. */
  #items: T[] = [];
  #last: T | undefined;

  constructor(limit: number, compare: (a: T, b: T) => number) {
    this.#limit = limit;
    this.#compare = compare;
  }

  /** True when `cut` has to be called before the next offer. */
  offer(item: T): boolean {
    if (this.#last !== undefined && this.#compare(item, this.#last) >= 0) return false;
    this.#items.push(item);
    return this.#items.length >= 2 * this.#limit;
  }

  /** Throws `deadline-exceeded`. */
  async cut(pace: Pace): Promise<void> {
    this.#items = (await sortPaced(this.#items, this.#compare, pace)).slice(0, this.#limit);
    if (this.#items.length === this.#limit) this.#last = this.#items.at(-1);
  }

  /** In order. Throws `deadline-exceeded`. */
  async sorted(pace: Pace): Promise<readonly T[]> {
    await this.cut(pace);
    return this.#items;
  }
}
