/** Visitor ids of browsers, as the site is configured, and the proof of a user id. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { dayOf, type Salts } from './salts.js';
import type { Site } from './site.js';

/** What identifies a visitor without an id: from the browser's request, or from what a server sends about it. */
export interface Visit {
  readonly address: string | undefined;
  readonly userAgent: string | undefined;
  /** Two letters. */
  readonly country: string | undefined;
}

/**
 * The visitor id on a cookieless site for the day of the event: the first 132 bits of HMAC-SHA256 over site, address, browser and day, keyed with the day's salt. If
 * that salt is gone, today's is used with the event's own day, so that days cannot be linked either. Undefined without an address, which would join many visitors.
 */
export function dayVisitor(
  site: Site,
  { address, userAgent = '' }: Visit,
  timestamp: number,
  salts: Salts,
): string | undefined {
  if (address === undefined) return undefined;
  const input = [site.name, address, userAgent, dayOf(timestamp)].join('\n');
  return `day:${createHmac('sha256', salts.of(timestamp)).update(input).digest('base64url').slice(0, 22)}`;
}

/** The visitor id on a first-party site: a random id that the page made and keeps. Undefined if it does not have the form of one. */
export function browserVisitor(id: string): string | undefined {
  return /^[\w-]{16,64}$/.test(id) ? `browser:${id}` : undefined;
}

export function userVisitor({ userKind }: Site, userId: string): string {
  return `${userKind}:${userId}`;
}

/** The proof of a user id, which the site's server writes into the user's page: HMAC-SHA256 of the id keyed with the site's secret, in hexadecimal. */
export function proofOf(secret: string, userId: string): string {
  return createHmac('sha256', secret).update(userId).digest('hex');
}

export function isProof(secret: string, userId: string, proof: string): boolean {
  const expected = Buffer.from(proofOf(secret, userId));
  const given = Buffer.from(proof.toLowerCase());
  return given.length === expected.length && timingSafeEqual(given, expected);
}
