/** Short ways to write facts in tests. */
import type { EquivEdge, Fact, Pageview } from '../../facts/fact.js';
import { encodeRecord } from '../../facts/record.js';
import { makeRules } from '../../facts/rules.js';
import type { NewRecord } from '../../log/log.js';

export const rules = makeRules({ urlQueryAllow: [], bots: 'exclude' });
export const hour0 = 490_000;
export const time0 = hour0 * 3_600_000;

let events = 0;

export function pageview(visitor: string, url: string, change: Partial<Pageview> = {}): Pageview {
  events++;
  return {
    type: 'pageview',
    visitor,
    url,
    timestamp: time0,
    eventId: `event-${events}`,
    receivedAt: time0,
    ...change,
  };
}

export function equiv(a: string, b: string, change: Partial<EquivEdge> = {}): EquivEdge {
  events++;
  return { type: 'equiv', a, b, timestamp: time0, eventId: `event-${events}`, receivedAt: time0, ...change };
}

export function recordsOf(facts: readonly Fact[]): NewRecord[] {
  return facts.map((fact) => encodeRecord(fact, rules.url));
}
