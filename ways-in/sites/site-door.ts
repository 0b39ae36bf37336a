/**
 * Request -> site -> visitor -> facts: the one way of everything that browsers send, whatever the wire format. A format reads a request into `SiteEvent`s
 * and finds its site (`Sites`); here the page must be the site's, the rate is bounded, the visitor is made, and users are proven.
 * What leaves are facts for the intake. A browser key is public: what is taken here is no more than any visitor could do by hand.
 */
import { hash } from 'node:crypto';
import type { Warning } from '../../facts/door.js';
import { timeOf, timeProblem } from '../../facts/timestamps.js';
import type { Candidate, Intake, IntakeAnswer } from '../../ingest/intake.js';
import { show } from '../../lib/errors/show.js';
import { RateLimit } from '../../lib/http/limits.js';
import { HttpProblem } from '../../lib/http/problem.js';
import type { Clock } from '../../lib/time/clock.js';
import type { Client } from './client.js';
import type { Salts } from './salts.js';
import type { Site, Sites } from './site.js';
import { browserVisitor, dayVisitor, isProof, userVisitor } from './visitors.js';

/** What a page says. Every field is the client's: unknown until it is looked at here or at the door. */
export interface SiteEvent {
  readonly type: 'pageview' | 'identify';
  readonly url?: unknown;
  readonly referrer?: unknown;
  /** When it happened, by the clock of the system; without it: now. */
  readonly timestamp?: unknown;
  readonly eventId?: unknown;
  /** The random id of a first-party site. */
  readonly visitor?: unknown;
  readonly user?: unknown;
  readonly proof?: unknown;
  readonly warnings?: readonly Warning[];
}

/** Events of pages lie at most so far back: what a phone sends that was offline over a holiday. */
const maxAgeMs = 7 * 86_400_000;
/** Longest user id in UTF-16 units; the door's own limit is on the whole visitor id. */
const maxUserLength = 200;
/** What one address may send of a site's events a minute: a tenth, so that one client cannot shut out the others. */
const addressShare = 10;

export interface SiteCounts {
  accepted: number;
  rejected: number;
  /** Requests of pages of other sites, and beyond the limit. */
  refused: number;
  /** Users that were not proven. */
  unproven: number;
}

export interface SiteDoorDeps {
  readonly sites: Sites;
  readonly salts: Salts;
  readonly intake: Pick<Intake, 'take'>;
  readonly clock: Clock;
}

export class SiteDoor {
  readonly #deps: SiteDoorDeps;
  readonly #rates: ReadonlyMap<Site, { readonly all: RateLimit; readonly each: RateLimit }>;
  readonly #counts: ReadonlyMap<Site, SiteCounts>;

  constructor(deps: SiteDoorDeps) {
    this.#deps = deps;
    const { sites, clock } = deps;
    this.#rates = new Map(
      sites.all.map((site) => [
        site,
        {
          all: new RateLimit(site.eventsPerMinute, clock),
          each: new RateLimit(Math.ceil(site.eventsPerMinute / addressShare), clock),
        },
      ]),
    );
    this.#counts = new Map(
      sites.all.map((site) => [site, { accepted: 0, rejected: 0, refused: 0, unproven: 0 }]),
    );
  }

  /** By site, since the start. */
  get counts(): Readonly<Record<string, SiteCounts>> {
    return Object.fromEntries([...this.#counts].map(([{ name }, counts]) => [name, counts]));
  }

  /**
   * Takes the events of one request to a site; durable when it returns. Throws `foreign-origin` for a page that is not the site's,
   * `too-many-requests`, and what the intake throws. What is wrong with a single event is in the answer.
   */
  async take(site: Site, client: Client, events: readonly (SiteEvent | Refusal)[]): Promise<IntakeAnswer> {
    const counts = this.#counts.get(site);
    try {
      this.#checkOrigin(site, client);
      const rates = this.#rates.get(site);
      rates?.each.count(client.address, events.length);
      rates?.all.count('', events.length);
    } catch (error) {
      if (counts !== undefined) counts.refused++;
      throw error;
    }
    const candidates = events.map((event) =>
      'kind' in event ? event : this.#candidateOf(site, client, event),
    );
    const answer = await this.#deps.intake.take(candidates, { userAgent: client.userAgent });
    if (counts !== undefined) {
      counts.accepted += answer.accepted;
      counts.rejected += answer.rejected.length;
    }
    return answer;
  }

  /** The fact of an event, or why it makes none. */
  #candidateOf(site: Site, client: Client, event: SiteEvent): Candidate {
    const refusal = timeRefusal(event.timestamp, client.receivedAt) ?? idRefusal(event);
    if (refusal !== undefined) return refusal;
    const unproven = userRefusal(site, event);
    const counts = this.#counts.get(site);
    if (unproven !== undefined && counts !== undefined) counts.unproven++;
    if (event.type === 'identify') return unproven ?? this.#identify(site, client, event);
    return this.#pageview(site, client, unproven === undefined ? event : withoutUser(event, unproven));
  }

  #pageview(site: Site, client: Client, event: SiteEvent): Candidate {
    const { url, referrer, timestamp, eventId, user, visitor } = event;
    if (typeof url === 'string' && !this.#deps.sites.isOf(site, url) && /^https?:/i.test(url))
      return refused('url', `is not a page of site '${site.name}': ${show(url)}`);
    const at = timestamp === undefined ? client.receivedAt : timeOf(timestamp);
    const own = ownVisitor(site, visitor);
    const who =
      own ??
      (typeof user === 'string' ? userVisitor(site, user) : dayVisitor(site, client, at, this.#deps.salts));
    const value: Record<string, unknown> = { type: 'pageview', visitor: who, url, timestamp: at };
    if (referrer !== undefined) value['referrer'] = referrer;
    if (eventId !== undefined) value['eventId'] = eventId;
    if (client.country !== undefined) value['country'] = client.country;
    return { kind: 'fact', value, warnings: warningsOf(site, event) };
  }

  #identify(site: Site, client: Client, event: SiteEvent): Candidate {
    const { user, visitor, timestamp } = event;
    if (typeof user !== 'string') return refused('user', 'is missing');
    if (site.visitors === 'cookieless') {
      const message = `identify makes no edge on the cookieless site '${site.name}': send user and proof with its pageviews`;
      return { kind: 'passed', warnings: [{ field: 'type', message }] };
    }
    const own = ownVisitor(site, visitor);
    if (own === undefined) return refused('visitor', 'is missing: identify joins it with the user');
    const value = {
      type: 'equiv',
      a: own,
      b: userVisitor(site, user),
      timestamp: timestamp === undefined ? client.receivedAt : timeOf(timestamp),
      // One edge, one id: what is sent again, by whom ever, adds nothing, not even after the edge was taken back.
      eventId: `identify:${hash('sha256', `${site.name}\n${own}\n${user}`, 'hex').slice(0, 32)}`,
      source: `site:${site.name}`,
    };
    return { kind: 'fact', value, warnings: warningsOf(site, event) };
  }

  #checkOrigin(site: Site, { origin }: Client): void {
    if (origin !== undefined && this.#deps.sites.isOf(site, origin)) return;
    const what =
      origin === undefined ? 'the request names no page' : `${show(origin)} is not one of its pages`;
    throw new HttpProblem('foreign-origin', `the key is that of site '${site.name}', and ${what}`, {
      parameter: 'Origin',
    });
  }
}

/** An event that a format could not read. */
export type Refusal = Candidate & { readonly kind: 'refused' };

export function refused(field: string, reason: string): Refusal {
  return { kind: 'refused', field, reason: `${field} ${reason}` };
}

function timeRefusal(timestamp: unknown, receivedAt: number): Refusal | undefined {
  if (timestamp === undefined) return undefined;
  const problem = timeProblem(timestamp, receivedAt);
  if (problem !== undefined) return refused('timestamp', problem);
  if (receivedAt - timeOf(timestamp) <= maxAgeMs) return undefined;
  return refused('timestamp', `is more than 7 days ago, which a page may not send: ${show(timestamp)}`);
}

/** A pageview is one also of someone who is not the user it names. */
function withoutUser({ user: _user, warnings = [], ...event }: SiteEvent, why: Refusal): SiteEvent {
  const { field, reason } = why;
  return { ...event, warnings: [...warnings, { field, message: `${reason}; counted without the user` }] };
}

/** A user id that is given must be one, and proven where the site wants that. */
function userRefusal(site: Site, { user, proof }: SiteEvent): Refusal | undefined {
  if (user === undefined) return undefined;
  if (typeof user !== 'string' || user === '') return refused('user', `must be a text, got ${show(user)}`);
  if (user.length > maxUserLength) return refused('user', `is longer than ${maxUserLength} characters`);
  if (!site.requireProof) return undefined;
  if (site.secret === undefined)
    return refused('user', `cannot be proven: site '${site.name}' has no secret in SWA_SITES`);
  if (proof === undefined)
    return refused('proof', "is missing: it is HMAC-SHA256 of the user id by the site's secret");
  if (typeof proof === 'string' && isProof(site.secret, user, proof)) return undefined;
  return refused('proof', `does not prove the user id ${show(user)}`);
}

function idRefusal({ visitor }: SiteEvent): Refusal | undefined {
  if (visitor === undefined || (typeof visitor === 'string' && browserVisitor(visitor) !== undefined))
    return undefined;
  return refused('visitor', `must be 16 to 64 letters, digits, dashes or underscores, got ${show(visitor)}`);
}

/** The random id of the page, which only a first-party site goes by. */
function ownVisitor(site: Site, visitor: unknown): string | undefined {
  return site.visitors === 'first-party' && typeof visitor === 'string' ? browserVisitor(visitor) : undefined;
}

function warningsOf(site: Site, { visitor, warnings = [] }: SiteEvent): readonly Warning[] {
  if (site.visitors === 'first-party' || visitor === undefined) return warnings;
  const message = `visitor was not used: site '${site.name}' is cookieless`;
  return [...warnings, { field: 'visitor', message }];
}
