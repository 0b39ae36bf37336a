/**
 * The three sorted passes over the facts, each a job that runs in a worker thread of its own (or in place, when the
 * facts are few): buckets of pages, buckets of domains, visits of domains.
 */
import { BlockBuilder } from '../serving/block-builder.js';
import { ByteWriter } from '../serving/bytes.js';
import { CellFile } from '../serving/cell-file.js';
import type { FileSeal } from '../serving/meta.js';
import { sortUnique } from '../serving/union.js';
import type { FactStoreHandle } from './fact-store.js';
import type { HourOrder } from './hour-order.js';
import { forEachGroup, type GroupKeys } from './sorted-groups.js';
import { VisitCounter } from './visit-counter.js';

export type JobKind = 'pages' | 'domains' | 'visits';

export interface SortJob {
  readonly kind: JobKind;
  readonly facts: FactStoreHandle;
  /** Rank of each page number, or of its domain, in key order; and rows by rank. */
  readonly majorOfPage: Uint32Array;
  readonly majorRows: Float64Array;
  readonly hours: HourOrder;
  /** Person numbers are below this. */
  readonly persons: number;
  readonly lgK: number;
  /** Where 'pages' and 'domains' write their blocks. */
  readonly cellsPath: string;
  readonly rowsPerRange: number;
}

/** What a job found, by rank ascending. */
export interface SortResult {
  readonly ranks: Uint32Array;
  /** Of each rank's block; visits have none. */
  readonly offsets: Float64Array;
  readonly lengths: Float64Array;
  readonly tableLengths: Float64Array;
  readonly pageviews: Float64Array;
  readonly seal: FileSeal | undefined;
  /** Encoded visits of rank i: `visits[visitEnds[i - 1], visitEnds[i])`. */
  readonly visits: Uint8Array;
  readonly visitEnds: Float64Array;
}

export function runSortJob(job: SortJob, onRows: (rows: number) => void): SortResult {
  return job.kind === 'visits' ? countVisits(job, onRows) : writeBuckets(job, onRows);
}

function writeBuckets(job: SortJob, onRows: (rows: number) => void): SortResult {
  const file = new CellFile(job.cellsPath);
  const builder = new BlockBuilder(job.lgK);
  const { hourAt, rankOf, count } = job.hours;
  const { majorOfPage, majorRows } = job;
  const keys: GroupKeys = {
    majorOfPage,
    majorRows,
    minor: 'hours',
    minorRank: rankOf,
    minorCount: count,
    payload: ['coupons'],
  };
  const result = new ResultBuilder();
  let subject = -1;
  const end = (): void => {
    if (subject >= 0) result.addBlock(subject, file.append(builder.finish()));
  };
  let coupons = new Uint32Array(1024);
  try {
    const onGroup = (rank: number, hour: number, rows: Uint32Array, from: number, to: number): void => {
      if (rank !== subject) end();
      subject = rank;
      const views = to - from;
      if (views > coupons.length) coupons = new Uint32Array(2 * views);
      for (let i = 0, at = 2 * from + 1; i < views; i++, at += 2) coupons[i] = rows[at] ?? 0;
      builder.hour(hourAt[hour] ?? 0, views, coupons, 0, sortUnique(coupons, views));
    };
    forEachGroup(job.facts, keys, job.rowsPerRange, onGroup, onRows);
    end();
    return result.finish(file.close());
  } finally {
    file.abandon();
  }
}

function countVisits(job: SortJob, onRows: (rows: number) => void): SortResult {
  const { majorOfPage, majorRows } = job;
  const keys: GroupKeys = {
    majorOfPage,
    majorRows,
    minor: 'persons',
    minorCount: job.persons,
    payload: ['hours', 'milliseconds'],
  };
  const counter = new VisitCounter(job.hours);
  const result = new ResultBuilder();
  let domain = -1;
  const end = (): void => {
    if (domain >= 0) result.addVisits(domain, counter);
  };
  const onGroup = (rank: number, _person: number, rows: Uint32Array, from: number, to: number): void => {
    if (rank !== domain) end();
    domain = rank;
    counter.addPerson(rows, from, to);
  };
  forEachGroup(job.facts, keys, job.rowsPerRange, onGroup, onRows);
  end();
  return result.finish(undefined);
}

class ResultBuilder {
  readonly #ranks: number[] = [];
  readonly #offsets: number[] = [];
  readonly #lengths: number[] = [];
  readonly #tableLengths: number[] = [];
  readonly #pageviews: number[] = [];
  readonly #visits = new ByteWriter(1 << 16);
  readonly #visitEnds: number[] = [];

  addBlock(
    rank: number,
    place: { offset: number; length: number; tableLength: number; pageviews: number },
  ): void {
    this.#ranks.push(rank);
    this.#offsets.push(place.offset);
    this.#lengths.push(place.length);
    this.#tableLengths.push(place.tableLength);
    this.#pageviews.push(place.pageviews);
  }

  addVisits(rank: number, counter: VisitCounter): void {
    this.#ranks.push(rank);
    counter.encode(this.#visits);
    this.#visitEnds.push(this.#visits.length);
  }

  finish(seal: FileSeal | undefined): SortResult {
    return {
      ranks: Uint32Array.from(this.#ranks),
      offsets: Float64Array.from(this.#offsets),
      lengths: Float64Array.from(this.#lengths),
      tableLengths: Float64Array.from(this.#tableLengths),
      pageviews: Float64Array.from(this.#pageviews),
      seal,
      visits: this.#visits.view().slice(),
      visitEnds: Float64Array.from(this.#visitEnds),
    };
  }
}
