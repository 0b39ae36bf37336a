/**
 * The sorted passes over the facts of one shard: buckets of its pages, buckets of its domains, visits of its domains. Each
 * is a job for some thread, and its result holds nothing that depends on other jobs.
 */
import { BlockBuilder } from '../../serving/block-builder.js';
import { ByteWriter } from '../../serving/bytes.js';
import { sortUnique } from '../../serving/union.js';
import { factWords, type FactShard } from '../facts/fact-store.js';
import type { HourOrder } from './hour-order.js';
import { Grouper, type GroupKeys, type OnGroup } from './sorted-groups.js';
import { VisitCounter } from './visit-counter.js';

export const jobKinds = ['pages', 'domains', 'visits'] as const;
export type JobKind = (typeof jobKinds)[number];

/** What all jobs know. */
export interface SortTables {
  /** By page number. */
  readonly pageRank: Uint32Array;
  readonly domainRank: Uint32Array;
  /** Facts by rank. */
  readonly pageRows: Float64Array;
  readonly domainRows: Float64Array;
  readonly hours: HourOrder;
  /** Person numbers are below this. */
  readonly persons: number;
  readonly lgK: number;
  /** Facts sorted at once by each thread. */
  readonly rowsPerRange: number;
}

export interface SortJob {
  readonly kind: JobKind;
  readonly facts: FactShard;
  /** The ranks of the shard's pages or domains: [from, to). */
  readonly from: number;
  readonly to: number;
}

/** What a job found, by rank ascending. A rank without facts is not among them. */
export interface SortResult {
  readonly ranks: Uint32Array;
  /** Of each rank's block; visits have none. Blocks follow each other without a gap. */
  readonly lengths: Float64Array;
  readonly tableLengths: Float64Array;
  readonly pageviews: Float64Array;
  /** Encoded visits of rank i: `visits[visitEnds[i - 1], visitEnds[i])`. */
  readonly visits: Uint8Array;
  readonly visitEnds: Float64Array;
}

/** Hears of a job while it runs. */
export interface SortListener {
  readonly onRows: (rows: number) => void;
  /** The next blocks; the receiver owns the bytes. */
  readonly onBlocks: (blocks: Uint8Array<ArrayBuffer>) => void;
}

const bytesAtOnce = 1 << 20;

/** Runs jobs one after the other, with memory that they share. */
export class Sorter {
  readonly #buckets: BucketPass;
  readonly #visits: VisitPass;

  constructor(tables: SortTables) {
    const grouper = new Grouper(tables.rowsPerRange);
    this.#buckets = new BucketPass(tables, grouper);
    this.#visits = new VisitPass(tables, grouper);
  }

  run(job: SortJob, listener: SortListener): SortResult {
    return (job.kind === 'visits' ? this.#visits : this.#buckets).run(job, listener);
  }
}

class BucketPass {
  readonly #tables: SortTables;
  readonly #grouper: Grouper;
  readonly #builder: BlockBuilder;
  #coupons = new Uint32Array(1024);
  #result = new ResultBuilder();
  #blocks = new BlockBatch(() => undefined);
  #subject = -1;
  #rowsOf: Float64Array = new Float64Array(0);

  constructor(tables: SortTables, grouper: Grouper) {
    this.#tables = tables;
    this.#grouper = grouper;
    this.#builder = new BlockBuilder(tables.lgK);
  }

  run(job: SortJob, { onRows, onBlocks }: SortListener): SortResult {
    const { pageRank, pageRows, domainRank, domainRows, hours } = this.#tables;
    const isPages = job.kind === 'pages';
    const keys: GroupKeys = {
      majorOfPage: isPages ? pageRank : domainRank,
      majorRows: isPages ? pageRows : domainRows,
      majorFrom: job.from,
      majorTo: job.to,
      minor: factWords.hour,
      minorRank: hours.rankOf,
      minorCount: hours.count,
      payload: [factWords.coupon],
    };
    this.#rowsOf = keys.majorRows;
    this.#result = new ResultBuilder();
    this.#blocks = new BlockBatch(onBlocks);
    this.#grouper.forEachGroup(job.facts, keys, this.#onGroup, onRows);
    this.#end();
    this.#blocks.flush();
    return this.#result.finish();
  }

  /** One function for all jobs: closures made anew for each took 4 % longer. */
  readonly #onGroup: OnGroup = (rank, hour, rows, from, to) => {
    if (rank !== this.#subject) this.#begin(rank);
    const views = to - from;
    if (views > this.#coupons.length) this.#coupons = new Uint32Array(2 * views);
    const coupons = this.#coupons;
    for (let i = 0, at = 2 * from + 1; i < views; i++, at += 2) coupons[i] = rows[at] ?? 0;
    const distinct = sortUnique(coupons, views);
    this.#builder.hour(this.#tables.hours.hourAt[hour] ?? 0, views, coupons, 0, distinct);
  };

  #begin(rank: number): void {
    this.#end();
    this.#subject = rank;
    this.#builder.expect(this.#rowsOf[rank] ?? 0);
  }

  #end(): void {
    if (this.#subject >= 0) {
      const { bytes, tableLength, pageviews } = this.#builder.finish();
      this.#blocks.add(bytes);
      this.#result.addBlock(this.#subject, bytes.length, tableLength, pageviews);
    }
    this.#subject = -1;
  }
}

class VisitPass {
  readonly #tables: SortTables;
  readonly #grouper: Grouper;
  readonly #counter: VisitCounter;
  #result = new ResultBuilder();
  #domain = -1;

  constructor(tables: SortTables, grouper: Grouper) {
    this.#tables = tables;
    this.#grouper = grouper;
    this.#counter = new VisitCounter(tables.hours);
  }

  run(job: SortJob, { onRows }: SortListener): SortResult {
    const keys: GroupKeys = {
      majorOfPage: this.#tables.domainRank,
      majorRows: this.#tables.domainRows,
      majorFrom: job.from,
      majorTo: job.to,
      minor: factWords.person,
      minorCount: this.#tables.persons,
      payload: [factWords.hour, factWords.millisecond],
    };
    this.#result = new ResultBuilder();
    this.#grouper.forEachGroup(job.facts, keys, this.#onGroup, onRows);
    this.#end();
    return this.#result.finish();
  }

  readonly #onGroup: OnGroup = (rank, _person, rows, from, to) => {
    if (rank !== this.#domain) this.#end();
    this.#domain = rank;
    this.#counter.addPerson(rows, from, to);
  };

  #end(): void {
    if (this.#domain >= 0) this.#result.addVisits(this.#domain, this.#counter);
    this.#domain = -1;
  }
}

/** Hands blocks on in batches, each in memory of its own. */
class BlockBatch {
  readonly #onBlocks: SortListener['onBlocks'];
  #bytes = new Uint8Array(0);
  #length = 0;

  constructor(onBlocks: SortListener['onBlocks']) {
    this.#onBlocks = onBlocks;
  }

  add(block: Uint8Array): void {
    if (this.#length + block.length > this.#bytes.length) {
      this.flush();
      this.#bytes = new Uint8Array(Math.max(bytesAtOnce, block.length));
    }
    this.#bytes.set(block, this.#length);
    this.#length += block.length;
  }

  flush(): void {
    if (this.#length > 0) this.#onBlocks(this.#bytes.subarray(0, this.#length));
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
  }
}

class ResultBuilder {
  readonly #ranks: number[] = [];
  readonly #lengths: number[] = [];
  readonly #tableLengths: number[] = [];
  readonly #pageviews: number[] = [];
  readonly #visits = new ByteWriter();
  readonly #visitEnds: number[] = [];

  addBlock(rank: number, length: number, tableLength: number, pageviews: number): void {
    this.#ranks.push(rank);
    this.#lengths.push(length);
    this.#tableLengths.push(tableLength);
    this.#pageviews.push(pageviews);
  }

  addVisits(rank: number, counter: VisitCounter): void {
    this.#ranks.push(rank);
    counter.encode(this.#visits);
    this.#visitEnds.push(this.#visits.length);
  }

  finish(): SortResult {
    return {
      ranks: Uint32Array.from(this.#ranks),
      lengths: Float64Array.from(this.#lengths),
      tableLengths: Float64Array.from(this.#tableLengths),
      pageviews: Float64Array.from(this.#pageviews),
      visits: this.#visits.view().slice(),
      visitEnds: Float64Array.from(this.#visitEnds),
    };
  }
}
