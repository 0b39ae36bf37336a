/** What browsers and servers say of a site, read from whatever wire format, and what may be wrong with it. */
import type { Warning } from '../../facts/door.js';
import { timeOf, timeProblem } from '../../facts/timestamps.js';
import type { Candidate } from '../../ingest/intake.js';
import { show } from '../../lib/errors/show.js';
import type { Site } from './site.js';
import { browserVisitor, isProof } from './visitors.js';

/** One event. Every field is the client's: unknown until it is looked at here or at the door. */
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
  /** Of the visitor, where a server speaks for it. What a browser says of itself here is not looked at. */
  readonly address?: unknown;
  readonly userAgent?: unknown;
  /** Of an identify: the client keeps no id in the browser, so on a first-party site the user is joined with the day's visitor. */
  readonly joinsDay?: boolean;
  /** Of an identify: nobody asked for it; an event that names both ids says so. Makes an edge where it can, and no complaint where it cannot. */
  readonly isImplied?: boolean;
  readonly warnings?: readonly Warning[];
}

/** An event that a format could not read. */
export type Refusal = Candidate & { readonly kind: 'refused' };

/** An event that is neither a pageview nor an identify: taken in good order, counted by its name, and dropped. */
export interface Ignored {
  readonly kind: 'ignored';
  readonly name: string;
}

export function refused(field: string, reason: string): Refusal {
  return { kind: 'refused', field, reason: `${field} ${reason}` };
}

/** Of an event that makes no fact, and about which there is nothing to say. */
export const nothing: Candidate = { kind: 'passed', warnings: [] };

export function isImplied(event: SiteEvent | Refusal | Ignored): boolean {
  return !('kind' in event) && event.isImplied === true;
}

export interface Clocks {
  /** UTC ms by the sender's clock, and by ours. */
  readonly sentAt: number;
  readonly receivedAt: number;
}

/** A time by the sender's clock (see `timeOf`) in UTC ms by ours: what happened so long before it was sent happened so long before it came. */
export function byOurClock(timestamp: unknown, { sentAt, receivedAt }: Clocks): unknown {
  const time = timeOf(timestamp);
  return Number.isFinite(time) ? receivedAt - Math.max(0, sentAt - time) : timestamp;
}

/** Events of pages lie at most so far back: what a phone sends that was offline over a holiday. */
const maxAgeMs = 7 * 86_400_000;
/** Longest user id in UTF-16 units; the door's own limit is on the whole visitor id. */
const maxUserLength = 200;

export function timeRefusal({ timestamp }: SiteEvent, receivedAt: number): Refusal | undefined {
  if (timestamp === undefined) return undefined;
  const problem = timeProblem(timestamp, receivedAt);
  if (problem !== undefined) return refused('timestamp', problem);
  if (receivedAt - timeOf(timestamp) <= maxAgeMs) return undefined;
  return refused('timestamp', `is more than 7 days ago, which a page may not send: ${show(timestamp)}`);
}

/** A user id that is given must be one, and proven where the site wants that. */
export function userRefusal(site: Site, { user, proof }: SiteEvent): Refusal | undefined {
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

/** A pageview is one also of someone who is not the user it names. */
export function withoutUser({ user: _user, warnings = [], ...event }: SiteEvent, why: Refusal): SiteEvent {
  const { field, reason } = why;
  return { ...event, warnings: [...warnings, { field, message: `${reason}; counted without the user` }] };
}

export function idRefusal({ visitor }: SiteEvent): Refusal | undefined {
  if (visitor === undefined || (typeof visitor === 'string' && browserVisitor(visitor) !== undefined))
    return undefined;
  return refused('visitor', `must be 16 to 64 letters, digits, dashes or underscores, got ${show(visitor)}`);
}
