/**
 * The top of a listing in a range, exactly, unless there is so much that time or memory is short: then `isRanked` is false. Pageviews in a range are at most those of the whole batch view plus the realtime
 * ones in the range, and people are never more than pageviews. Candidates are looked at in the order of that bound, until the
 * next one cannot make it any more, or until too few of the domain's pageviews are left for it. Sketches are read only of those
 * whose pageviews in the range would let them in.
 */
import { compareUtf8 } from '../../facts/fact.js';
import type { Subject } from '../../facts/views/view.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import type { Listed, Listing } from '../engine/listing.js';
import type { Pace } from '../engine/pace.js';
import { FirstOf } from '../engine/first-of.js';
import type { Ranked } from '../engine/ranks.js';
import type { BucketRange } from '../../lib/time/buckets.js';
import type { Tally } from '../engine/tally.js';
import type { LiveIdentity } from '../identity/live-identity.js';
import { countOf, type Count, type EdgeLimits } from './answer.js';

export interface TopQuestion {
  readonly listing: Listing;
  readonly range: BucketRange;
  readonly limit: number;
  /** What ranks; ties by pageviews, then by name in UTF-8 byte order. */
  readonly by: 'pageviews' | 'visitors';
  /** Whether `others` are wanted: they may have to be looked for. */
  readonly withOthers?: boolean;
  readonly maxFresh?: number;
}

export interface TopRow extends Listed, Count {}

export interface Top {
  readonly rows: readonly TopRow[];
  /** The largest of the rows. */
  readonly limits: EdgeLimits;
  /** Of the domain in the range, listed or not. */
  readonly pageviews: number;
  /** How many more than the rows the range has. */
  readonly others: { readonly atLeast: number; readonly atMost: number };
  /** False where not all could be looked at: one that is not among the rows may have a higher rank. */
  readonly isRanked: boolean;
}

/** Of the realtime part, so many are told apart for one question; some 100 bytes each. */
const usualMaxFresh = 1_000_000;
/** Parts of the time until the deadline by which the realtime part has been read, the ranking ends, and counting others ends. */
const timeToRead = 0.7;
const timeToRank = 0.85;
const timeToCount = 0.3;
/** So many candidates of the batch view alone are looked at to count those that are not listed. */
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

interface Asking {
  readonly engine: Engine;
  readonly generation: PinnedGeneration;
  readonly question: TopQuestion;
  readonly pace: Pace;
  readonly identity: LiveIdentity;
  readonly tally: Tally;
}

/** What is to be ranked: `rank` is at most `pageviews`. */
interface Entry extends Listed {
  readonly rank: number;
  readonly people?: People;
}

type People = Count & EdgeLimits;

class Search {
  readonly #asking: Asking;
  readonly #best: Best;
  /** Pageviews of the domain in the range that no candidate looked at has. */
  #uncounted = 0;
  #isRanked = true;

  constructor(asking: Asking) {
    this.#asking = asking;
    this.#best = new Best(asking.question.limit);
  }

  async result(): Promise<Top> {
    const { listing, withOthers } = this.#asking.question;
    await this.#tallyUp({ kind: 'domain', domain: listing.domain }, 'pageviews');
    const { pageviews } = this.#asking.tally;
    this.#uncounted = pageviews;
    const candidates = pageviews === 0 ? undefined : await this.#candidates();
    if (candidates !== undefined) await this.#rank(candidates);
    const limits = { rewritten: 0, maxOvercount: 0, maxUndercount: 0 };
    const rows: TopRow[] = [];
    await this.#prefetch();
    for (const entry of this.#best.ranked()) {
      const { rewritten, maxOvercount, maxUndercount, ...count } =
        entry.people ?? (await this.#peopleOf(entry.name));
      rows.push({ name: entry.name, pageviews: entry.pageviews, ...count });
      limits.rewritten = Math.max(limits.rewritten, rewritten);
      limits.maxOvercount = Math.max(limits.maxOvercount, maxOvercount);
      limits.maxUndercount = Math.max(limits.maxUndercount, maxUndercount);
    }
    const others = withOthers === true && candidates !== undefined ? await this.#others(candidates) : none;
    return { rows, limits, pageviews, others, isRanked: this.#isRanked };
  }

  /** The people of those among the best that have not been looked at. */
  async #prefetch(): Promise<void> {
    const { generation, question } = this.#asking;
    const { from, to } = question.range;
    const open = this.#best.ranked().filter(({ people }) => people === undefined);
    const subjects = open.map(({ name }) => question.listing.subjectOf(name));
    await generation.realtime?.prefetch?.(subjects, from, to);
  }

  async #rank(candidates: Candidates): Promise<void> {
    const { question, pace } = this.#asking;
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

  /** Each of the others has a pageview that none of those looked at has. */
  async #others(candidates: Candidates): Promise<Top['others']> {
    const { pace } = this.#asking;
    for (let looks = 0; looks < looksToCount && !candidates.isDone && this.#uncounted > 0; looks++) {
      if (pace.due) await pace.rest();
      if (looks > 0 && pace.used > timeToCount) break;
      const next = candidates.peek();
      if (next === 'more') break;
      if (next === undefined) continue;
      if (next.fresh > 0) break; // so has every other one of the realtime part, and they are counted
      if (this.#count(next).pageviews > 0) this.#best.refused++;
      candidates.take();
    }
    const { freshLeft, oldLeft } = candidates;
    const atLeast = this.#best.refused + freshLeft;
    const unknown = this.#isRanked ? Math.min(oldLeft, this.#uncounted - freshLeft) : this.#uncounted;
    return { atLeast, atMost: atLeast + Math.max(0, unknown) };
  }

  async #candidates(): Promise<Candidates> {
    const { engine, generation, question, pace } = this.#asking;
    const batch = await engine.ranks.of(generation.batch, question.listing, pace);
    const { counts, isWhole } = await realtimeCounts(generation, question, pace);
    this.#isRanked = batch.isWhole && isWhole;
    return new Candidates(batch, counts);
  }

  /** Ranked as if everybody came once. */
  #count({ name, fresh }: Candidate): Entry {
    const { generation, question, tally } = this.#asking;
    tally.reset();
    tally.countBatch(generation.batch, question.listing.subjectOf(name), question.range);
    const pageviews = tally.pageviews + fresh;
    this.#uncounted -= pageviews;
    return atBest({ name, pageviews });
  }

  async #peopleOf(name: string): Promise<People> {
    const { question, tally, identity } = this.#asking;
    await this.#tallyUp(question.listing.subjectOf(name), 'uniques');
    return countOf(tally, identity);
  }

  /** Leaves in the tally one subject's facts of the range and nothing else. */
  #tallyUp(subject: Subject, what: 'pageviews' | 'uniques'): Promise<void> {
    const { generation, question, pace, tally } = this.#asking;
    tally.reset();
    return tally.add(generation, subject, question.range, what, pace);
  }
}

const none = { atLeast: 0, atMost: 0 };
const looksBetweenPauses = 256;

/** Pageviews in the realtime part of the range, by name; not of all names where there are too many, or time is short. */
async function realtimeCounts(
  { realtime }: PinnedGeneration,
  { listing, range, maxFresh = usualMaxFresh }: TopQuestion,
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
  /** Its realtime pageviews in the range. */
  readonly fresh: number;
}

/** Of those that have been seen lately, so many are put in order first; then four times as many, and so on. */
const firstPiece = 4_096;

/** Two lists, highest bound first, of those that have been seen lately and of all others. */
class Candidates {
  readonly #batch: Ranked;
  readonly #realtime: ReadonlyMap<string, number>;
  /** The next ones of the realtime part in order. */
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

  /** Those of the realtime part that are not taken. */
  get freshLeft(): number {
    return this.#realtime.size - this.#freshTaken;
  }

  /** At most so many more are in the batch view alone. */
  get oldLeft(): number {
    return this.#batch.ranked.length - this.#nextOld;
  }

  /**
   * The next one with its bound, the same until it is taken; 'more' when `readOn` has to be called first; undefined at the end, and now and
   * then before, so that whoever finds nothing can pause.
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

  /** Puts the next piece of the realtime part in order. Throws `deadline-exceeded`. */
  async readOn(pace: Pace): Promise<void> {
    const last = this.#piece.at(-1);
    const { pageviewsOf } = this.#batch;
    this.#pieceSize *= 4;
    const piece = new FirstOf(this.#pieceSize, compare);
    let looks = 0;
    for (const [name, pageviews] of this.#realtime) {
      const bound = { name, pageviews: pageviews + (pageviewsOf.get(name) ?? 0) };
      if ((last === undefined || compare(bound, last) > 0) && piece.offer(bound)) await piece.cut(pace);
      if (++looks % looksBetweenPauses === 0 && pace.due) await pace.rest();
    }
    this.#piece = await piece.sorted(pace);
    this.#nextFresh = 0;
  }
}

/** The best `limit` entries offered. */
class Best {
  /** How many with pageviews were offered and are not among them. */
  refused = 0;
  readonly #limit: number;
  readonly #entries: Entry[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether an entry would get in. */
  takes(entry: Entry): boolean {
    const last = this.#entries[this.#limit - 1];
    return entry.pageviews > 0 && (last === undefined || compareEntries(entry, last) < 0);
  }

  offer(entry: Entry): void {
    if (!this.takes(entry)) {
      if (entry.pageviews > 0) this.refused++;
      return;
    }
    const after = this.#entries.findIndex((other) => compareEntries(entry, other) < 0);
    this.#entries.splice(after < 0 ? this.#entries.length : after, 0, entry);
    if (this.#entries.length <= this.#limit) return;
    this.#entries.pop();
    this.refused++;
  }

  ranked(): readonly Entry[] {
    return this.#entries;
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
