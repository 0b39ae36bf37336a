/**
 * What was looked up lately: 128-bit hash -> object, bounded. Two tables take turns, as in `RecentTable`. So one object
 * stands for its text as long as that text comes again: what is known about it can be found without a search.
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
   * @param turnEntries remembers at least so many, at most twice as many
   * @param onTurn called when older objects begin to be forgotten
   */
  constructor(turnEntries: number, onTurn: () => void = () => undefined) {
    this.#turnEntries = turnEntries;
    this.#onTurn = onTurn;
  }

  /** Touches what `get` looks at for the hashes at `from`, `from + step`, ... */
  prefetch(words: Int32Array, from: number, step: number): void {
    this.#index.prefetch(words, from, step);
  }

  /** The object under the hash that lies at `words[at]`; undefined when it is not (or no longer) known. */
  get(words: Int32Array, at: number): T | undefined {
    const index = this.#index.get(words, at);
    if (index >= 0) return this.#objects[index];
    const oldIndex = this.#oldIndex.get(words, at);
    return oldIndex < 0 ? undefined : this.set(words, at, this.#oldObjects[oldIndex]);
  }

  /** Remembers the object, and returns it. */
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
