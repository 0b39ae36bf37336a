/** Positions of the subjects' blocks in their cell file, with their pageviews. */
import { grown } from '../../lib/memory/grown.js';
import { hashWords } from '../../lib/memory/keyed-hash.js';
import type { WrittenBlock } from '../../serving/arrays/written-block.js';
import type { SortResult } from './sort-job.js';

/** Metadata of consecutive blocks. */
export type PlacedBlocks = Pick<SortResult, 'subjects' | 'pageviews' | 'lengths' | 'tableLengths' | 'hashes'>;

export class BlockPlaces {
  #pageviews: Float64Array;
  #offsets: Float64Array;
  #lengths: Float64Array;
  #tableLengths: Float64Array;
  #hashes: Int32Array;
  #placed = 0;
  #subjects = 0;

  /** @param ranks initial capacity */
  constructor(ranks: number) {
    this.#pageviews = new Float64Array(ranks);
    this.#offsets = new Float64Array(ranks);
    this.#lengths = new Float64Array(ranks);
    this.#tableLengths = new Float64Array(ranks);
    this.#hashes = new Int32Array(hashWords * ranks);
  }

  /** Number of subjects that have facts. */
  get subjects(): number {
    return this.#subjects;
  }

  /** Adds the blocks that come next in the file, in the same order. */
  add({ subjects, pageviews, lengths, tableLengths, hashes }: PlacedBlocks): void {
    for (let i = 0; i < subjects.length; i++) {
      const rank = subjects[i];
      if (rank >= this.#lengths.length) this.#grow();
      this.#pageviews[rank] = pageviews[i];
      this.#offsets[rank] = this.#placed;
      this.#lengths[rank] = lengths[i];
      this.#tableLengths[rank] = tableLengths[i];
      this.#hashes.set(hashes.subarray(hashWords * i, hashWords * (i + 1)), hashWords * rank);
      this.#placed += lengths[i];
    }
    this.#subjects += subjects.length;
  }

  /** Undefined if the subject has no facts. */
  of(rank: number): WrittenBlock | undefined {
    const length = this.#lengths[rank];
    if (length === 0) return undefined;
    return {
      pageviews: this.#pageviews[rank],
      offset: this.#offsets[rank],
      length,
      tableLength: this.#tableLengths[rank],
      hash: this.#hashes.subarray(hashWords * rank, hashWords * (rank + 1)),
    };
  }

  #grow(): void {
    this.#pageviews = grown(this.#pageviews);
    this.#offsets = grown(this.#offsets);
    this.#lengths = grown(this.#lengths);
    this.#tableLengths = grown(this.#tableLengths);
    this.#hashes = grown(this.#hashes);
  }
}
