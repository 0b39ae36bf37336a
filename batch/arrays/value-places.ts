/** Positions of the blocks of a dimension's values in their cell file. */
import { grown } from '../../lib/memory/grown.js';
import type { WrittenBlock } from '../../serving/arrays/written-block.js';
import { BlockPlaces, type PlacedBlocks } from './block-places.js';

export class ValuePlaces {
  /** By index in order of arrival: all values of a domain are adjacent, in order. */
  readonly #places = new BlockPlaces(64);
  #values = new Uint32Array(64);
  /** By rank of a domain: its range of indexes [start, end). */
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;

  constructor(domains: number) {
    this.#starts = new Uint32Array(domains);
    this.#ends = new Uint32Array(domains);
  }

  get subjects(): number {
    return this.#places.subjects;
  }

  /** Adds the blocks that come next in the file. All values of a domain must come in one call. */
  add({ subjects: domains, values, ...blocks }: PlacedBlocks & { readonly values: Uint32Array }): void {
    const first = this.#places.subjects;
    const needed = first + domains.length;
    if (needed > this.#values.length) this.#values = grown(this.#values, needed);
    this.#values.set(values, first);
    for (let i = 0; i < domains.length; i++) {
      if (i === 0 || domains[i] !== domains[i - 1]) this.#starts[domains[i]] = first + i;
      this.#ends[domains[i]] = first + i + 1;
    }
    this.#places.add({ ...blocks, subjects: domains.map((_domain, i) => first + i) });
  }

  /** The values of a domain, in order. */
  *of(domain: number): Generator<readonly [value: number, block: WrittenBlock]> {
    for (let place = this.#starts[domain]; place < this.#ends[domain]; place++) {
      const block = this.#places.of(place);
      if (block !== undefined) yield [this.#values[place], block];
    }
  }
}
