/**
 * What threads sort, and what comes of it. A job is one kind of subject, or the visits, of some shards; a kind says which
 * subject a fact counts for. A subject that is too busy for one job is cut into months, its visits into shares of the persons.
 */
import type { BucketMinutes } from '../../lib/time/buckets.js';
import { grown } from '../../lib/memory/grown.js';
import { hashWords, type KeyedHash } from '../../lib/memory/keyed-hash.js';
import type { Block, BlockPart } from '../../serving/arrays/block-builder.js';
import type { DealtBlock } from './dealt.js';

/** Pages, domains, visits, or a dimension by its place among those that are kept. */
export type JobKind = 'pages' | 'domains' | 'visits' | number;

/** The kinds of a run that keeps so many dimensions. */
export function jobKindsOf(dimensions: number): readonly JobKind[] {
  return ['pages', 'domains', ...Array.from({ length: dimensions }, (_, dimension) => dimension), 'visits'];
}

/** What all jobs know, in memory that threads share. */
export interface SortTables {
  /** Rank of the domain, by page rank. */
  readonly domainOfRank: Uint32Array;
  readonly dimensions: readonly DimensionTable[];
  /** By rank of a domain the number of the value that is its name; 0 where no value is. */
  readonly ownValues: Uint32Array;
  /** By number of a value its place in the order of their texts. */
  readonly rankOfValue: Uint32Array;
  /** Buckets by rank, ascending. */
  readonly buckets: Uint32Array;
  readonly bucketMinutes: BucketMinutes;
  readonly lgK: number;
  readonly blocks: readonly DealtBlock[];
  /** Facts of one dimension that are sorted at once. */
  readonly jobRows: number;
}

/** How the value of a fact is found: the first result counts that is a value, and may be one. Shared by threads. */
export interface DimensionTable {
  readonly choices: readonly {
    /** The word of a fact that has the number of the text. */
    readonly word: number;
    /** By that number, the result's value; 0 for none. */
    readonly values: Uint32Array;
    readonly exceptOwnDomain: boolean;
  }[];
  /** Where no result is one; 0 for none. */
  readonly otherwise: number;
}

export interface SortJob {
  readonly kind: JobKind;
  /** The shards whose facts it reads: [fromShard, toShard). */
  readonly fromShard: number;
  readonly toShard: number;
  /** Subjects, [from, to): ranks of pages or, for all other kinds, of domains. */
  readonly from: number;
  readonly to: number;
  /** Of one subject the buckets of these ranks, [fromBucket, toBucket); or visits of one domain of one of `parts` shares of the persons. */
  readonly part:
    | {
        readonly index: number;
        readonly parts: number;
        readonly fromBucket: number;
        readonly toBucket: number;
      }
    | undefined;
  /** About so many facts. */
  readonly rows: number;
}

/** What a job found, by subject ascending. A subject without facts is not among them. */
export interface SortResult {
  /** Ranks of pages or domains. */
  readonly subjects: Uint32Array;
  /** Of a dimension: the number of each subject's value. */
  readonly values: Uint32Array;
  /** Of each subject's block; visits have none. Blocks follow each other without a gap. */
  readonly lengths: Float64Array;
  readonly tableLengths: Float64Array;
  readonly pageviews: Float64Array;
  /** `hashWords` for each block. */
  readonly hashes: Int32Array;
  /** Encoded visits of the i-th subject: `visits[visitEnds[i - 1], visitEnds[i])`. */
  readonly visits: Uint8Array;
  readonly visitEnds: Float64Array;
  /** In place of all that: the part of a subject. */
  readonly part: BlockPart | undefined;
}

/** Hears of a job while it runs. */
export interface SortListener {
  readonly onRows: (rows: number) => void;
  /** The next blocks; the receiver owns the bytes. */
  readonly onBlocks: (blocks: Uint8Array<ArrayBuffer>) => void;
}

const bytesAtOnce = 1 << 20;
/** Of a flat block: subject, pageviews, length (kernel.ts). */
const recordWords = 3;

/** Gathers the result of a job; blocks are handed on in batches, each in memory of its own. */
export class ResultBuilder {
  readonly #listener: SortListener;
  readonly #subjects: number[] = [];
  readonly #lengths: number[] = [];
  readonly #tableLengths: number[] = [];
  readonly #pageviews: number[] = [];
  readonly #visitEnds: number[] = [];
  readonly #hasher: KeyedHash;
  #hashes = new Int32Array(64);
  #bytes = new Uint8Array(0);
  #length = 0;

  constructor(listener: SortListener, hasher: KeyedHash) {
    this.#listener = listener;
    this.#hasher = hasher;
  }

  /** The next blocks lie one after the other in `bytes`; those of a subject, its pageviews and the length of its block stand in `records`. */
  blocks(bytes: Uint8Array, records: Uint32Array, first: number): void {
    const count = records.length / recordWords;
    const starts = new Uint32Array(count);
    const ends = new Uint32Array(count);
    for (let i = 0, at = 0; i < count; i++) {
      const record = recordWords * i;
      starts[i] = at;
      ends[i] = at += records[record + 2];
      this.#block(first + records[record], records[record + 2], 1, records[record + 1]);
    }
    this.#reserveHashes(count);
    const from = hashWords * (this.#subjects.length - count);
    this.#hasher.spans({ bytes, sizeBytes: bytes.length, starts, ends, count }, this.#hashes.subarray(from));
    this.#add(bytes);
  }

  /** The next block. */
  block(subject: number, { bytes, tableLength, pageviews }: Block): void {
    this.#block(subject, bytes.length, tableLength, pageviews);
    this.#reserveHashes(0);
    this.#hasher.bytes(bytes);
    this.#hashes.set(this.#hasher.words, hashWords * (this.#subjects.length - 1));
    this.#add(bytes);
  }

  /** @param end of the domain's visits in those of all */
  visits(domain: number, end: number): void {
    this.#subjects.push(domain);
    this.#visitEnds.push(end);
  }

  /** The subjects given before are places in these lists: of ranks of domains, and of numbers of values. */
  finishValues(domains: Uint32Array, values: Uint32Array): SortResult {
    const { subjects, ...result } = this.finish();
    return {
      ...result,
      subjects: subjects.map((subject) => domains[subject]),
      values: subjects.map((subject) => values[subject]),
    };
  }

  finish(visits: Uint8Array = new Uint8Array(0), part?: BlockPart): SortResult {
    this.#flush();
    return {
      subjects: Uint32Array.from(this.#subjects),
      values: new Uint32Array(0),
      hashes: this.#hashes.slice(0, hashWords * this.#lengths.length),
      lengths: Float64Array.from(this.#lengths),
      tableLengths: Float64Array.from(this.#tableLengths),
      pageviews: Float64Array.from(this.#pageviews),
      visits: visits.slice(),
      visitEnds: Float64Array.from(this.#visitEnds),
      part,
    };
  }

  #block(subject: number, length: number, tableLength: number, pageviews: number): void {
    this.#subjects.push(subject);
    this.#lengths.push(length);
    this.#tableLengths.push(tableLength);
    this.#pageviews.push(pageviews);
  }

  /** For all subjects, and so many that are yet to come. */
  #reserveHashes(more: number): void {
    const needed = hashWords * (this.#subjects.length + more);
    if (needed > this.#hashes.length) this.#hashes = grown(this.#hashes, needed);
  }

  #add(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#bytes.length) {
      this.#flush();
      this.#bytes = new Uint8Array(Math.max(bytesAtOnce, bytes.length));
    }
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #flush(): void {
    if (this.#length > 0) this.#listener.onBlocks(this.#bytes.subarray(0, this.#length));
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
  }
}
