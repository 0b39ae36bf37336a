/** Keeps the best `limit` items: a binary heap whose root is the worst of them. */
export class BestHeap<T> {
  readonly #limit: number;
  readonly #compare: (a: T, b: T) => number;
  readonly #items: T[] = [];

  /** @param compare negative if `a` is better; never 0 */
  constructor(limit: number, compare: (a: T, b: T) => number) {
    this.#limit = limit;
    this.#compare = compare;
  }

  /** The kept items, in no order. */
  get items(): readonly T[] {
    return this.#items;
  }

  /** Whether `add` may be called with this item. */
  takes(item: T): boolean {
    const [worst] = this.#items;
    return this.#items.length < this.#limit || (worst !== undefined && this.#compare(item, worst) < 0);
  }

  /** Adds an item that `takes` accepts; true if it replaced the worst one. */
  add(item: T): boolean {
    const isFull = this.#items.length === this.#limit;
    if (isFull) this.#sink(item);
    else this.#rise(item);
    return isFull;
  }

  #rise(item: T): void {
    const items = this.#items;
    let place = items.length;
    for (;;) {
      const parent = (place - 1) >> 1;
      const above = items[parent];
      if (place === 0 || above === undefined || this.#compare(item, above) < 0) break;
      items[place] = above;
      place = parent;
    }
    items[place] = item;
  }

  /** Replaces the root. */
  #sink(item: T): void {
    const items = this.#items;
    let place = 0;
    for (;;) {
      const [left, right] = [items[2 * place + 1], items[2 * place + 2]];
      const isRight = left !== undefined && right !== undefined && this.#compare(right, left) > 0;
      const worse = isRight ? right : left;
      if (worse === undefined || this.#compare(worse, item) < 0) break;
      items[place] = worse;
      place = 2 * place + (isRight ? 2 : 1);
    }
    items[place] = item;
  }
}
