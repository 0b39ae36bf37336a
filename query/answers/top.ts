/**
 * The top of a listing in a range, exactly. Pageviews in a range are at most those of the whole batch view plus the realtime
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
import { sortPaced } from '../engine/paced-sort.js';
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
  /** Whether `more` is wanted: it may have to be looked for. */
  readonly withMore?: boolean;
}

export interface TopRow extends Listed, Count {}

export interface Top {
  readonly rows: readonly TopRow[];
  /** The largest of the rows. */
  readonly limits: EdgeLimits;
  /** Of the domain in the range, listed or not. */
  readonly pageviews: number;
  /** Whether the range has more than the rows. */
  readonly more: boolean;
}

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

  constructor(asking: Asking) {
    this.#asking = asking;
    this.#best = new Best(asking.question.limit);
  }

  async result(): Promise<Top> {
    const { listing, withMore } = this.#asking.question;
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
    const more = withMore === true && candidates !== undefined && (await this.#more(candidates));
    return { rows, limits, pageviews, more };
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
      if (next === undefined) continue;
      if (!best.takes(atBest(next)) || !best.takes(atBest({ name: '', pageviews: this.#uncounted }))) return;
      candidates.take();
      const entry = this.#count(next);
      if (question.by === 'visitors' && best.takes(entry)) {
        const people = await this.#peopleOf(next.name);
        best.offer({ ...entry, rank: people.visitors, people });
      } else best.offer(entry);
    }
  }

  /** Whether a candidate that was looked at is not among the best, or another one has pageviews in the range. */
  async #more(candidates: Candidates): Promise<boolean> {
    const { pace } = this.#asking;
    if (this.#best.refused) return true;
    while (!candidates.isDone && this.#uncounted > 0) {
      if (pace.due) await pace.rest();
      const next = candidates.peek();
      if (next === undefined) continue;
      if (next.fresh > 0 || this.#count(next).pageviews > 0) return true;
      candidates.take();
    }
    return false;
  }

  async #candidates(): Promise<Candidates> {
    const { engine, generation, question, pace } = this.#asking;
    const batch = await engine.ranks.of(generation.batch, question.listing, pace);
    const realtime = await realtimeCounts(generation, question, pace);
    return new Candidates(batch, realtime, await highestFirst(realtime, batch, pace));
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

const looksBetweenPauses = 256;

/** Pageviews in the realtime part of the range, by name. */
async function realtimeCounts(
  { realtime }: PinnedGeneration,
  { listing, range }: TopQuestion,
  pace: Pace,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  if (realtime === undefined) return counts;
  for await (const block of listing.ofRealtime(realtime, range)) {
    for (const { name, pageviews } of block) counts.set(name, (counts.get(name) ?? 0) + pageviews);
    if (pace.due) await pace.rest();
  }
  return counts;
}

/** Those of the realtime part with the pageviews they may have at most in the range, highest first. */
async function highestFirst(
  realtime: ReadonlyMap<string, number>,
  batch: Ranked,
  pace: Pace,
): Promise<readonly Listed[]> {
  const bounds: Listed[] = [];
  for (const [name, pageviews] of realtime) {
    bounds.push({ name, pageviews: pageviews + (batch.pageviewsOf.get(name) ?? 0) });
    if (bounds.length % looksBetweenPauses === 0 && pace.due) await pace.rest();
  }
  return sortPaced(bounds, compare, pace);
}

interface Candidate extends Listed {
  /** Its realtime pageviews in the range. */
  readonly fresh: number;
}

/** Two lists, highest bound first, of those that have been seen lately and of all others. */
class Candidates {
  readonly #batch: Ranked;
  readonly #realtime: ReadonlyMap<string, number>;
  readonly #fresh: readonly Listed[];
  #nextOld = 0;
  #nextFresh = 0;
  #isFresh = false;

  constructor(batch: Ranked, realtime: ReadonlyMap<string, number>, fresh: readonly Listed[]) {
    this.#batch = batch;
    this.#realtime = realtime;
    this.#fresh = fresh;
  }

  get isDone(): boolean {
    return this.#nextOld >= this.#batch.ranked.length && this.#nextFresh >= this.#fresh.length;
  }

  /**
   * The next one with its bound, the same until it is taken; undefined at the end, and now and then before, so that whoever
   * finds nothing can pause.
   */
  peek(): Candidate | undefined {
    const { ranked } = this.#batch;
    let old = ranked[this.#nextOld];
    for (let i = 0; old !== undefined && this.#realtime.has(old.name); i++) {
      if (i === looksBetweenPauses) return undefined;
      old = ranked[++this.#nextOld];
    }
    const fresh = this.#fresh[this.#nextFresh];
    this.#isFresh = fresh !== undefined && (old === undefined || compare(fresh, old) < 0);
    const next = this.#isFresh ? fresh : old;
    return next === undefined ? undefined : { ...next, fresh: this.#realtime.get(next.name) ?? 0 };
  }

  take(): void {
    if (this.#isFresh) this.#nextFresh++;
    else this.#nextOld++;
  }
}

/** The best `limit` entries offered. */
class Best {
  /** Whether one with pageviews was offered and is not among them. */
  refused = false;
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
      if (entry.pageviews > 0) this.refused = true;
      return;
    }
    const after = this.#entries.findIndex((other) => compareEntries(entry, other) < 0);
    this.#entries.splice(after < 0 ? this.#entries.length : after, 0, entry);
    if (this.#entries.length <= this.#limit) return;
    this.#entries.pop();
    this.refused = true;
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
