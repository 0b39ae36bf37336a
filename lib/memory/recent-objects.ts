/**
 * A bounded cache from 128-bit hashes to objects, with two tables that take turns, as in `RecentTable`. It keeps one
 * object per recurring text, which can carry what is known about the text.
 */
import { KeyTable } from './key-table.js';

export class RecentObjects<T extends object | string> {
  readonly #turnWeight: number;
  readonly #onTurn: () => void;
  readonly #weightOf: (object: T) => number;
  #index = new KeyTable();
  #objects: T[] = [];
  #weight = 0;
  #oldIndex = new KeyTable();
  #oldObjects: readonly T[] = [];

  /**
   * @param turnWeight keeps objects of at least this weight in all, at most about twice as much
   * @param onTurn called when older objects begin to be dropped
   * @param weightOf for objects that may be large; each weighs 1 by default
   */
  constructor(
    turnWeight: number,
    onTurn: () => void = () => undefined,
    weightOf: (object: T) => number = () => 1,
  ) {
    this.#turnWeight = turnWeight;
    this.#onTurn = onTurn;
    this.#weightOf = weightOf;
  }

  /** Prefetches what `get` reads for the hashes at `from`, `from + step`, ... */
  prefetch(words: Int32Array, from: number, step: number): void {
    this.#index.prefetch(words, from, step);
  }

  /** Returns the object of the hash at `words[at]`; undefined if it is unknown or has been dropped. */
  get(words: Int32Array, at: number): T | undefined {
    const index = this.#index.get(words, at);
    if (index >= 0) return this.#objects[index];
    const oldIndex = this.#oldIndex.get(words, at);
    return oldIndex < 0 ? undefined : this.set(words, at, this.#oldObjects[oldIndex]);
  }

  /** Stores the object and returns it. */
  set(words: Int32Array, at: number, object: T): T {
    if (this.#weight >= this.#turnWeight) this.#turn();
    this.#weight += this.#weightOf(object);
    this.#index.set(words, at, this.#objects.length);
    this.#objects.push(object);
    return object;
  }

  #turn(): void {
    this.#oldIndex = this.#index;
    this.#oldObjects = this.#objects;
    this.#index = new KeyTable();
    this.#objects = [];
    this.#weight = 0;
    this.#onTurn();
  }
}
