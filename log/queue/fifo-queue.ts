/**
 * The chapter's first queue: `add`, `poll`, `peek`. It is in memory and bounded, and smooths bursts within one process.
 * Its items are lost with the process, and a polled item is lost if its work fails.
 */
import { SwaError } from '../../lib/errors/errors.js';

export class FifoQueue<T> {
  readonly #limit: number;
  /** A ring buffer: `#size` items from `#head` on. Doubles up to the limit. */
  #ring: (T | undefined)[] = Array.from({ length: 16 });
  #head = 0;
  #size = 0;

  /** `limit` is the maximum number of items. Throws a RangeError unless it is a positive integer. */
  constructor(limit: number) {
    if (!Number.isSafeInteger(limit) || limit < 1) throw new RangeError(`invalid queue limit: ${limit}`);
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds an item at the end. Throws `queue.full` (retryable): the producer must decide to wait or to drop the item. */
  add(item: T): void {
    if (this.#size === this.#limit) {
      throw new SwaError('queue.full', `the queue is full: it holds ${this.#limit} items`, {
        retryable: true,
      });
    }
    if (this.#size === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#size) % this.#ring.length] = item;
    this.#size++;
  }

  /** Removes and returns the item at the head; undefined if the queue is empty. */
  poll(): T | undefined {
    const item = this.peek();
    if (this.#size === 0) return undefined;
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.#ring.length;
    this.#size--;
    return item;
  }

  /** Returns the item at the head without removing it. */
  peek(): T | undefined {
    return this.#ring[this.#head];
  }

  #grow(): void {
    const inOrder = [...this.#ring.slice(this.#head), ...this.#ring.slice(0, this.#head)];
    inOrder.length = this.#ring.length * 2;
    this.#ring = inOrder;
    this.#head = 0;
  }
}
