/** What the sorts found: buckets in their files, where each subject's lie, and visits; by rank. */
import { CellFile, type BlockPlace } from '../../serving/cell-file.js';
import type { FileSeal } from '../../serving/checked-file.js';
import type { JobKind, SortResult } from './sort-job.js';

export class Buckets {
  readonly pages: BucketFile;
  readonly domains: BucketFile;
  /** Encoded visits by domain rank. */
  readonly visits = new Map<number, Uint8Array>();

  /** @param ranks how many ranks there are */
  constructor(
    pathOf: (kind: 'pages' | 'domains') => string,
    ranks: { readonly pages: number; readonly domains: number },
  ) {
    this.pages = new BucketFile(pathOf('pages'), ranks.pages);
    this.domains = new BucketFile(pathOf('domains'), ranks.domains);
  }

  addBlocks(kind: JobKind, blocks: Uint8Array): void {
    if (kind !== 'visits') this[kind].addBlocks(blocks);
  }

  addResult(kind: JobKind, result: SortResult): void {
    if (kind !== 'visits') {
      this[kind].addPlaces(result);
      return;
    }
    result.ranks.forEach((rank, i) => {
      this.visits.set(rank, result.visits.subarray(result.visitEnds[i - 1] ?? 0, result.visitEnds[i]));
    });
  }

  /** Makes the files durable. */
  async close(): Promise<Readonly<Record<'pages' | 'domains', FileSeal>>> {
    const [pages, domains] = await Promise.all([this.pages.close(), this.domains.close()]);
    return { pages, domains };
  }

  /** Closes the files, finished or not. */
  abandon(): void {
    this.pages.abandon();
    this.domains.abandon();
  }
}

export class BucketFile {
  readonly #file: CellFile;
  readonly #pageviews: Float64Array;
  readonly #offsets: Float64Array;
  readonly #lengths: Float64Array;
  readonly #tableLengths: Float64Array;
  #placed = 0;
  #subjects = 0;

  constructor(path: string, ranks: number) {
    this.#file = new CellFile(path);
    this.#pageviews = new Float64Array(ranks);
    this.#offsets = new Float64Array(ranks);
    this.#lengths = new Float64Array(ranks);
    this.#tableLengths = new Float64Array(ranks);
  }

  /** Subjects that have facts. */
  get subjects(): number {
    return this.#subjects;
  }

  /** The next blocks of the file. */
  addBlocks(blocks: Uint8Array): void {
    this.#file.write(blocks);
  }

  /** Whose blocks these are, in the same order. */
  addPlaces({ ranks, pageviews, lengths, tableLengths }: SortResult): void {
    ranks.forEach((rank, i) => {
      this.#pageviews[rank] = pageviews[i] ?? 0;
      this.#offsets[rank] = this.#placed;
      this.#lengths[rank] = lengths[i] ?? 0;
      this.#tableLengths[rank] = tableLengths[i] ?? 0;
      this.#placed += lengths[i] ?? 0;
    });
    this.#subjects += ranks.length;
  }

  /** Where the block of a subject lies; undefined when it has no facts. */
  placeOf(rank: number): BlockPlace | undefined {
    const length = this.#lengths[rank] ?? 0;
    if (length === 0) return undefined;
    return {
      pageviews: this.#pageviews[rank] ?? 0,
      offset: this.#offsets[rank] ?? 0,
      length,
      tableLength: this.#tableLengths[rank] ?? 0,
    };
  }

  close(): Promise<FileSeal> {
    return this.#file.close();
  }

  /** Closes the file, finished or not. */
  abandon(): void {
    this.#file.abandon();
  }
}
