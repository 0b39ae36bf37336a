/** What the sorts found: buckets in their files, where each subject's lie, and visits; by subject. */
import { BlockBuilder, type BlockPart } from '../../serving/arrays/block-builder.js';
import { ByteWriter } from '../../serving/arrays/bytes.js';
import type { BlockPlace } from '../../serving/arrays/block-table.js';
import { CellFile } from '../../serving/cell-file.js';
import type { FileSeal } from '../../serving/checked-file.js';
import { encodeVisits, forEachVisitHour } from '../../serving/arrays/visits.js';
import type { VisitCell } from '../../facts/views/view.js';
import { BlockPlaces } from '../arrays/block-places.js';
import type { Kind, SortJob, SortResult } from '../arrays/sort-job.js';

export class Buckets {
  readonly pages: BucketFile;
  readonly domains: BucketFile;
  /** Encoded visits by domain. */
  readonly visits = new Map<number, Uint8Array>();
  readonly #builder: BlockBuilder;
  /** Of the subject that is being put together. */
  #parts: BlockPart[] = [];

  /** @param subjects how many there are of each kind */
  constructor(pathOf: (kind: Kind) => string, subjects: Readonly<Record<Kind, number>>, lgK: number) {
    this.pages = new BucketFile(pathOf('pages'), subjects.pages);
    this.domains = new BucketFile(pathOf('domains'), subjects.domains);
    this.#builder = new BlockBuilder(lgK);
  }

  addBlocks({ kind }: SortJob, blocks: Uint8Array): void {
    if (kind !== 'visits') this[kind].addBlocks(blocks);
  }

  addResult({ kind, from, part }: SortJob, result: SortResult): void {
    if (kind === 'visits') {
      result.subjects.forEach((domain, i) =>
        this.#addVisits(domain, result.visits.subarray(result.visitEnds[i - 1] ?? 0, result.visitEnds[i])),
      );
    } else if (result.part === undefined) {
      this[kind].addPlaces(result);
    } else {
      this.#parts.push(result.part);
      if (this.#parts.length < (part?.parts ?? 0)) return;
      const { bytes, tableLength, pageviews } = this.#builder.join(this.#parts);
      this.#parts = [];
      if (pageviews === 0) return;
      this[kind].addBlocks(bytes);
      this[kind].addPlaces({
        subjects: Uint32Array.of(from),
        lengths: Float64Array.of(bytes.length),
        tableLengths: Float64Array.of(tableLength),
        pageviews: Float64Array.of(pageviews),
      });
    }
  }

  /** The visits of a share of the persons of a domain, or of all. */
  #addVisits(domain: number, encoded: Uint8Array): void {
    const known = this.visits.get(domain);
    if (known === undefined) {
      this.visits.set(domain, encoded);
      return;
    }
    const hours = new Map<number, VisitCell>();
    for (const each of [known, encoded]) {
      forEachVisitHour(
        each,
        Number.NEGATIVE_INFINITY,
        Number.POSITIVE_INFINITY,
        ({ bucket, visits, bounces }) => {
          const before = hours.get(bucket);
          hours.set(bucket, {
            bucket,
            visits: visits + (before?.visits ?? 0),
            bounces: bounces + (before?.bounces ?? 0),
          });
        },
      );
    }
    const out = new ByteWriter();
    encodeVisits(
      out,
      [...hours.values()].toSorted((a, b) => a.bucket - b.bucket),
    );
    this.visits.set(domain, out.view().slice());
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

class BucketFile {
  readonly #file: CellFile;
  readonly #places: BlockPlaces;

  constructor(path: string, ranks: number) {
    this.#file = new CellFile(path);
    this.#places = new BlockPlaces(ranks);
  }

  /** Subjects that have facts. */
  get subjects(): number {
    return this.#places.subjects;
  }

  /** The next blocks of the file. */
  addBlocks(blocks: Uint8Array): void {
    this.#file.write(blocks);
  }

  /** Whose blocks these are, in the same order. */
  addPlaces(places: Parameters<BlockPlaces['add']>[0]): void {
    this.#places.add(places);
  }

  /** Where the block of a subject lies; undefined when it has no facts. */
  placeOf(rank: number): BlockPlace | undefined {
    return this.#places.of(rank);
  }

  close(): Promise<FileSeal> {
    return this.#file.close();
  }

  /** Closes the file, finished or not. */
  abandon(): void {
    this.#file.abandon();
  }
}
