/** Collects the results of the sorts by subject: cell files, the positions of blocks in them, and visits. */
import { BlockBuilder, type BlockPart } from '../../serving/arrays/block-builder.js';
import type { BucketWidth } from '../../lib/time/buckets.js';
import { ByteWriter } from '../../serving/arrays/bytes.js';
import { CellFile } from '../../serving/cell-file.js';
import type { FileSeal } from '../../serving/checked-file.js';
import { encodeVisits, forEachVisitBucket } from '../../serving/arrays/visits.js';
import type { VisitCell } from '../../facts/views/view.js';
import { BlockPlaces } from '../arrays/block-places.js';
import type { JobKind, SortJob, SortResult } from '../arrays/sort-job.js';
import { ValuePlaces } from '../arrays/value-places.js';
import { blockHasher } from '../../serving/arrays/written-block.js';
import { kindOf, type Kind } from '../../serving/layout.js';

export class Buckets {
  readonly pages: BucketFile;
  readonly domains: BucketFile;
  readonly dimensions: readonly ValueFile[];
  /** Encoded visits, by rank of the domain. */
  readonly visits = new Map<number, Uint8Array>();
  readonly #builder: BlockBuilder;
  readonly #hasher = blockHasher();
  readonly #files: ReadonlyMap<Kind, BucketFile | ValueFile>;
  /** Parts so far of each kind's subject that is being assembled: results come in order only within a kind. */
  readonly #parts = new Map<JobKind, BlockPart[]>();

  /**
   * @param subjects numbers of pages and domains
   * @param dimensions names of the kept dimensions
   */
  constructor(
    pathOf: (kind: Kind) => string,
    subjects: { readonly pages: number; readonly domains: number },
    dimensions: readonly string[],
    lgK: number,
    width: BucketWidth,
  ) {
    this.pages = new PlacedFile(pathOf('pages'), new BlockPlaces(subjects.pages));
    this.domains = new PlacedFile(pathOf('domains'), new BlockPlaces(subjects.domains));
    this.dimensions = dimensions.map(
      (name) => new PlacedFile(pathOf(kindOf(name)), new ValuePlaces(subjects.domains)),
    );
    this.#files = new Map<Kind, BucketFile | ValueFile>([
      ['pages', this.pages],
      ['domains', this.domains],
      ...this.dimensions.map((file, i): [Kind, ValueFile] => [kindOf(dimensions[i] ?? ''), file]),
    ]);
    this.#builder = new BlockBuilder(lgK, width);
  }

  addBlocks({ kind }: SortJob, blocks: Uint8Array): void {
    this.#fileOf(kind)?.write(blocks);
  }

  addResult(job: SortJob, result: SortResult): void {
    const { kind, from, part } = job;
    if (kind === 'visits') {
      result.subjects.forEach((domain, i) =>
        this.#addVisits(domain, result.visits.subarray(result.visitEnds[i - 1] ?? 0, result.visitEnds[i])),
      );
    } else if (result.part === undefined) {
      this.#fileOf(kind)?.places.add(result);
    } else {
      const parts = [...(this.#parts.get(kind) ?? []), result.part];
      this.#parts.set(kind, parts);
      if (parts.length < (part?.parts ?? 0)) return;
      const { bytes, tableLength, pageviews } = this.#builder.join(parts);
      this.#parts.delete(kind);
      if (pageviews === 0) return;
      this.#hasher.bytes(bytes);
      this.addBlocks(job, bytes);
      this.#fileOf(kind)?.places.add({
        subjects: Uint32Array.of(from),
        values: new Uint32Array(0),
        lengths: Float64Array.of(bytes.length),
        tableLengths: Float64Array.of(tableLength),
        pageviews: Float64Array.of(pageviews),
        hashes: this.#hasher.words,
      });
    }
  }

  #fileOf(kind: JobKind): BucketFile | ValueFile | undefined {
    if (kind === 'visits') return undefined;
    return typeof kind === 'number' ? this.dimensions[kind] : this[kind];
  }

  /** Adds the visits of a domain, which may be of only a share of its persons. */
  #addVisits(domain: number, encoded: Uint8Array): void {
    const known = this.visits.get(domain);
    if (known === undefined) {
      this.visits.set(domain, encoded);
      return;
    }
    const buckets = new Map<number, VisitCell>();
    for (const each of [known, encoded]) {
      forEachVisitBucket(each, allTime, (cell) => {
        const before = buckets.get(cell.bucket);
        buckets.set(cell.bucket, before === undefined ? cell : sumOf(before, cell));
      });
    }
    const out = new ByteWriter();
    encodeVisits(
      out,
      [...buckets.values()].toSorted((a, b) => a.bucket - b.bucket),
    );
    this.visits.set(domain, out.view().slice());
  }

  /** Makes the files durable. */
  async close(): Promise<ReadonlyMap<Kind, FileSeal>> {
    const closed = Array.from(this.#files, async ([kind, file]): Promise<[Kind, FileSeal]> => [
      kind,
      await file.close(),
    ]);
    return new Map(await Promise.all(closed));
  }

  /** Closes the files, whether they are finished or not. */
  abandon(): void {
    for (const file of this.#files.values()) file.abandon();
  }
}

const allTime = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };

/** Adds the visits of one bucket. */
function sumOf(a: VisitCell, b: VisitCell): VisitCell {
  return {
    bucket: a.bucket,
    visits: a.visits + b.visits,
    bounces: a.bounces + b.bounces,
    pageviews: a.pageviews + b.pageviews,
    durationMs: a.durationMs + b.durationMs,
  };
}

/** A cell file, with the positions of its subjects' blocks. */
class PlacedFile<Places> {
  readonly places: Places;
  readonly #file: CellFile;

  constructor(path: string, places: Places) {
    this.#file = new CellFile(path);
    this.places = places;
  }

  /** Appends blocks. */
  write(blocks: Uint8Array): void {
    this.#file.write(blocks);
  }

  close(): Promise<FileSeal> {
    return this.#file.close();
  }

  /** Closes the file, whether it is finished or not. */
  abandon(): void {
    this.#file.abandon();
  }
}

type BucketFile = PlacedFile<BlockPlaces>;
type ValueFile = PlacedFile<ValuePlaces>;
