/**
 * Jobs of the sorting threads, and their results. A job covers one kind of subject, or the visits, in a range of shards; the kind determines the
 * subject that a fact counts for. A subject that is too busy for one job is split by months, its visits by persons.
 */
import type { BucketMinutes } from '../../lib/time/buckets.js';
import { grown } from '../../lib/memory/grown.js';
import { hashWords, type KeyedHash } from '../../lib/memory/keyed-hash.js';
import type { Block, BlockPart } from '../../serving/arrays/block-builder.js';
import type { DealtBlock } from './dealt.js';

/** Pages, domains, visits, or a dimension by its index among the kept ones. */
export type JobKind = 'pages' | 'domains' | 'visits' | number;

/** The kinds of a run that keeps this number of dimensions. */
export function jobKindsOf(dimensions: number): readonly JobKind[] {
  return ['pages', 'domains', ...Array.from({ length: dimensions }, (_, dimension) => dimension), 'visits'];
}

/** Tables that all jobs use, in shared memory. */
export interface SortTables {
  /** Rank of the domain, by page rank. */
  readonly domainOfRank: Uint32Array;
  readonly dimensions: readonly DimensionTable[];
  /** Base buckets by rank, ascending. */
  readonly buckets: Uint32Array;
  readonly bucketMinutes: BucketMinutes;
  readonly lgK: number;
  readonly blocks: readonly DealtBlock[];
  /** Maximum number of facts of a dimension that are sorted at once. */
  readonly jobRows: number;
}

/**
 * How to find the value of a fact: the first choice with a value that is allowed counts. The values of a dimension are
 * numbered from 1 in the order of their texts. In shared memory.
 */
export interface DimensionTable {
  readonly choices: readonly {
    /** Index of the word of a fact with the number of the text. */
    readonly word: number;
    /** By number of the text: the value; 0 for none. */
    readonly values: Uint32Array;
    readonly exceptOwnDomain: boolean;
  }[];
  /** The value if no choice has one; 0 for none. */
  readonly otherwise: number;
  /** By rank of a domain: the value that equals its name; 0 if there is none. */
  readonly ownValues: Uint32Array;
  readonly valueCount: number;
}

export interface SortJob {
  readonly kind: JobKind;
  /** The shards whose facts it reads: [fromShard, toShard). */
  readonly fromShard: number;
  readonly toShard: number;
  /** Its subjects [from, to): ranks of pages or, for all other kinds, of domains. */
  readonly from: number;
  readonly to: number;
  /**
   * For a part of a subject: the buckets with the ranks [fromBucket, toBucket); for visits: the share `index` of `parts` of the persons of one
   * domain.
   */
  readonly part:
    | {
        readonly index: number;
        readonly parts: number;
        readonly fromBucket: number;
        readonly toBucket: number;
      }
    | undefined;
  /** Approximate number of facts. */
  readonly rows: number;
}

/** The result of a job, by subject ascending, without subjects that have no facts. */
export interface SortResult {
  /** Ranks of pages or domains. */
  readonly subjects: Uint32Array;
  /** For dimensions: the value of each subject, numbered as in `DimensionTable`. */
  readonly values: Uint32Array;
  /** Of each subject's block; empty for visits. Blocks are contiguous. */
  readonly lengths: Float64Array;
  readonly tableLengths: Float64Array;
  readonly pageviews: Float64Array;
  /** `hashWords` words per block. */
  readonly hashes: Int32Array;
  /** Encoded visits of the i-th subject: `visits[visitEnds[i - 1], visitEnds[i])`. */
  readonly visits: Uint8Array;
  readonly visitEnds: Float64Array;
  /** Set instead of all the above if the job is a part of a subject. */
  readonly part: BlockPart | undefined;
}

/** The domain and the value of a dimension's subject. */
export interface SubjectNames {
  readonly domainOf: (subject: number) => number;
  readonly valueOf: (subject: number) => number;
}

/** Receives output of a job while it runs. */
export interface SortListener {
  readonly onRows: (rows: number) => void;
  /** Receives the next blocks, and owns the bytes. */
  readonly onBlocks: (blocks: Uint8Array<ArrayBuffer>) => void;
}

const bytesAtOnce = 1 << 20;
/** Words per flat block: subject, pageviews, length (kernel.ts). */
const recordWords = 3;

/** Collects the result of a job, and passes blocks on in batches, each in its own memory. */
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

  /** Adds flat blocks, which are contiguous in `bytes`; `records` has three words for each: subject (from `first`), pageviews, length. */
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

  /** Adds one block. */
  block(subject: number, { bytes, tableLength, pageviews }: Block): void {
    this.#block(subject, bytes.length, tableLength, pageviews);
    this.#reserveHashes(0);
    this.#hasher.bytes(bytes);
    this.#hashes.set(this.#hasher.words, hashWords * (this.#subjects.length - 1));
    this.#add(bytes);
  }

  /** @param end end of the domain's visits in the bytes of all */
  visits(domain: number, end: number): void {
    this.#subjects.push(domain);
    this.#visitEnds.push(end);
  }

  /** Finishes a dimension. The functions give the domain's rank and the value of a subject that was added. */
  finishValues({ domainOf, valueOf }: SubjectNames): SortResult {
    const { subjects, ...result } = this.finish();
    return { ...result, subjects: subjects.map(domainOf), values: subjects.map(valueOf) };
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

  /** Makes room for the hashes of all subjects, and of `more` to come. */
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
