/**
 * The oracle: what every view must say of a log, computed in the plainest way: arrays, Maps and Sets, everything from
 * the first fact on each time. It is the specification of the counting that the batch layer and the speed layer are both
 * held to, so it uses no code of either. Only the rules that turn one text into another (URL, domain, bot, those of the values of
 * dimensions in values.ts), and which texts an exclusion means, are shared.
 *
 *   ledger ──exclusions, which facts count──> views, edges ──who is one person──> personOf ──> buckets of each subject, visits
 *
 * A ledger holds valid facts only: a record that is not a fact of its topic counts nowhere and is not in it.
 */
import { Exclusions } from '../../facts/exclusions.js';
import { isEdge, isExclusion, type EquivEdge, type Exclusion, type Fact } from '../../facts/fact.js';
import type { Rules } from '../../facts/rules.js';
import type { Offsets, PartitionName } from '../../log/log.js';
import { domainOf } from '../../facts/url/domain.js';
import { isPlaceholder } from './placeholders.js';
import { valuesOf } from './values.js';

/** A place in the log. */
export interface LogPosition {
  readonly partition: PartitionName;
  readonly offset: number;
}

export interface Placed<F extends Fact = Fact> extends LogPosition {
  readonly fact: F;
}

export type PersonOf = (this: void, visitor: string) => string;

/** A pageview that counts. */
export interface CountedView extends LogPosition {
  readonly page: string;
  readonly domain: string;
  readonly visitor: string;
  readonly timestamp: number;
  /** By name of each dimension that is kept, where it has one. */
  readonly values: ReadonlyMap<string, string>;
}

export interface Bucket {
  pageviews: number;
  /** PersonIDs. */
  readonly people: Set<string>;
}

export interface Tally {
  /** Subject ('page https://…', 'domain example.com', 'value source example.com direct'), then bucket ('base 490000', 'day 20416', 'month 670'). */
  readonly subjects: ReadonlyMap<string, ReadonlyMap<string, Bucket>>;
  /** Domain, then base bucket. */
  readonly visits: ReadonlyMap<string, ReadonlyMap<number, Visits>>;
  /** Everybody with a pageview. */
  readonly people: ReadonlySet<string>;
  readonly pageviews: number;
}

export interface Visits {
  readonly visits: number;
  readonly bounces: number;
  readonly pageviews: number;
  readonly durationMs: number;
}

// ---- Which facts count

/** The facts before a cut. */
export function before<P extends LogPosition>(ledger: readonly P[], cut: Partial<Offsets>): P[] {
  return ledger.filter(({ partition, offset }) => offset < (cut[partition] ?? 0));
}

/** The facts from a cut on. */
export function since<P extends LogPosition>(ledger: readonly P[], cut: Partial<Offsets>): P[] {
  return ledger.filter(({ partition, offset }) => offset >= (cut[partition] ?? 0));
}

/** Why pageviews do not count. Each has one reason: the first in this order. */
export type Uncounted = Record<'refusedUrl' | 'bot' | 'excluded' | 'repeat', number>;

/**
 * How far the speed layer looks back for the first of a repeat: from the cut `from` on at most `size` offsets. It looks
 * for any earlier one, one that is a repeat itself included.
 */
export interface Window {
  readonly from: Partial<Offsets>;
  readonly size: number;
}

export interface CountingOptions {
  /** The facts whose exclusions are in force, of a generation those before its batch view's cut; by default the whole ledger. */
  readonly excluding?: readonly Placed[];
  readonly window?: Window;
  /** Pageviews before this time do not count, UTC ms. */
  readonly keptFrom?: number | undefined;
}

/**
 * The pageviews that count: of a visitor that is not a placeholder, not of known bots, with a URL that has a page, not excluded, and
 * not a repeat. A repeat is a pageview whose
 * partition, eventId, visitor and page an earlier one has that itself counts.
 */
export function countedViews(
  ledger: readonly Placed[],
  rules: Rules,
  { excluding = ledger, window, keptFrom = -Infinity }: CountingOptions = {},
): { readonly views: readonly CountedView[]; readonly uncounted: Uncounted } {
  const views: CountedView[] = [];
  const uncounted: Uncounted = { refusedUrl: 0, bot: 0, excluded: 0, repeat: 0 };
  const exclusions = new Exclusions(liveExclusions(excluding, rules), rules);
  const lastSeen = new Map<string, number>();
  for (const { partition, offset, fact } of ledger.toSorted(inLogOrder)) {
    if (fact.type !== 'pageview' || isPlaceholder(fact.visitor)) continue;
    const { visitor, timestamp, eventId } = fact;
    const page = rules.url.normalize(fact.url);
    if (!page.ok) {
      uncounted.refusedUrl++;
    } else if (rules.bots.excludes(fact.userAgent)) {
      uncounted.bot++;
    } else if (timestamp < keptFrom || exclusions.excludes({ ...fact, page: page.url })) {
      uncounted.excluded++;
    } else {
      const event = JSON.stringify([partition, eventId, visitor, page.url]);
      const earlier = lastSeen.get(event);
      lastSeen.set(event, offset);
      const isWithin = window === undefined || offset < (window.from[partition] ?? 0);
      if (earlier !== undefined && (isWithin || offset - earlier <= window.size)) uncounted.repeat++;
      else {
        const domain = domainOf(page.url);
        const values = valuesOf(fact, { page: page.url, domain }, rules.dimensions.kept);
        views.push({ partition, offset, page: page.url, domain, visitor, timestamp, values });
      }
    }
  }
  return { views, uncounted };
}

/**
 * The edges and retractions that count: no end is a placeholder or erased, not before `keptFrom` unless a pageview from then on has one of
 * the ends, and not a repeat, which is one whose eventId, type and unordered pair an earlier one (by partition, then offset) has.
 */
export function countedEdges(
  ledger: readonly Placed[],
  erased: (id: string) => boolean = () => false,
  keptFrom = -Infinity,
): Placed<EquivEdge>[] {
  const seen = new Set<string>();
  const visitors = new Set<string>();
  for (const { fact } of ledger)
    if (fact.type === 'pageview' && fact.timestamp >= keptFrom) visitors.add(fact.visitor);
  return ledger
    .toSorted(inLogOrder)
    .filter((placed): placed is Placed<EquivEdge> => isEdge(placed.fact))
    .filter(({ fact }) => !isPlaceholder(fact.a) && !isPlaceholder(fact.b))
    .filter(({ fact }) => !erased(fact.a) && !erased(fact.b))
    .filter(({ fact }) => fact.timestamp >= keptFrom || visitors.has(fact.a) || visitors.has(fact.b))
    .filter(({ fact }) => {
      const event = JSON.stringify([fact.eventId, fact.type, pairOf(fact)]);
      if (seen.has(event)) return false;
      seen.add(event);
      return true;
    });
}

/** What of the rules tells an erased id; without it there must be no erasure. */
export type ErasureRules = Pick<Rules, 'erasures'>;

/** Which ids are erased: those whose hash an exclusion by `erased` has, which is never taken back. */
export function isErased(
  ledger: readonly Placed[],
  rules: ErasureRules | undefined,
): (id: string) => boolean {
  const hashes = new Set<string>();
  for (const { fact } of ledger) if (fact.type === 'exclude' && fact.by === 'erased') hashes.add(fact.value);
  if (hashes.size === 0) return () => false;
  if (rules === undefined) throw new TypeError('there are erasures, but no rules that tell erased ids');
  return (id) => hashes.has(rules.erasures.valueOf(id));
}

/**
 * The exclusions in force: of all facts that say the same the latest wins, by (timestamp, partition, offset). One that names an erased
 * id says nothing.
 */
export function liveExclusions(ledger: readonly Placed[], rules?: ErasureRules): Exclusion[] {
  const erased = isErased(ledger, rules);
  const latest = new Map<string, Exclusion>();
  const inOrder = ledger
    .filter((placed): placed is Placed<Exclusion> => isExclusion(placed.fact))
    .toSorted((x, y) => x.fact.timestamp - y.fact.timestamp || inLogOrder(x, y));
  for (const { fact } of inOrder) latest.set(JSON.stringify([fact.by, fact.value, fact.from, fact.to]), fact);
  return [...latest.values()].filter(
    ({ type, by, value }) => type === 'exclude' && !(by === 'visitor' && erased(value)),
  );
}

function inLogOrder(a: LogPosition, b: LogPosition): number {
  return numberOf(a.partition) - numberOf(b.partition) || a.offset - b.offset;
}

function numberOf(partition: PartitionName): number {
  return Number(partition.slice(partition.indexOf('/') + 1));
}

// ---- Who is one person

export type Pair = readonly [string, string];

/** The pairs that edges join: of all counting facts on a pair the latest wins, by (timestamp, partition, offset). */
export function livePairs(ledger: readonly Placed[], rules?: ErasureRules, keptFrom?: number): Pair[] {
  const latest = new Map<string, EquivEdge>();
  const inOrder = countedEdges(ledger, isErased(ledger, rules), keptFrom).toSorted(
    (x, y) => x.fact.timestamp - y.fact.timestamp || inLogOrder(x, y),
  );
  for (const { fact } of inOrder) latest.set(JSON.stringify(pairOf(fact)), fact);
  return [...latest.values()].filter((fact) => fact.type === 'equiv').map(pairOf);
}

function pairOf({ a, b }: EquivEdge): Pair {
  return compareBytes(a, b) <= 0 ? [a, b] : [b, a];
}

/**
 * The PersonID of every joined id, the least of its component in UTF-8 byte order: each pair gives both ends the lesser
 * of their PersonIDs, again and again until nothing changes.
 */
export function joined(pairs: readonly Pair[]): Map<string, string> {
  const persons = new Map(pairs.flat().map((id) => [id, id]));
  for (let changed = true; changed;) {
    changed = false;
    for (const [a, b] of pairs) {
      const [x = a, y = b] = [persons.get(a), persons.get(b)];
      if (x === y) continue;
      const least = compareBytes(x, y) < 0 ? x : y;
      persons.set(a, least).set(b, least);
      changed = true;
    }
  }
  return persons;
}

/** The mapping that a batch run over the ledger makes. */
export function personsOf(ledger: readonly Placed[], rules?: ErasureRules, keptFrom?: number): PersonOf {
  const persons = joined(livePairs(ledger, rules, keptFrom));
  return (visitor) => persons.get(visitor) ?? visitor;
}

/**
 * The mapping that answers at a cut are made by: that of the batch run, and joined to it the ends of every edge after the run's cut.
 * Retractions after it wait for the next run.
 */
export function livePersonsOf(
  ledger: readonly Placed[],
  batchCut: Partial<Offsets>,
  cut: Partial<Offsets>,
  rules?: ErasureRules,
): PersonOf {
  const covered = before(ledger, batchCut);
  const waiting = countedEdges(since(before(ledger, cut), batchCut), isErased(covered, rules)).filter(
    ({ fact }) => fact.type === 'equiv',
  );
  const persons = joined([...livePairs(covered, rules), ...waiting.map(({ fact }) => pairOf(fact))]);
  return (visitor) => persons.get(visitor) ?? visitor;
}

/** UTF-8 byte order. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

// ---- What is counted

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** A visit ends when so long nothing is viewed. */
const visitGapMs = 30 * minuteMs;

/** A line for each kind of subject. */
function subjectsOf({ page, domain, values }: CountedView): string[] {
  const ofValues = [...values].map(([dimension, value]) => `value ${dimension} ${domain} ${value}`);
  return [`page ${page}`, `domain ${domain}`, ...ofValues];
}

function bucketsOf(timestamp: number, baseMs: number): string[] {
  const date = new Date(timestamp);
  const month = (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
  return [`base ${Math.floor(timestamp / baseMs)}`, `day ${Math.floor(timestamp / dayMs)}`, `month ${month}`];
}

/** Counts views under a mapping, in base buckets of so many minutes. */
export function tallyOf(views: readonly CountedView[], personOf: PersonOf, bucketMinutes = 60): Tally {
  const baseMs = bucketMinutes * minuteMs;
  const subjects = new Map<string, Map<string, Bucket>>();
  const streams = new Map<string, { readonly domain: string; readonly times: number[] }>();
  for (const view of views) {
    const person = personOf(view.visitor);
    for (const subject of subjectsOf(view)) {
      const buckets = getOrAdd(subjects, subject, () => new Map<string, Bucket>());
      for (const name of bucketsOf(view.timestamp, baseMs)) {
        const bucket = getOrAdd(buckets, name, () => ({ pageviews: 0, people: new Set() }));
        bucket.pageviews++;
        bucket.people.add(person);
      }
    }
    const { domain } = view;
    getOrAdd(streams, JSON.stringify([domain, person]), () => ({ domain, times: [] })).times.push(
      view.timestamp,
    );
  }
  const visits = new Map<string, Map<number, Visits>>();
  for (const { domain, times } of streams.values()) {
    const bases = getOrAdd(visits, domain, () => new Map<number, Visits>());
    for (const visit of visitsOf(times)) {
      const base = Math.floor((visit[0] ?? 0) / baseMs);
      const known = bases.get(base) ?? { visits: 0, bounces: 0, pageviews: 0, durationMs: 0 };
      bases.set(base, {
        visits: known.visits + 1,
        bounces: known.bounces + (visit.length === 1 ? 1 : 0),
        pageviews: known.pageviews + visit.length,
        durationMs: known.durationMs + (visit.at(-1) ?? 0) - (visit[0] ?? 0),
      });
    }
  }
  const people = new Set(views.map(({ visitor }) => personOf(visitor)));
  return { subjects, visits, people, pageviews: views.length };
}

/**
 * The times of one person's views, visit by visit. A visit counts in the base bucket it began in, with all of its views and the time
 * between the first and the last of them; a bounce has one view.
 */
export function visitsOf(times: readonly number[]): number[][] {
  const visits: number[][] = [];
  for (const time of times.toSorted((a, b) => a - b)) {
    const visit = visits.at(-1);
    if (visit !== undefined && time - (visit.at(-1) ?? 0) < visitGapMs) visit.push(time);
    else visits.push([time]);
  }
  return visits;
}

/** A subject over the base buckets [from, to). */
export function over(tally: Tally, subject: string, from: number, to: number): Bucket {
  const sum: Bucket = { pageviews: 0, people: new Set() };
  for (const [name, { pageviews, people }] of tally.subjects.get(subject) ?? []) {
    const [span, number] = name.split(' ');
    if (span !== 'base' || Number(number) < from || Number(number) >= to) continue;
    sum.pageviews += pageviews;
    for (const person of people) sum.people.add(person);
  }
  return sum;
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
