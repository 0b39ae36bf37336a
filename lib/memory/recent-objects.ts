/**
 * A bounded cache from 128-bit hashes to objects, with two tables that take turns, as in `RecentTable`. It keeps one
 * object per recurring text, which can carry what is known about the text.
 */
import { KeyTable } from './key-table.js';

export class RecentObjects<T extends object | string> {
  readonly #turnEntries: number;
  readonly #onTurn: () => void;
  #index = new KeyTable();
  #objects: T[] = [];
  #oldIndex = new KeyTable();
  #oldObjects: readonly T[] = [];

  /**
   * @param turnEntries keeps at least this many entries, at most twice as many @param onTurn called when older objects
   * begin to be dropped
   */
  constructor(turnEntries: number, onTurn: () => void = () => undefined) {
    this.#turnEntries = turnEntries;
    this.#onTurn = onTurn;
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
    if (this.#objects.length >= this.#turnEntries) this.#turn();
    this.#index.set(words, at, this.#objects.length);
    this.#objects.push(object);
    return object;
  }

  #turn(): void {
    this.#oldIndex = this.#index;
    this.#oldObjects = this.#objects;
    this.#index = new KeyTable();
    this.#objects = [];
    this.#onTurn();
  }
}
