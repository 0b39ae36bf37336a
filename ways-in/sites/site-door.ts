/**
 * Request -> site -> visitor -> facts: everything that browsers send passes here, whatever the wire format. A format reads a request into `SiteEvent`s
 * and finds the site (`Sites`). The door checks that the page belongs to the site, limits the rate, makes the visitor id, checks the proof of a user,
 * and passes facts to the intake. A browser key is public, so the door accepts nothing that any visitor could not do by hand.
 */
import { hash } from 'node:crypto';
import type { Warning } from '../../facts/door.js';
import { timeOf } from '../../facts/timestamps.js';
import { countByName, type Candidate, type Intake, type IntakeAnswer } from '../../ingest/intake.js';
import { show } from '../../lib/errors/show.js';
import { RateLimit } from '../../lib/http/limits.js';
import { HttpProblem } from '../../lib/http/problem.js';
import type { Clock } from '../../lib/time/clock.js';
import { canonicalAddress } from '../logs/fields/address.js';
import type { Client } from './client.js';
import { EdgeMemory } from './edge-memory.js';
import { dayOf, type Salts } from './salts.js';
import {
  idRefusal,
  isImplied,
  noFact,
  refused,
  timeRefusal,
  userRefusal,
  withoutUser,
  type Ignored,
  type Refusal,
  type SiteEvent,
} from './site-event.js';
import type { Site, Sites } from './site.js';
import { browserVisitor, dayVisitor, userVisitor, type Visit } from './visitors.js';

/** One address may send a tenth of a site's events per minute, so that one client cannot lock out the others. */
const addressShare = 10;

export interface SiteCounts {
  accepted: number;
  rejected: number;
  /** Requests from pages of other sites, or above the rate limit. */
  refused: number;
  /** Events whose user was not proven. */
  unproven: number;
  /** Events of other trackers that are neither pageview nor identify, by tracker and name. */
  readonly ignored: Readonly<Record<string, number>>;
}

interface Tally extends Omit<SiteCounts, 'ignored'> {
  readonly ignoredByName: Map<string, number>;
}

/** Maximum length of names in `ignored`, which pages choose. */
const maxNameLength = 64;

export interface SiteDoorDeps {
  readonly sites: Sites;
  readonly salts: Salts;
  readonly intake: Pick<Intake, 'take'>;
  readonly clock: Clock;
}

export class SiteDoor {
  readonly #deps: SiteDoorDeps;
  readonly #rates: ReadonlyMap<Site, { readonly all: RateLimit; readonly each: RateLimit }>;
  readonly #tallies: ReadonlyMap<Site, Tally>;
  readonly #edges = new EdgeMemory();

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
    this.#tallies = new Map(
      sites.all.map((site) => [
        site,
        { accepted: 0, rejected: 0, refused: 0, unproven: 0, ignoredByName: new Map<string, number>() },
      ]),
    );
  }

  /** Counts by site name since the start. */
  get counts(): Readonly<Record<string, SiteCounts>> {
    return Object.fromEntries(
      [...this.#tallies].map(([{ name }, { ignoredByName, ...numbers }]) => [
        name,
        { ...numbers, ignored: Object.fromEntries(ignoredByName) },
      ]),
    );
  }

  /**
   * Takes the events of one request to a site; accepted ones are durable on return. Throws `foreign-origin` for a page that does not belong
   * to the site, `too-many-requests`, and the errors of the intake. The answer names rejected events by index.
   */
  async take(
    site: Site,
    client: Client,
    events: readonly (SiteEvent | Refusal | Ignored)[],
  ): Promise<IntakeAnswer> {
    const tally = this.#tallies.get(site);
    try {
      this.#checkOrigin(site, client);
      this.#checkRate(site, client, events.filter((event) => !isImplied(event)).length);
    } catch (error) {
      if (tally !== undefined) tally.refused++;
      throw error;
    }
    const all = events.map((event) => this.#candidateOf(site, client, event));
    const candidates = this.#edges.withoutKnown(events, all);
    const answer = await this.#deps.intake.take(candidates, {});
    this.#edges.remember(candidates, answer);
    if (tally !== undefined) {
      tally.accepted += answer.accepted;
      tally.rejected += answer.rejected.length;
    }
    return answer;
  }

  /** The fact of an event, or why there is none. */
  #candidateOf(site: Site, client: Client, event: SiteEvent | Refusal | Ignored): Candidate {
    if ('kind' in event) return event.kind === 'ignored' ? this.#ignore(site, event) : event;
    const visit = isServer(client) ? visitFrom(event) : client;
    if ('kind' in visit) return visit;
    const refusal = timeRefusal(event, client.receivedAt) ?? idRefusal(event);
    const unproven = userRefusal(site, event);
    if (isImplied(event) && (site.visitors === 'cookieless' || (refusal ?? unproven) !== undefined))
      return noFact;
    if (refusal !== undefined) return refusal;
    const tally = this.#tallies.get(site);
    if (unproven !== undefined && tally !== undefined) tally.unproven++;
    if (event.type === 'identify') return unproven ?? this.#identify(site, client, visit, event);
    const shown = unproven === undefined ? event : withoutUser(event, unproven);
    return this.#pageview(site, client, visit, shown);
  }

  #pageview(site: Site, client: Client, visit: Visit, event: SiteEvent): Candidate {
    const { url, referrer, timestamp, eventId, user, visitor } = event;
    if (typeof url === 'string' && !this.#deps.sites.isOf(site, url) && /^https?:/i.test(url))
      return refused('url', `is not a page of site '${site.name}': ${show(url)}`);
    const at = timestamp === undefined ? client.receivedAt : timeOf(timestamp);
    const own = ownVisitor(site, visitor);
    const who =
      own ??
      (typeof user === 'string' ? userVisitor(site, user) : dayVisitor(site, visit, at, this.#deps.salts));
    if (who === undefined)
      return refused('visitor', 'is missing: a server must name the visitor, by id or by address');
    const value: Record<string, unknown> = { type: 'pageview', visitor: who, url, timestamp: at };
    if (referrer !== undefined) value['referrer'] = referrer;
    if (eventId !== undefined) value['eventId'] = eventId;
    if (visit.country !== undefined) value['country'] = visit.country;
    if (visit.userAgent !== undefined) value['userAgent'] = visit.userAgent;
    return { kind: 'fact', value, warnings: warningsOf(site, event) };
  }

  #identify(site: Site, client: Client, visit: Visit, event: SiteEvent): Candidate {
    const { user, visitor, timestamp, joinsDay } = event;
    if (typeof user !== 'string') return refused('user', 'is missing');
    if (site.visitors === 'cookieless') {
      const message = `identify makes no edge on the cookieless site '${site.name}': send user and proof with its pageviews`;
      return { kind: 'passed', warnings: [{ field: 'type', message }] };
    }
    const at = timestamp === undefined ? client.receivedAt : timeOf(timestamp);
    const own =
      ownVisitor(site, visitor) ?? (joinsDay === true ? this.#dayToJoin(site, client, visit, at) : undefined);
    if (own === undefined) return refused('visitor', 'is missing: identify joins it with the user');
    if (joinsDay === true && !this.#edges.mayJoin(own, user, dayOf(client.receivedAt))) {
      const message =
        'user was not joined: another user has logged in today from the same address and browser';
      return { kind: 'passed', warnings: [{ field: 'user', message }] };
    }
    // The same edge always has the same eventId, so sending it again adds nothing, not even after it was retracted.
    const eventId = `identify:${hash('sha256', `${site.name}\n${own}\n${user}`, 'hex').slice(0, 32)}`;
    const value = {
      type: 'equiv',
      a: own,
      b: userVisitor(site, user),
      timestamp: at,
      eventId,
      source: `site:${site.name}`,
    };
    return { kind: 'fact', value, warnings: warningsOf(site, event) };
  }

  /** The day's visitor id, if the event is of today. Ids of other days must not be linked with a user. */
  #dayToJoin(site: Site, { receivedAt }: Client, visit: Visit, at: number): string | undefined {
    return dayOf(at) === dayOf(receivedAt) ? dayVisitor(site, visit, at, this.#deps.salts) : undefined;
  }

  #ignore(site: Site, { name }: Ignored): Candidate {
    const counts = this.#tallies.get(site)?.ignoredByName;
    const text = name
      .toWellFormed()
      .slice(0, maxNameLength)
      .replaceAll(/\p{Cc}/gu, ' ');
    if (counts !== undefined) countByName(counts, text);
    return noFact;
  }

  /** Throws `too-many-requests`. A server sends for many visitors, so only the site's limit applies to it. */
  #checkRate(site: Site, client: Client, events: number): void {
    const rates = this.#rates.get(site);
    if (!isServer(client)) rates?.each.count(client.address, events);
    rates?.all.count('', events);
  }

  #checkOrigin(site: Site, { origin }: Client): void {
    if (origin !== undefined && this.#deps.sites.isOf(site, origin)) return;
    if (origin === undefined && site.fromServers) return;
    const what =
      origin === undefined
        ? 'the request names no page; servers may send where its entry says "fromServers"'
        : `${show(origin)} is not one of its pages`;
    throw new HttpProblem('foreign-origin', `the key is that of site '${site.name}', and ${what}`, {
      parameter: 'Origin',
    });
  }
}

/** Whether the request is from a server: browsers name the page in Origin or Referer. */
function isServer({ origin }: Client): boolean {
  return origin === undefined;
}

/** Address and user agent of the visitor that a server sends for, from the event: the request's are the server's own. */
function visitFrom({ address, userAgent }: SiteEvent): Visit | Refusal {
  const known = typeof address === 'string' ? canonicalAddress(address) : undefined;
  if (address !== undefined && known === undefined)
    return refused('address', `is not an IP address: ${show(address)}`);
  if (userAgent !== undefined && typeof userAgent !== 'string')
    return refused('userAgent', `must be a string, got ${show(userAgent)}`);
  return { address: known, userAgent, country: undefined };
}

/** The random id that the page keeps; undefined unless the site is first-party. */
function ownVisitor(site: Site, visitor: unknown): string | undefined {
  return site.visitors === 'first-party' && typeof visitor === 'string' ? browserVisitor(visitor) : undefined;
}

function warningsOf(site: Site, { visitor, warnings = [] }: SiteEvent): readonly Warning[] {
  if (site.visitors === 'first-party' || visitor === undefined) return warnings;
  const message = `visitor was not used: site '${site.name}' is cookieless`;
  return [...warnings, { field: 'visitor', message }];
}
