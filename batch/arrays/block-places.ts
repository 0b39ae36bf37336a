/** Where the blocks of subjects lie in their file, and how many pageviews they have. */
import type { BlockPlace } from '../../serving/arrays/block-table.js';
import type { SortResult } from './sort-job.js';

export class BlockPlaces {
  readonly #pageviews: Float64Array;
  readonly #offsets: Float64Array;
  readonly #lengths: Float64Array;
  readonly #tableLengths: Float64Array;
  #placed = 0;
  #subjects = 0;

  /** @param ranks of subjects, which are below it */
  constructor(ranks: number) {
    this.#pageviews = new Float64Array(ranks);
    this.#offsets = new Float64Array(ranks);
    this.#lengths = new Float64Array(ranks);
    this.#tableLengths = new Float64Array(ranks);
  }

  /** Subjects that have facts. */
  get subjects(): number {
    return this.#subjects;
  }

  /** Whose blocks lie next in the file, in the same order. */
  add({
    subjects,
    pageviews,
    lengths,
    tableLengths,
  }: Pick<SortResult, 'subjects' | 'pageviews' | 'lengths' | 'tableLengths'>): void {
    for (let i = 0; i < subjects.length; i++) {
      const rank = subjects[i];
      this.#pageviews[rank] = pageviews[i];
      this.#offsets[rank] = this.#placed;
      this.#lengths[rank] = lengths[i];
      this.#tableLengths[rank] = tableLengths[i];
      this.#placed += lengths[i];
    }
    this.#subjects += subjects.length;
  }

  /** Undefined when the subject has no facts. */
  of(rank: number): BlockPlace | undefined {
    const length = this.#lengths[rank];
    if (length === 0) return undefined;
    return {
      pageviews: this.#pageviews[rank],
      offset: this.#offsets[rank],
      length,
      tableLength: this.#tableLengths[rank],
    };
  }
}
