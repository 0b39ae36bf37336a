/**
 * The first queue of the chapter: `add`, `poll`, `peek`. In memory and bounded, so it evens out bursts inside one
 * process; what it holds is gone with the process, and what was polled is gone with the work that failed.
 */
import { SwaError } from '../../lib/errors/errors.js';

export class FifoQueue<T> {
  readonly #limit: number;
  /** A ring: `#size` items from `#head` on. Grows by doubling up to the limit. */
  #ring: (T | undefined)[] = Array.from({ length: 16 });
  #head = 0;
  #size = 0;

  /** `limit`: most items it holds. */
  constructor(limit: number) {
    if (!Number.isSafeInteger(limit) || limit < 1) throw new RangeError(`invalid queue limit: ${limit}`);
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  /** Puts an item at the end. Throws `queue.full` (retryable): the producer must wait or drop, knowingly. */
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

  /** Takes the item at the head; undefined when empty. */
  poll(): T | undefined {
    const item = this.peek();
    if (this.#size === 0) return undefined;
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.#ring.length;
    this.#size--;
    return item;
  }

  /** Looks at the item at the head without taking it. */
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
