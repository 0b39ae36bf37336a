/**
 * The top of a listing in a range, by pageviews or visitors. It is exact unless time or memory run short: then `isRanked` is false. An item's
 * pageviews in the range are at most those in the whole batch view plus its realtime ones in the range, and people are never more than pageviews. So
 * candidates are checked in descending order of that bound, until the bound of the next one is too low, or too few of the domain's pageviews remain.
 * Sketches are read only of candidates whose pageviews in the range are enough.
 *
 * Lists can be read page by page. A cursor holds the number of rows before it and a digest of their names: the next page is given only while the same
 * rows, in any order, are still the first ones. So no row is repeated or left out, although figures may be newer from page to page.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { compareUtf8 } from '../../facts/fact.js';
import type { Subject } from '../../facts/views/view.js';
import { HttpProblem } from '../../lib/http/problem.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import type { Listed, Listing } from '../engine/listing.js';
import type { Pace } from '../engine/pace.js';
import { BestHeap } from '../engine/heap.js';
import { sortPaced } from '../engine/paced-sort.js';
import type { Ranked } from '../engine/ranks.js';
import type { BucketRange } from '../../lib/time/buckets.js';
import type { Tally } from '../engine/tally.js';
import type { LiveIdentity } from '../identity/live-identity.js';
import { listChanged, Paged } from '../paging.js';
import { countOf, type Count, type EdgeLimits } from './answer.js';

export interface TopQuestion {
  readonly listing: Listing;
  readonly range: BucketRange;
  readonly limit: number;
  /** Where the page begins; the first row by default. */
  readonly after?: Position | undefined;
  /** The order; ties by pageviews, then by name in UTF-8 byte order. */
  readonly by: 'pageviews' | 'visitors';
  /** Whether to count `others`, which may take further reads. */
  readonly withOthers?: boolean;
  readonly maxFresh?: number;
}

export interface TopRow extends Listed, Count {}

export interface Top {
  readonly rows: readonly TopRow[];
  /** The maximum over the rows. */
  readonly limits: EdgeLimits;
  /** Pageviews of the domain in the range, listed or not. */
  readonly pageviews: number;
  /** Where the next page begins; undefined if no rows follow, or not all could be ranked. */
  readonly next: Position | undefined;
  /** How many further items the range has, after this page and those before it. */
  readonly others: { readonly atLeast: number; readonly atMost: number };
  /** False if not all candidates could be checked: an unlisted one may rank higher. */
  readonly isRanked: boolean;
}

/** A position in a list, valid for one batch view. */
const positionSchema = z.object({
  view: z.string(),
  /** Number of rows before it. */
  rows: z.int().positive(),
  /** Digest of the names of these rows. */
  digest: z.string(),
});
export type Position = z.output<typeof positionSchema>;

export const pagedTop = new Paged(positionSchema);

/** Maximum number of rows that can be read page by page; each takes about 200 bytes while a page is made. */
const maxRows = 100_000;

/** Maximum number of names of the realtime part per question; each takes about 100 bytes. */
const defaultMaxFresh = 1_000_000;
/** Fractions of the time until the deadline at which reading the realtime part, ranking, and counting others end. */
const timeToRead = 0.7;
const timeToRank = 0.85;
const timeToCount = 0.3;
/** Maximum number of candidates that are read only to count the others. */
const looksToCount = 1_000;

export async function topOf(
  engine: Engine,
  generation: PinnedGeneration,
  question: TopQuestion,
  pace: Pace,
): Promise<Top> {
  const identity = await engine.edges.of(generation, pace);
  return engine.tallied(
    (tally) => new Search({ engine, generation, question, pace, identity, tally }).result(),
    identity,
  );
}

interface SearchContext {
  readonly engine: Engine;
  readonly generation: PinnedGeneration;
  readonly question: TopQuestion;
  readonly pace: Pace;
  readonly identity: LiveIdentity;
  readonly tally: Tally;
}

/** An item to rank; `rank` is at most `pageviews`. */
interface Entry extends Listed {
  readonly rank: number;
  readonly people?: People;
}

type People = Count & EdgeLimits;

class Search {
  readonly #context: SearchContext;
  readonly #best: Best;
  /** Number of rows on earlier pages. */
  readonly #skipped: number;
  /** Pageviews of the domain in the range that belong to no candidate checked so far. */
  #uncounted = 0;
  #isRanked = true;

  constructor(context: SearchContext) {
    this.#context = context;
    const { limit, after } = context.question;
    this.#skipped = after?.rows ?? 0;
    this.#best = new Best(this.#skipped + limit + 1); // one more, to see whether rows follow
  }

  async result(): Promise<Top> {
    const { question, pace, tally } = this.#context;
    this.#checkPosition();
    await this.#tallyUp({ kind: 'domain', domain: question.listing.domain }, 'pageviews');
    const { pageviews } = tally;
    this.#uncounted = pageviews;
    const candidates = pageviews === 0 ? undefined : await this.#candidates();
    if (candidates !== undefined) await this.#rank(candidates);
    const ranked = await this.#best.ranked(pace);
    await this.#checkSkipped(ranked);
    const end = this.#skipped + question.limit;
    const { rows, limits } = await this.#rowsOf(ranked.slice(this.#skipped, end));
    const following = Math.max(0, ranked.length - end);
    const others =
      question.withOthers === true && candidates !== undefined
        ? await this.#others(candidates, following)
        : none;
    const next =
      following > 0 && this.#isRanked ? await this.#positionAfter(ranked.slice(0, end)) : undefined;
    return { rows, limits, pageviews, others, isRanked: this.#isRanked, next };
  }

  async #rowsOf(entries: readonly Entry[]): Promise<Pick<Top, 'rows' | 'limits'>> {
    const limits = { rewritten: 0, maxOvercount: 0, maxUndercount: 0 };
    const rows: TopRow[] = [];
    await this.#prefetch(entries);
    for (const entry of entries) {
      const { rewritten, maxOvercount, maxUndercount, ...count } =
        entry.people ?? (await this.#peopleOf(entry.name));
      rows.push({ name: entry.name, pageviews: entry.pageviews, ...count });
      limits.rewritten = Math.max(limits.rewritten, rewritten);
      limits.maxOvercount = Math.max(limits.maxOvercount, maxOvercount);
      limits.maxUndercount = Math.max(limits.maxUndercount, maxUndercount);
    }
    return { rows, limits };
  }

  #checkPosition(): void {
    const { generation, question } = this.#context;
    const { after, limit } = question;
    if (after === undefined) return;
    if (after.view !== generation.batch.meta.id)
      throw listChanged('a batch run has published a new view since that page');
    if (after.rows + limit <= maxRows) return;
    throw new HttpProblem(
      'invalid-parameter',
      `'cursor': lists are read up to row ${maxRows}; ask for a shorter range`,
      { parameter: 'cursor' },
    );
  }

  async #checkSkipped(ranked: readonly Entry[]): Promise<void> {
    const { after } = this.#context.question;
    if (after === undefined) return;
    if (!this.#isRanked)
      throw new HttpProblem('deadline-exceeded', 'not all of the list could be ranked in time; ask again', {
        headers: { 'Retry-After': '1' },
      });
    if ((await this.#digestOf(ranked.slice(0, after.rows))) !== after.digest)
      throw listChanged('other rows have come among those that have been read');
  }

  async #positionAfter(read: readonly Entry[]): Promise<Position> {
    const view = this.#context.generation.batch.meta.id;
    return { view, rows: read.length, digest: await this.#digestOf(read) };
  }

  /** Digest of the names, independent of their order. */
  async #digestOf(entries: readonly Entry[]): Promise<string> {
    const { pace } = this.#context;
    const hash = createHash('sha256');
    for (const { name } of await sortPaced(entries, (a, b) => compareUtf8(a.name, b.name), pace)) {
      hash.update(`${JSON.stringify(name)}\n`);
      if (pace.due) await pace.rest();
    }
    return hash.digest('base64url').slice(0, 22);
  }

  /** Prefetches realtime cells for entries whose people were not counted yet. */
  async #prefetch(entries: readonly Entry[]): Promise<void> {
    const { generation, question } = this.#context;
    const { from, to } = question.range;
    const open = entries.filter(({ people }) => people === undefined);
    const subjects = open.map(({ name }) => question.listing.subjectOf(name));
    await generation.realtime?.prefetch?.(subjects, from, to);
  }

  async #rank(candidates: Candidates): Promise<void> {
    const { question, pace } = this.#context;
    const best = this.#best;
    while (!candidates.isDone) {
      if (pace.due) await pace.rest();
      const next = candidates.peek();
      if (next === 'more') await candidates.readOn(pace);
      if (next === undefined || next === 'more') continue;
      if (!best.takes(atBest(next)) || !best.takes(atBest({ name: '', pageviews: this.#uncounted }))) return;
      if (pace.used > timeToRank) {
        this.#isRanked = false;
        return;
      }
      candidates.take();
      const entry = this.#count(next);
      if (question.by === 'visitors' && best.takes(entry)) {
        const people = await this.#peopleOf(next.name);
        best.offer({ ...entry, rank: people.visitors, people });
      } else best.offer(entry);
    }
  }

  /** Counts the items after this page. Each has at least one of the uncounted pageviews, which bounds their number. */
  async #others(candidates: Candidates, following: number): Promise<Top['others']> {
    const { pace } = this.#context;
    for (let looks = 0; looks < looksToCount && !candidates.isDone && this.#uncounted > 0; looks++) {
      if (pace.due) await pace.rest();
      if (looks > 0 && pace.used > timeToCount) break;
      const next = candidates.peek();
      if (next === 'more') break;
      if (next === undefined) continue;
      if (next.fresh > 0) break; // all remaining realtime items are counted by `freshLeft`
      if (this.#count(next).pageviews > 0) this.#best.refused++;
      candidates.take();
    }
    const { freshLeft, oldLeft } = candidates;
    const atLeast = following + this.#best.refused + freshLeft;
    const unknown = this.#isRanked ? Math.min(oldLeft, this.#uncounted - freshLeft) : this.#uncounted;
    return { atLeast, atMost: atLeast + Math.max(0, unknown) };
  }

  async #candidates(): Promise<Candidates> {
    const { engine, generation, question, pace } = this.#context;
    const batch = await engine.ranks.of(generation.batch, question.listing, pace);
    const { counts, isWhole } = await realtimeCounts(generation, question, pace);
    this.#isRanked = batch.isWhole && isWhole;
    return new Candidates(batch, counts);
  }

  /** Counts a candidate's pageviews; as its rank they are an upper bound of its visitors. */
  #count({ name, fresh }: Candidate): Entry {
    const { generation, question, tally } = this.#context;
    tally.reset();
    tally.countBatch(generation.batch, question.listing.subjectOf(name), question.range);
    const pageviews = tally.pageviews + fresh;
    this.#uncounted -= pageviews;
    return atBest({ name, pageviews });
  }

  async #peopleOf(name: string): Promise<People> {
    const { question, tally, identity } = this.#context;
    await this.#tallyUp(question.listing.subjectOf(name), 'uniques');
    return countOf(tally, identity);
  }

  /** Resets the tally and fills it with one subject's facts in the range. */
  #tallyUp(subject: Subject, what: 'pageviews' | 'uniques'): Promise<void> {
    const { generation, question, pace, tally } = this.#context;
    tally.reset();
    return tally.add(generation, subject, question.range, what, pace);
  }
}

const none = { atLeast: 0, atMost: 0 };
const looksBetweenPauses = 256;

/** Pageviews of the realtime part in the range, by name; `isWhole` is false if there are too many names or time is short. */
async function realtimeCounts(
  { realtime }: PinnedGeneration,
  { listing, range, maxFresh = defaultMaxFresh }: TopQuestion,
  pace: Pace,
): Promise<{ readonly counts: ReadonlyMap<string, number>; readonly isWhole: boolean }> {
  const counts = new Map<string, number>();
  let isWhole = true;
  if (realtime === undefined) return { counts, isWhole };
  for await (const block of listing.ofRealtime(realtime, range)) {
    for (const { name, pageviews } of block) {
      const known = counts.get(name);
      if (known === undefined && counts.size >= maxFresh) isWhole = false;
      else counts.set(name, (known ?? 0) + pageviews);
    }
    if (pace.used > timeToRead) return { counts, isWhole: false };
    if (pace.due) await pace.rest();
  }
  return { counts, isWhole };
}

interface Candidate extends Listed {
  /** Realtime pageviews in the range. */
  readonly fresh: number;
}

/** Realtime candidates are sorted in pieces: first this many, then four times as many, and so on. */
const firstPiece = 4_096;

/** Merges two lists of candidates in descending order of their bound: those in the realtime part, and all others in the batch view. */
class Candidates {
  readonly #batch: Ranked;
  readonly #realtime: ReadonlyMap<string, number>;
  /** The current piece of realtime candidates, sorted. */
  #piece: readonly Listed[] = [];
  #pieceSize = firstPiece / 4;
  #nextOld = 0;
  #nextFresh = 0;
  #isFresh = false;
  #freshTaken = 0;

  constructor(batch: Ranked, realtime: ReadonlyMap<string, number>) {
    this.#batch = batch;
    this.#realtime = realtime;
  }

  get isDone(): boolean {
    return this.#nextOld >= this.#batch.ranked.length && this.freshLeft === 0;
  }

  /** Number of realtime candidates not taken yet. */
  get freshLeft(): number {
    return this.#realtime.size - this.#freshTaken;
  }

  /** Upper bound of the number of remaining candidates that are only in the batch view. */
  get oldLeft(): number {
    return this.#batch.ranked.length - this.#nextOld;
  }

  /**
   * The next candidate with its bound; stays the same until `take`. Returns 'more' if `readOn` must be called first, and undefined at the end or
   * after many skipped candidates, so that the caller can pause.
   */
  peek(): Candidate | 'more' | undefined {
    if (this.#nextFresh >= this.#piece.length && this.freshLeft > 0) return 'more';
    const { ranked } = this.#batch;
    let old = ranked[this.#nextOld];
    for (let i = 0; old !== undefined && this.#realtime.has(old.name); i++) {
      if (i === looksBetweenPauses) return undefined;
      old = ranked[++this.#nextOld];
    }
    const fresh = this.#piece[this.#nextFresh];
    this.#isFresh = fresh !== undefined && (old === undefined || compare(fresh, old) < 0);
    const next = this.#isFresh ? fresh : old;
    return next === undefined ? undefined : { ...next, fresh: this.#realtime.get(next.name) ?? 0 };
  }

  take(): void {
    if (!this.#isFresh) this.#nextOld++;
    else {
      this.#nextFresh++;
      this.#freshTaken++;
    }
  }

  /** Sorts the next piece of realtime candidates. Throws `deadline-exceeded`. */
  async readOn(pace: Pace): Promise<void> {
    const last = this.#piece.at(-1);
    const { pageviewsOf } = this.#batch;
    this.#pieceSize *= 4;
    const piece = new BestHeap(this.#pieceSize, compare);
    let looks = 0;
    for (const [name, pageviews] of this.#realtime) {
      const bound = { name, pageviews: pageviews + (pageviewsOf.get(name) ?? 0) };
      if ((last === undefined || compare(bound, last) > 0) && piece.takes(bound)) piece.add(bound);
      if (++looks % looksBetweenPauses === 0 && pace.due) await pace.rest();
    }
    this.#piece = await sortPaced(piece.items, compare, pace);
    this.#nextFresh = 0;
  }
}

/** Keeps the best `limit` entries offered. */
class Best {
  /** Number of entries with pageviews that were offered and are not kept. */
  refused = 0;
  readonly #entries: BestHeap<Entry>;

  constructor(limit: number) {
    this.#entries = new BestHeap(limit, compareEntries);
  }

  /** Whether an entry would be kept. */
  takes(entry: Entry): boolean {
    return entry.pageviews > 0 && this.#entries.takes(entry);
  }

  offer(entry: Entry): void {
    if (this.takes(entry)) this.refused += this.#entries.add(entry) ? 1 : 0;
    else if (entry.pageviews > 0) this.refused++;
  }

  /** The kept entries, best first. Throws `deadline-exceeded`. */
  ranked(pace: Pace): Promise<readonly Entry[]> {
    return sortPaced(this.#entries.items, compareEntries, pace);
  }
}

function atBest({ name, pageviews }: Listed): Entry {
  return { name, pageviews, rank: pageviews };
}

function compareEntries(a: Entry, b: Entry): number {
  return b.rank - a.rank || compare(a, b);
}

function compare(a: Listed, b: Listed): number {
  return b.pageviews - a.pageviews || compareUtf8(a.name, b.name);
}
