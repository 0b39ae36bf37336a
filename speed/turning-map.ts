/**
 * A map that remembers what was used lately and never grows past its limits: two maps take turns. What is used moves to
 * the young one; when that is full it becomes the old one, and the old one is let go. So an entry stays at least
 * until `limit` others were used after it, and there is no work per entry to keep order.
 */
export class TurningMap<K, V> {
  readonly #limit: number;
  #young = new Map<K, V>();
  #old = new Map<K, V>();

  /** @param limit entries in the young map before it turns */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: K, value: V): void {
    if (this.#young.size >= this.#limit) this.turn();
    this.#young.set(key, value);
  }

  /** Lets go of everything that was not used since the last turn. */
  turn(): void {
    this.#old = this.#young;
    this.#young = new Map();
  }
}
