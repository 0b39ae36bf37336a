/**
 * Collects what an epoch adds to the realtime view of one partition: the keys of the cells it touches, and for each pageview of a cell the
 * coupon of its person, in log order and without reading the store; cell-merger.ts then applies them to the stored cells. Everything is numbers
 * in flat arrays, so that the garbage collector has nothing to trace, and the arrays are transferred to the commit thread as they are.
 */
import { grown } from '../../lib/memory/grown.js';
import type { Offset } from '../../log/log.js';
import type { WaitingEdge } from '../../facts/views/view.js';
import type { CellNumbers } from '../arrays/cells.js';
import { isHashed, longestKeyBytes, writeCellKey } from './cell-key.js';
import type { CellSubject, ValueCombination } from './cell-subject.js';
import { BucketNumbers, noNumber } from './bucket-numbers.js';

export interface EpochChanges {
  /** Position of the partition after these changes. */
  readonly next: Offset;
  readonly cells: CellChanges;
  /** Ascending by offset. */
  readonly edges: readonly WaitingEdge[];
  readonly tally: Tally;
}

/** Changes to cells, in memory of their own. */
export interface CellChanges extends CellNumbers {
  /**
   * Concatenated keys of the cells. A key may occur twice, if its subject was dropped from the cache in between: both entries then add to one
   * cell.
   */
  readonly keys: Uint8Array<ArrayBuffer>;
  /** By number of the cell: URLs of which the key has only the hash. */
  readonly longUrls: ReadonlyMap<number, string>;
}

/** Changes other than cells and edges. */
export interface Tally extends Omit<PartitionNotes, 'edges'> {
  readonly pageviews: number;
  readonly equivs: number;
  readonly retractions: number;
  /** All cells are in the buckets [fromBucket, toBucket); Infinity and 0 if there are none. */
  readonly fromBucket: number;
  readonly toBucket: number;
}

/** What a slice changes besides cells. */
export interface PartitionNotes {
  readonly edges: readonly WaitingEdge[];
  readonly exclusions: number;
  readonly deadLetters: number;
  /** Number of pageviews that repeat an earlier one. */
  readonly repeats: number;
  /** Number of other records that do not count, by reason. */
  readonly refused: ReadonlyMap<string, number>;
  /** Latest `receivedAt`; -1 for none. */
  readonly lastReceivedAt: number;
}

/** A page with its domain. */
export interface SitePage extends CellSubject {
  readonly site: CellSubject;
}

/** Pageviews of a slice; the arrays are parallel. */
export interface SliceViews {
  readonly pages: readonly SitePage[];
  readonly buckets: Int32Array;
  readonly coupons: Uint32Array;
  /** Empty if no dimension is kept. */
  readonly combinations: readonly ValueCombination[];
}

/** Collects the changes of one epoch after the other. */
export class ChangeCollector {
  #epoch = new Epoch();

  /** Adds the pageviews at these rows. */
  addPageviews(views: SliceViews, rows: Int32Array): void {
    this.#epoch.addPageviews(views, rows);
  }

  /** Adds edges, counts of other records, and the latest arrival of a slice. */
  addNotes(notes: PartitionNotes): void {
    this.#epoch.addNotes(notes);
  }

  /** Returns the changes up to this position, and begins the next epoch. */
  take(next: Offset): EpochChanges {
    const changes = this.#epoch.changes(next);
    this.discard();
    return changes;
  }

  /** Drops the changes and begins the epoch again. */
  discard(): void {
    this.#epoch = new Epoch();
  }
}

class Epoch {
  #keys = new Uint8Array(2 ** 16);
  #keyBuffer = Buffer.from(this.#keys.buffer);
  readonly #keyEnds: number[] = [];
  readonly #cells = new BucketNumbers();
  readonly #siteCells: number[] = [];
  readonly #longUrls = new Map<number, string>();
  #views = new Uint32Array(2 ** 14);
  #viewsEnd = 0;
  #dimensions = 0;
  readonly #combinations = new BucketNumbers();
  readonly #combinationCells: number[] = [];
  #combinationOfViews = new Uint32Array(0);
  readonly #edges: WaitingEdge[] = [];
  #exclusions = 0;
  #deadLetters = 0;
  #repeats = 0;
  #lastReceivedAt = -1;
  readonly #refused = new Map<string, number>();

  addPageviews({ pages, buckets, coupons, combinations }: SliceViews, rows: Int32Array): void {
    this.#reserveViews(2 * rows.length);
    if (combinations.length > 0) this.#addCombinations(combinations, buckets, rows);
    const views = this.#views;
    let end = this.#viewsEnd;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] ?? 0;
      const page = pages[row];
      if (page === undefined) break;
      views[end++] = this.#cellOfPage(page, buckets[row] ?? 0);
      views[end++] = coupons[row] ?? 0;
    }
    this.#viewsEnd = end;
  }

  addNotes({ edges, exclusions, deadLetters, repeats, lastReceivedAt, refused }: PartitionNotes): void {
    this.#exclusions += exclusions;
    for (const edge of edges) this.#edges.push(edge);
    this.#deadLetters += deadLetters;
    this.#repeats += repeats;
    this.#lastReceivedAt = Math.max(this.#lastReceivedAt, lastReceivedAt);
    for (const [reason, count] of refused)
      this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + count);
  }

  changes(next: Offset): EpochChanges {
    let fromBucket = Infinity;
    let toBucket = 0;
    for (const bucket of this.#cells.buckets) {
      fromBucket = Math.min(fromBucket, bucket);
      toBucket = Math.max(toBucket, bucket + 1);
    }
    const retractions = this.#edges.reduce((sum, { type }) => sum + (type === 'retract' ? 1 : 0), 0);
    return {
      next,
      edges: this.#edges.toSorted((a, b) => a.offset - b.offset), // slices may have overtaken each other
      cells: {
        keys: this.#keys,
        keyEnds: Uint32Array.from(this.#keyEnds),
        longUrls: this.#longUrls,
        siteCells: Int32Array.from(this.#siteCells),
        views: this.#views.subarray(0, this.#viewsEnd),
        dimensions: this.#dimensions,
        combinations: this.#combinationOfViews.subarray(0, this.#dimensions === 0 ? 0 : this.#viewsEnd / 2),
        combinationCells: Int32Array.from(this.#combinationCells),
      },
      tally: {
        pageviews: this.#viewsEnd / 2,
        fromBucket,
        toBucket,
        equivs: this.#edges.length - retractions,
        retractions,
        exclusions: this.#exclusions,
        deadLetters: this.#deadLetters,
        repeats: this.#repeats,
        lastReceivedAt: this.#lastReceivedAt,
        refused: this.#refused,
      },
    };
  }

  #cellOfPage(page: SitePage, bucket: number): number {
    let cell = this.#cells.find(page, bucket);
    if (cell !== noNumber) return cell;
    cell = this.#addCell(page, bucket);
    this.#siteCells[cell] = this.#cellOf(page.site, bucket);
    return cell;
  }

  /** Adds the combinations of views; call before the views themselves are added. */
  #addCombinations(combinations: readonly ValueCombination[], buckets: Int32Array, rows: Int32Array): void {
    let end = this.#viewsEnd / 2;
    const needed = end + rows.length;
    if (needed > this.#combinationOfViews.length)
      this.#combinationOfViews = grown(this.#combinationOfViews, needed);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] ?? 0;
      const combination = combinations[row];
      if (combination === undefined) break;
      this.#combinationOfViews[end++] = this.#numberOf(combination, buckets[row] ?? 0);
    }
  }

  #numberOf(combination: ValueCombination, bucket: number): number {
    let number = this.#combinations.find(combination, bucket);
    if (number !== noNumber) return number;
    number = this.#combinations.add(combination, bucket);
    this.#dimensions = combination.subjects.length;
    for (const subject of combination.subjects)
      this.#combinationCells.push(subject === undefined ? noNumber : this.#cellOf(subject, bucket));
    return number;
  }

  #cellOf(subject: CellSubject, bucket: number): number {
    const cell = this.#cells.find(subject, bucket);
    return cell === noNumber ? this.#addCell(subject, bucket) : cell;
  }

  #addCell(subject: CellSubject, bucket: number): number {
    const cell = this.#cells.add(subject, bucket);
    this.#siteCells.push(noNumber);
    if (isHashed(subject.name)) this.#longUrls.set(cell, subject.name);
    this.#addKey(subject, bucket);
    return cell;
  }

  #addKey(subject: CellSubject, bucket: number): void {
    const from = this.#keyEnds.at(-1) ?? 0;
    if (from + longestKeyBytes > this.#keys.length) {
      this.#keys = grown(this.#keys);
      this.#keyBuffer = Buffer.from(this.#keys.buffer);
    }
    this.#keyEnds.push(writeCellKey(this.#keyBuffer, from, subject, bucket));
  }

  #reserveViews(words: number): void {
    const needed = this.#viewsEnd + words;
    if (needed > this.#views.length) this.#views = grown(this.#views, needed);
  }
}
