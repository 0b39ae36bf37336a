/**
 * The three sorted passes over the facts, each a job that runs in a worker thread of its own (or in place, when the
 * facts are few): buckets of pages, buckets of domains, visits of domains.
 */
import { hourMs } from '../lib/time/buckets.js';
import { BlockBuilder } from '../serving/block-builder.js';
import { ByteWriter } from '../serving/bytes.js';
import { CellFile } from '../serving/cell-file.js';
import type { FactBlock, FactStoreHandle } from './fact-store.js';
import { forEachGroup, type GroupKeys, type PayloadKind } from './sorted-groups.js';
import type { FileSeal } from '../serving/meta.js';
import { VisitCounter } from './visit-counter.js';

export type JobKind = 'pages' | 'domains' | 'visits';

export interface SortJob {
  readonly kind: JobKind;
  readonly facts: FactStoreHandle;
  /** Rank of each page number, or of its domain, in key order; and rows by rank. */
  readonly majorOfPage: Uint32Array;
  readonly majorRows: Float64Array;
  /** Hour by hour number, and the hours' order. */
  readonly hours: Float64Array;
  readonly hourRank: Uint32Array;
  /** By person number. */
  readonly coupons: Uint32Array;
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
  const hourOfRank = new Float64Array(job.hours.length);
  job.hours.forEach((hour, number) => (hourOfRank[job.hourRank[number] ?? 0] = hour));
  const keys: GroupKeys = {
    majorOfPage: job.majorOfPage,
    majorRows: job.majorRows,
    minor: 'hours',
    minorRank: job.hourRank,
    minorCount: job.hours.length,
  };
  const result = new ResultBuilder();
  let subject = -1;
  const end = (): void => {
    if (subject >= 0) result.addBlock(subject, file.append(builder.finish()));
  };
  try {
    const onGroup = (rank: number, hour: number, coupons: Uint32Array, from: number, to: number): void => {
      if (rank !== subject) end();
      subject = rank;
      const distinctTo = sortUniqueRange(coupons, from, to);
      builder.hour(hourOfRank[hour] ?? 0, to - from, coupons, from, distinctTo);
    };
    forEachGroup(job.facts, keys, couponPayload(job.coupons), job.rowsPerRange, onGroup, onRows);
    end();
    return result.finish(file.close());
  } finally {
    file.abandon();
  }
}

function countVisits(job: SortJob, onRows: (rows: number) => void): SortResult {
  const keys: GroupKeys = {
    majorOfPage: job.majorOfPage,
    majorRows: job.majorRows,
    minor: 'persons',
    minorRank: undefined,
    minorCount: job.coupons.length,
  };
  const counter = new VisitCounter();
  const result = new ResultBuilder();
  let domain = -1;
  let person = -1;
  const end = (): void => {
    if (domain >= 0) result.addVisits(domain, counter);
  };
  const onGroup = (rank: number, minor: number, times: Float64Array, from: number, to: number): void => {
    if (rank !== domain) end();
    domain = rank;
    person = minor;
    sortTimes(times, from, to);
    counter.addPerson(times, from, to);
  };
  forEachGroup(job.facts, keys, timePayload(job.hours), job.rowsPerRange, onGroup, onRows);
  if (person >= 0) end();
  return result.finish(undefined);
}

function couponPayload(coupons: Uint32Array): PayloadKind<Uint32Array> {
  return {
    make: (length) => new Uint32Array(length),
    fill: ({ persons }: FactBlock, chosen, count, into, at) => {
      for (let i = 0; i < count; i++) into[at + i] = coupons[persons[chosen[i] ?? 0] ?? 0] ?? 0;
    },
  };
}

function timePayload(hours: Float64Array): PayloadKind<Float64Array> {
  return {
    make: (length) => new Float64Array(length),
    fill: (block: FactBlock, chosen, count, into, at) => {
      for (let i = 0; i < count; i++) {
        const row = chosen[i] ?? 0;
        into[at + i] = (hours[block.hours[row] ?? 0] ?? 0) * hourMs + (block.milliseconds[row] ?? 0);
      }
    },
  };
}

/** Sorts `values[from, to)` and drops repeats; returns the end of what is left. */
function sortUniqueRange(values: Uint32Array, from: number, to: number): number {
  if (to - from === 1) return to;
  sortRange(values, from, to);
  let end = from + 1;
  for (let i = from + 1; i < to; i++) {
    const value = values[i] ?? 0;
    if (value !== values[end - 1]) values[end++] = value;
  }
  return end;
}

function sortTimes(times: Float64Array, from: number, to: number): void {
  if (to - from > 1) sortRange(times, from, to);
}

/** Most groups are tiny: insertion sort there, the engine's sort for the rest. */
function sortRange(values: Uint32Array | Float64Array, from: number, to: number): void {
  if (to - from > 24) {
    values.subarray(from, to).sort();
    return;
  }
  for (let i = from + 1; i < to; i++) {
    const value = values[i] ?? 0;
    let at = i - 1;
    while (at >= from && (values[at] ?? 0) > value) {
      values[at + 1] = values[at] ?? 0;
      at--;
    }
    values[at + 1] = value;
  }
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
