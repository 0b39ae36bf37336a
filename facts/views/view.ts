/**
 * Interfaces of views, independent of the layer that made them. The serving layer implements `BatchView`, the speed layer `RealtimeView`; the
 * query layer merges the two and knows nothing of their files.
 */
import type { EquivEdge, ExclusionRule } from '../fact.js';
import type { RulesVersions } from '../rules-versions.js';
import type { Cut, Offset, Offsets, PartitionName } from '../../log/log.js';
import type { BucketMinutes, Span } from '../../lib/time/buckets.js';
import type { BucketCell, VisitCell } from './cell.js';

export type { BucketCell, PeopleSink, SketchView, VisitCell } from './cell.js';

/** Id of a batch view and of its generation: 'v000001-...'. Sorts by age. */
export type ViewId = string & { readonly brand: 'ViewId' };

/** What is counted: a page (normalised URL), a registrable domain, or a value of a dimension within a domain (facts/subjects.ts). */
export type Subject =
  | { readonly kind: 'page'; readonly url: string }
  | { readonly kind: 'domain'; readonly domain: string }
  | ValueSubject;

export interface ValueSubject {
  readonly kind: 'value';
  /** Name of the dimension. */
  readonly dimension: string;
  readonly domain: string;
  readonly value: string;
}

export interface PageCount {
  readonly url: string;
  readonly pageviews: number;
}

export interface ValueCount {
  readonly value: string;
  readonly pageviews: number;
}

/** All inputs of a batch view, and a summary of its content. Stored as META in its directory. */
export interface ViewMeta {
  readonly id: ViewId;
  /** 1, 2, 3, ...; 0 is the empty view of a new data directory. */
  readonly number: number;
  readonly createdAt: number;
  readonly cut: Cut;
  readonly lgK: number;
  /** Width of its base buckets; all bucket numbers of the view are in this unit. */
  readonly bucketMinutes: BucketMinutes;
  readonly rules: RulesVersions;
  /** Components with more ids than this were left unjoined; 0: no limit. */
  readonly maxPersonIds: number;
  /**
   * Number of retractions before the cut. An upper bound for the pairs that an equiv fact after the cut may not join, because a retraction with
   * a later timestamp took them back. Undefined in views of earlier versions.
   */
  readonly retractions?: number | undefined;
  /** Pageviews with an earlier timestamp, UTC ms, are left out (SWA_RETENTION_DAYS). Undefined: pageviews of any age count. */
  readonly keptFrom?: number | undefined;
  /** Lost facts before the cut; ordered by partition, then offset. */
  readonly gaps: readonly Gap[];
  readonly codeVersion: string;
  /** Hash of all keys and values in order: equal snapshots and code give equal hashes. */
  readonly contentHash: string;
  readonly counts: {
    readonly pageviews: number;
    readonly pages: number;
    readonly domains: number;
    /** Number of values over all domains, by name of the dimension, in the order of the table. */
    readonly values: Readonly<Record<string, number>>;
    readonly persons: number;
    readonly mappedIds: number;
  };
}

/** Offsets whose facts were lost before they could be stored; an operator has accepted the loss. */
export interface Gap {
  readonly partition: PartitionName;
  readonly fromOffset: Offset;
  /** Exclusive. */
  readonly toOffset: Offset;
  /** UTC ms. The lost facts were received before. */
  readonly acceptedAt: number;
}

export interface BatchView {
  readonly meta: ViewMeta;
  /** Calls `visit` for each stored bucket of the span in [from, to), ascending. Buckets without pageviews are not stored. */
  forEachBucket(
    subject: Subject,
    span: Span,
    from: number,
    to: number,
    visit: (cell: BucketCell) => void,
  ): void;
  forEachVisitBucket(
    domain: string,
    fromBucket: number,
    toBucket: number,
    visit: (cell: VisitCell) => void,
  ): void;
  /** All pages of a domain with their pageviews over the whole view, ascending by URL. */
  pages(domain: string): Iterable<PageCount>;
  /**
   * All values of a dimension in a domain with their pageviews over the whole view, ascending in UTF-8 byte order. Empty if the view does not
   * have the dimension.
   */
  values(dimension: string, domain: string): Iterable<ValueCount>;
  /** All domains, ascending. */
  domains(): Iterable<string>;
  /** PersonID of a visitor id: the id itself unless live edges join it to others. */
  personOf(visitor: string): string;
  /** Visitor ids that live edges join into a person, ascending, at most `limit`; only the person itself if there are none. */
  idsOf(person: string, limit?: number): readonly string[];
  /** Number of visitor ids of a person. */
  idCountOf(person: string): number;
  /** Exclusions in force at the cut, in any order. The realtime view of the same generation applies them too. */
  exclusions(): readonly ExclusionRule[];
  close(): void;
}

/**
 * An equiv fact or retraction that is not in the batch view's mapping yet. For each pair the edge with the latest timestamp wins, with equal
 * timestamps the latest by partition and offset; repeats (an earlier edge has the same eventId, type and pair) do not count.
 */
export interface WaitingEdge extends Pick<EquivEdge, 'type' | 'a' | 'b' | 'timestamp' | 'eventId'> {
  readonly offset: Offset;
}

/** Edges of one partition, ascending by offset. */
export interface EdgeBlock {
  readonly partition: PartitionName;
  /** This block and earlier ones contain all edges of the partition before this offset. */
  readonly next: Offset;
  readonly edges: readonly WaitingEdge[];
}

/** Read in steps: synchronously, or as data arrives from other hosts. */
type Read<T> = Iterable<T> | AsyncIterable<T>;

/**
 * A consistent snapshot of the realtime view, made from exactly the facts in [batch cut, cut). If it is on other hosts, reads throw
 * `realtime.gone` when a host is lost; the answer is then retried with another snapshot.
 */
export interface RealtimeView {
  readonly generation: ViewId;
  readonly cut: Cut;
  /** Number of equiv facts between the batch view's cut and this cut, which the mapping does not contain yet. */
  readonly equivsAfterBatchCut: number;
  /** Number of retractions between the two cuts. */
  readonly retractionsAfterBatchCut: number;
  /**
   * These equiv facts and retractions, at least from the given positions on (default: the batch view's cut), in blocks of a few hundred. Beyond
   * a limit edges are counted but not stored, so there may be fewer than the two counts say.
   */
  edges(from?: Partial<Offsets>): Read<EdgeBlock>;
  /** Number of exclusions (and facts that take them back) between the two cuts. They take effect with the next batch view. */
  readonly exclusionsAfterBatchCut: number;
  /** Number of records set aside because they failed three times. */
  readonly deadLetters: number;
  /** Latest `receivedAt` that was applied, UTC ms; undefined if none was. */
  readonly lastReceivedAt: number | undefined;
  /**
   * Hint of what `forEachBucket` will read next, so that a view on other hosts can fetch it in one request. Optional for callers; absent in
   * local views.
   */
  prefetch?(subjects: readonly Subject[], fromBucket: number, toBucket: number): Promise<void>;
  /**
   * Calls `visit` for the buckets in [fromBucket, toBucket). A bucket may come more than once (from several partitions): add the pageviews,
   * unite the sketches. All calls are made before the function returns, or before its promise resolves.
   */
  forEachBucket(
    subject: Subject,
    fromBucket: number,
    toBucket: number,
    visit: (cell: BucketCell) => void,
  ): void | Promise<void>;
  /**
   * Pages of a domain with pageviews in [fromBucket, toBucket), in blocks; a page may come more than once. Blocks may be empty, because pages
   * outside of the range have to be read too: they let a reader that finds nothing pause.
   */
  pages(domain: string, fromBucket: number, toBucket: number): Read<readonly PageCount[]>;
  /** Values of a dimension in a domain with pageviews in [fromBucket, toBucket); otherwise like `pages`. */
  values(
    dimension: string,
    domain: string,
    fromBucket: number,
    toBucket: number,
  ): Read<readonly ValueCount[]>;
  /** All domains, ascending. */
  domains(): Read<string>;
  /** Releases the snapshot. */
  release(): void;
}

/** A realtime view on this host, read synchronously. */
export interface LocalRealtimeView extends RealtimeView {
  edges(from?: Partial<Offsets>): Iterable<EdgeBlock>;
  forEachBucket(
    subject: Subject,
    fromBucket: number,
    toBucket: number,
    visit: (cell: BucketCell) => void,
  ): void;
  pages(domain: string, fromBucket: number, toBucket: number): Iterable<readonly PageCount[]>;
  values(
    dimension: string,
    domain: string,
    fromBucket: number,
    toBucket: number,
  ): Iterable<readonly ValueCount[]>;
  domains(): Iterable<string>;
}
