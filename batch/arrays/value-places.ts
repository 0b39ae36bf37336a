/** Where the blocks of a dimension's values lie in their file, however many there are. */
import { grown } from '../../lib/memory/grown.js';
import type { WrittenBlock } from '../../serving/arrays/written-block.js';
import { BlockPlaces, type PlacedBlocks } from './block-places.js';

export class ValuePlaces {
  /** By place in the order in which they come: all of a domain together, in order of their values. */
  readonly #places = new BlockPlaces(64);
  #values = new Uint32Array(64);
  /** By rank of a domain: places [start, end). */
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;

  constructor(domains: number) {
    this.#starts = new Uint32Array(domains);
    this.#ends = new Uint32Array(domains);
  }

  get subjects(): number {
    return this.#places.subjects;
  }

  /** Whose blocks lie next in the file: no domain is in two of these. */
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
