/**
 * What threads sort, and what comes of it. A job is one kind of subject, or the visits, of some shards; a kind says which
 * subject a fact counts for. A subject that is too busy for one job is cut into months, its visits into shares of the persons.
 */
import type { BlockPart } from '../../serving/arrays/block-builder.js';
import type { DealtBlock } from './dealt.js';

/** Kinds of subjects; each has a file of cells (serving/layout.ts). */
export const kinds = ['pages', 'domains'] as const;
export type Kind = (typeof kinds)[number];
export const jobKinds = [...kinds, 'visits'] as const;
export type JobKind = (typeof jobKinds)[number];

/** What all jobs know, in memory that threads share. */
export interface SortTables {
  /** Subject by page rank; a page's subject of its own kind is its rank. */
  readonly subjectOf: Readonly<Record<Kind, Uint32Array | undefined>>;
  /** Hours by rank, ascending. */
  readonly hours: Uint32Array;
  readonly lgK: number;
  readonly blocks: readonly DealtBlock[];
}

export interface SortJob {
  readonly kind: JobKind;
  /** The shards whose facts it reads: [fromShard, toShard). */
  readonly fromShard: number;
  readonly toShard: number;
  /** Subjects: [from, to). */
  readonly from: number;
  readonly to: number;
  /** Of one subject the hours of these ranks, [fromHour, toHour); or visits of one domain of one of `parts` shares of the persons. */
  readonly part:
    | { readonly index: number; readonly parts: number; readonly fromHour: number; readonly toHour: number }
    | undefined;
  /** About so many facts. */
  readonly rows: number;
}

/** What a job found, by subject ascending. A subject without facts is not among them. */
export interface SortResult {
  readonly subjects: Uint32Array;
  /** Of each subject's block; visits have none. Blocks follow each other without a gap. */
  readonly lengths: Float64Array;
  readonly tableLengths: Float64Array;
  readonly pageviews: Float64Array;
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

/** Gathers the result of a job; blocks are handed on in batches, each in memory of its own. */
export class ResultBuilder {
  readonly #listener: SortListener;
  readonly #subjects: number[] = [];
  readonly #lengths: number[] = [];
  readonly #tableLengths: number[] = [];
  readonly #pageviews: number[] = [];
  readonly #visitEnds: number[] = [];
  #bytes = new Uint8Array(0);
  #length = 0;

  constructor(listener: SortListener) {
    this.#listener = listener;
  }

  /** Bytes of the next blocks. */
  bytes(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#bytes.length) {
      this.#flush();
      this.#bytes = new Uint8Array(Math.max(bytesAtOnce, bytes.length));
    }
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** A block whose bytes were given. */
  block(subject: number, length: number, tableLength: number, pageviews: number): void {
    this.#subjects.push(subject);
    this.#lengths.push(length);
    this.#tableLengths.push(tableLength);
    this.#pageviews.push(pageviews);
  }

  /** @param end of the domain's visits in those of all */
  visits(domain: number, end: number): void {
    this.#subjects.push(domain);
    this.#visitEnds.push(end);
  }

  finish(visits: Uint8Array = new Uint8Array(0), part?: BlockPart): SortResult {
    this.#flush();
    return {
      subjects: Uint32Array.from(this.#subjects),
      lengths: Float64Array.from(this.#lengths),
      tableLengths: Float64Array.from(this.#tableLengths),
      pageviews: Float64Array.from(this.#pageviews),
      visits: visits.slice(),
      visitEnds: Float64Array.from(this.#visitEnds),
      part,
    };
  }

  #flush(): void {
    if (this.#length > 0) this.#listener.onBlocks(this.#bytes.subarray(0, this.#length));
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
  }
}
