/**
 * What a view looks like to those who read it, whichever layer made it. The serving layer implements `BatchView`, the
 * speed layer `RealtimeView`; the query layer merges the two and knows nothing of their files.
 */
import type { EquivEdge, ExclusionRule } from '../fact.js';
import type { RulesVersions } from '../rules-versions.js';
import type { Cut, Offset, Offsets, PartitionName } from '../../log/log.js';
import type { BucketMinutes, Span } from '../../lib/time/buckets.js';
import type { BucketCell, VisitCell } from './cell.js';

export type { BucketCell, PeopleSink, SketchView, VisitCell } from './cell.js';

/** Names a batch view, and with it a generation. Sorts by age: 'v000001-...' */
export type ViewId = string & { readonly brand: 'ViewId' };

/** What is counted: one page (normalised URL), one registrable domain, or one value of a dimension of a domain (facts/subjects.ts). */
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

/** Everything a batch view is a function of, and what came out. Stored as META in its directory. */
export interface ViewMeta {
  readonly id: ViewId;
  /** 1, 2, 3 ...; 0 is the empty view a data directory starts with. */
  readonly number: number;
  readonly createdAt: number;
  readonly cut: Cut;
  readonly lgK: number;
  /** Width of its base buckets; all bucket numbers of the view go by it. */
  readonly bucketMinutes: BucketMinutes;
  readonly rules: RulesVersions;
  /** Components of more ids were left unjoined; 0: no cap. */
  readonly maxPersonIds: number;
  /**
   * Retractions before the cut: so many pairs, at most, that an equiv fact after the cut does not join, since they were taken back at a
   * later time of their own. Undefined: views of earlier versions do not say.
   */
  readonly retractions?: number | undefined;
  /** Pageviews of an earlier time, UTC ms, are left out, whenever they came (SWA_RETENTION_DAYS). Undefined: those of any time count. */
  readonly keptFrom?: number | undefined;
  /** Facts before the cut that are lost; by partition, then by offset. */
  readonly gaps: readonly Gap[];
  readonly codeVersion: string;
  /** Over all keys and values in order: equal snapshots and code, equal hash. */
  readonly contentHash: string;
  readonly counts: {
    readonly pageviews: number;
    readonly pages: number;
    readonly domains: number;
    /** Values of each dimension that the view holds, over all domains; by name of the dimension, in order of the table. */
    readonly values: Readonly<Record<string, number>>;
    readonly persons: number;
    readonly mappedIds: number;
  };
}

/** Offsets whose facts were lost before they could be stored, and a person has accepted that. */
export interface Gap {
  readonly partition: PartitionName;
  readonly fromOffset: Offset;
  /** End exclusive. */
  readonly toOffset: Offset;
  /** UTC ms. The facts came before. */
  readonly acceptedAt: number;
}

export interface BatchView {
  readonly meta: ViewMeta;
  /** Calls `visit` for every stored bucket of [from, to) of the span, ascending. Buckets without pageviews are not stored. */
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
   * All values of a dimension that a domain has, with their pageviews over the whole view, ascending in UTF-8 byte order. None for a
   * dimension that the view does not hold.
   */
  values(dimension: string, domain: string): Iterable<ValueCount>;
  /** All domains, ascending. */
  domains(): Iterable<string>;
  /** The PersonID of a visitor id: itself unless a live edge joins it. */
  personOf(visitor: string): string;
  /** The visitor ids of a person that live edges join, ascending, the first `limit` of them; just itself without edges. */
  idsOf(person: string, limit?: number): readonly string[];
  /** How many they are. */
  idCountOf(person: string): number;
  /** The exclusions before the cut that are in force, in no order: the realtime view of its generation goes by them, too. */
  exclusions(): readonly ExclusionRule[];
  close(): void;
}

/**
 * An equiv fact or a retraction that the batch view's mapping does not know yet. Of several on one pair the latest by
 * timestamp wins, of those with one timestamp the latest by partition and offset; a repeat (an earlier one has its
 * eventId, type and pair) does not count.
 */
export interface WaitingEdge extends Pick<EquivEdge, 'type' | 'a' | 'b' | 'timestamp' | 'eventId'> {
  readonly offset: Offset;
}

/** Edges of one partition in the order of their offsets. */
export interface EdgeBlock {
  readonly partition: PartitionName;
  /** All edges of the partition before this offset are in this block or in earlier ones. */
  readonly next: Offset;
  readonly edges: readonly WaitingEdge[];
}

/** Read bit by bit: at once, or as it comes from other hosts. */
type Read<T> = Iterable<T> | AsyncIterable<T>;

/**
 * One consistent state of the realtime view: all of it was made from exactly the facts in [batch cut, cut). Where it lies on other hosts,
 * reading throws `realtime.gone` when one of them is lost meanwhile: the answer is then begun again with another snapshot.
 */
export interface RealtimeView {
  readonly generation: ViewId;
  readonly cut: Cut;
  /** Equiv facts between the batch view's cut and this cut: the mapping does not know them yet. */
  readonly equivsAfterBatchCut: number;
  /** Retractions between the two cuts. */
  readonly retractionsAfterBatchCut: number;
  /**
   * Those facts themselves, at least from these positions on (default: the batch view's cut), blocks of a few hundred. As
   * many as are kept: beyond a limit they are only counted, so there may be fewer than the two numbers say.
   */
  edges(from?: Partial<Offsets>): Read<EdgeBlock>;
  /** Exclusions, and facts that take some back, between the two cuts: they wait for the next batch view. */
  readonly exclusionsAfterBatchCut: number;
  /** Records set aside because they failed three times. */
  readonly deadLetters: number;
  /** Newest `receivedAt` applied, UTC ms; undefined while nothing was. */
  readonly lastReceivedAt: number | undefined;
  /**
   * Says what `forEachBucket` will be asked for next, so that a view on other hosts can fetch it all at once. Not needed for the result; absent
   * where everything is at hand.
   */
  prefetch?(subjects: readonly Subject[], fromBucket: number, toBucket: number): Promise<void>;
  /**
   * A bucket may come more than once (from several partitions): add the pageviews, unite the sketches. All have come when it returns, or
   * when the promise that it returns resolves.
   */
  forEachBucket(
    subject: Subject,
    fromBucket: number,
    toBucket: number,
    visit: (cell: BucketCell) => void,
  ): void | Promise<void>;
  /**
   * Pages of a domain with pageviews in [fromBucket, toBucket), some at a time; a page may come more than once. What lies outside of the buckets
   * has to be read too: then a block may be empty, so that a reader who finds nothing can pause.
   */
  pages(domain: string, fromBucket: number, toBucket: number): Read<readonly PageCount[]>;
  /** Values of a dimension that a domain has, with pageviews in [fromBucket, toBucket); as `pages` in all else. */
  values(
    dimension: string,
    domain: string,
    fromBucket: number,
    toBucket: number,
  ): Read<readonly ValueCount[]>;
  /** Ascending. */
  domains(): Read<string>;
  /** Gives the snapshot back. */
  release(): void;
}

/** A realtime view whose files are at hand. */
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
