/** Events of sites as browsers and servers send them, independent of the wire format, and the checks of their fields. */
import type { Warning } from '../../facts/door.js';
import { timeOf, timeProblem } from '../../facts/timestamps.js';
import type { Candidate } from '../../ingest/intake.js';
import { show } from '../../lib/errors/show.js';
import type { Site } from './site.js';
import { browserVisitor, isProof } from './visitors.js';

/** One event. The client chooses every field: fields are `unknown` until they are checked here or at the door. */
export interface SiteEvent {
  readonly type: 'pageview' | 'identify';
  readonly url?: unknown;
  readonly referrer?: unknown;
  /** Time of the event by this system's clock; default: now. */
  readonly timestamp?: unknown;
  readonly eventId?: unknown;
  /** The random id that a page of a first-party site keeps. */
  readonly visitor?: unknown;
  readonly user?: unknown;
  readonly proof?: unknown;
  /** The visitor's, if a server sends for it. Ignored if a browser sends. */
  readonly address?: unknown;
  readonly userAgent?: unknown;
  /** For an identify: the client keeps no id in the browser, so on a first-party site the user is joined with the day's visitor. */
  readonly joinsDay?: boolean;
  /** For an identify: implied by an event that names both ids, not sent by itself. Makes an edge if possible, and no error if not. */
  readonly isImplied?: boolean;
  readonly warnings?: readonly Warning[];
}

/** An event that a format could not read. */
export type Refusal = Candidate & { readonly kind: 'refused' };

/** A valid event that is neither a pageview nor an identify: it is counted by name and dropped. */
export interface Ignored {
  readonly kind: 'ignored';
  readonly name: string;
}

export function refused(field: string, reason: string): Refusal {
  return { kind: 'refused', field, reason: `${field} ${reason}` };
}

/** Result for an event that makes no fact and no warning. */
export const noFact: Candidate = { kind: 'passed', warnings: [] };

export function isImplied(event: SiteEvent | Refusal | Ignored): boolean {
  return !('kind' in event) && event.isImplied === true;
}

export interface Clocks {
  /** UTC ms by the sender's clock; `receivedAt` is by ours. */
  readonly sentAt: number;
  readonly receivedAt: number;
}

/** Converts a time by the sender's clock (see `timeOf`) to UTC ms by ours: its age when sent is its age when received. */
export function byOurClock(timestamp: unknown, { sentAt, receivedAt }: Clocks): unknown {
  const time = timeOf(timestamp);
  return Number.isFinite(time) ? receivedAt - Math.max(0, sentAt - time) : timestamp;
}

/** Maximum age of events of pages: a phone may have been offline over a holiday. */
const maxAgeMs = 7 * 86_400_000;
/** Maximum length of a user id in UTF-16 units; the door limits the whole visitor id. */
const maxUserLength = 200;

export function timeRefusal({ timestamp }: SiteEvent, receivedAt: number): Refusal | undefined {
  if (timestamp === undefined) return undefined;
  const problem = timeProblem(timestamp, receivedAt);
  if (problem !== undefined) return refused('timestamp', problem);
  if (receivedAt - timeOf(timestamp) <= maxAgeMs) return undefined;
  return refused('timestamp', `is more than 7 days ago, which a page may not send: ${show(timestamp)}`);
}

/** Refuses a user id that is not valid, or not proven if the site requires a proof. */
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

/** The pageview without its unproven user, with a warning: it counts anyway. */
export function withoutUser({ user: _user, warnings = [], ...event }: SiteEvent, why: Refusal): SiteEvent {
  const { field, reason } = why;
  return { ...event, warnings: [...warnings, { field, message: `${reason}; counted without the user` }] };
}

export function idRefusal({ visitor }: SiteEvent): Refusal | undefined {
  if (visitor === undefined || (typeof visitor === 'string' && browserVisitor(visitor) !== undefined))
    return undefined;
  return refused('visitor', `must be 16 to 64 letters, digits, dashes or underscores, got ${show(visitor)}`);
}
