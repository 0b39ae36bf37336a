/**
 * Which ids were seen lately, in bounded memory: two sets of at most `size` ids, the older dropped when the younger is full.
 * So an id is remembered for at least `size` and at most 2 x `size` further ids.
 */
export class RecentIds {
  readonly #size: number;
  #young = new Set<string>();
  #old = new Set<string>();

  constructor(size: number) {
    this.#size = size;
  }

  /** Remembers the id; false when it was remembered already. */
  add(id: string): boolean {
    if (this.#young.has(id) || this.#old.has(id)) return false;
    if (this.#young.size >= this.#size) {
      this.#old = this.#young;
      this.#young = new Set();
    }
    this.#young.add(id);
    return true;
  }
}
