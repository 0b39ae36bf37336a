/** What a batch view must hold, computed in the plainest way from the facts in memory: Maps, Sets and a search. */
import { makeRules } from '../../lib/facts/rules.js';
import { compareUtf8, type EquivEdge, type Fact, type Pageview } from '../../lib/facts/fact.js';
import { bucketOf, hourMs, hourOf, spans, type Span } from '../../lib/time/buckets.js';
import { domainOf } from '../../lib/url/domain.js';

export interface OracleBucket {
  pageviews: number;
  readonly people: Set<string>;
}

export interface Oracle {
  /** `${span} ${bucket}` by page URL, and by domain. */
  readonly pages: Map<string, Map<string, OracleBucket>>;
  readonly domains: Map<string, Map<string, OracleBucket>>;
  /** Domain, then hour. */
  readonly visits: Map<string, Map<number, { visits: number; bounces: number }>>;
  /** Ids that edges join, with their PersonID. */
  readonly persons: Map<string, string>;
  readonly pageviews: number;
}

/** `facts` in the order of their offsets, all in one partition per topic. */
export function oracleOf(facts: readonly Fact[], bots: 'exclude' | 'include' = 'exclude'): Oracle {
  const rules = makeRules({ queryAllow: [], bots });
  const persons = personsOf(facts.filter((fact): fact is EquivEdge => fact.type !== 'pageview'));
  const oracle: Oracle = { pages: new Map(), domains: new Map(), visits: new Map(), persons, pageviews: 0 };
  const seen = new Set<string>();
  const streams = new Map<string, { domain: string; times: number[] }>();
  let pageviews = 0;
  for (const fact of facts) {
    if (fact.type !== 'pageview' || seen.has(fact.eventId)) continue;
    seen.add(fact.eventId);
    const page = rules.url.normalize(fact.url);
    if (!page.ok || rules.bots.excludes(fact.userAgent)) continue;
    const person = persons.get(fact.visitor) ?? fact.visitor;
    const domain = domainOf(page.url);
    pageviews++;
    for (const span of spans) {
      count(oracle.pages, page.url, span, fact, person);
      count(oracle.domains, domain, span, fact, person);
    }
    const stream = JSON.stringify([domain, person]);
    if (!streams.has(stream)) streams.set(stream, { domain, times: [] });
    streams.get(stream)?.times.push(fact.timestamp);
  }
  for (const { domain, times } of streams.values()) countVisits(oracle.visits, domain, times);
  return { ...oracle, pageviews };
}

function count(buckets: Oracle['pages'], subject: string, span: Span, fact: Pageview, person: string): void {
  const ofSubject = buckets.get(subject) ?? new Map<string, OracleBucket>();
  buckets.set(subject, ofSubject);
  const key = `${span} ${bucketOf(span, hourOf(fact.timestamp))}`;
  const bucket = ofSubject.get(key) ?? { pageviews: 0, people: new Set<string>() };
  ofSubject.set(key, bucket);
  bucket.pageviews++;
  bucket.people.add(person);
}

function countVisits(visits: Oracle['visits'], domain: string, times: readonly number[]): void {
  const hours = visits.get(domain) ?? new Map<number, { visits: number; bounces: number }>();
  visits.set(domain, hours);
  let views: number[] = [];
  const end = (): void => {
    const hour = Math.floor((views[0] ?? 0) / hourMs);
    const cell = hours.get(hour) ?? { visits: 0, bounces: 0 };
    hours.set(hour, { visits: cell.visits + 1, bounces: cell.bounces + (views.length === 1 ? 1 : 0) });
  };
  for (const time of times.toSorted((a, b) => a - b)) {
    if (views.length > 0 && time - (views.at(-1) ?? 0) >= 30 * 60_000) {
      end();
      views = [];
    }
    views.push(time);
  }
  end();
}

/** Breadth-first search over the edges that live: of all facts on a pair the latest wins. */
export function personsOf(edges: readonly EquivEdge[]): Map<string, string> {
  const seen = new Set<string>();
  const last = new Map<string, { edge: EquivEdge; pair: [string, string] }>();
  for (const edge of edges) {
    if (seen.has(edge.eventId)) continue;
    seen.add(edge.eventId);
    const pair: [string, string] = compareUtf8(edge.a, edge.b) < 0 ? [edge.a, edge.b] : [edge.b, edge.a];
    const key = JSON.stringify(pair);
    const known = last.get(key);
    if (known === undefined || edge.timestamp >= known.edge.timestamp) last.set(key, { edge, pair });
  }
  const neighbours = new Map<string, string[]>();
  for (const { edge, pair } of last.values()) {
    if (edge.type === 'retract') continue;
    for (const [from, to] of [pair, pair.toReversed()]) {
      neighbours.set(from ?? '', [...(neighbours.get(from ?? '') ?? []), to ?? '']);
    }
  }
  const persons = new Map<string, string>();
  for (const start of neighbours.keys()) {
    if (persons.has(start)) continue;
    const component = [start];
    const found = new Set(component);
    for (const id of component) {
      for (const next of neighbours.get(id) ?? []) {
        if (!found.has(next)) component.push(next);
        found.add(next);
      }
    }
    const least = component.toSorted(compareUtf8)[0] ?? start;
    for (const id of component) persons.set(id, least);
  }
  return persons;
}
