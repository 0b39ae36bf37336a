/** Visitor ids of browsers, by the site's choice, and the proof of a user id. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { dayOf, type Salts } from './salts.js';
import type { Site } from './site.js';

/** What tells a visitor apart where no id does: of the browser's request, or of what a server says of it. */
export interface Visit {
  readonly address: string | undefined;
  readonly userAgent: string | undefined;
  /** Two letters. */
  readonly country: string | undefined;
}

/**
 * The visitor of a cookieless site, for the day of the event: HMAC-SHA256 over site, address and browser by the day's salt, 132 bits of it. An event whose day's
 * salt is gone gets the salt of the day it comes on, over its own day: no one is linked over days either way. Undefined without an address, which would make one visitor of many.
 */
export function dayVisitor(
  site: Site,
  { address, userAgent = '' }: Visit,
  timestamp: number,
  salts: Salts,
): string | undefined {
  if (address === undefined) return undefined;
  const said = [site.name, address, userAgent, dayOf(timestamp)].join('\n');
  return `day:${createHmac('sha256', salts.of(timestamp)).update(said).digest('base64url').slice(0, 22)}`;
}

/** The visitor of a first-party site: a random id that the page made and keeps. Undefined for what is too short to be one. */
export function browserVisitor(id: string): string | undefined {
  return /^[\w-]{16,64}$/.test(id) ? `browser:${id}` : undefined;
}

export function userVisitor({ userKind }: Site, userId: string): string {
  return `${userKind}:${userId}`;
}

/** HMAC-SHA256 of the user id by the site's secret, in hexadecimal: what the site's server writes into the page of a user. */
export function proofOf(secret: string, userId: string): string {
  return createHmac('sha256', secret).update(userId).digest('hex');
}

export function isProof(secret: string, userId: string, proof: string): boolean {
  const expected = Buffer.from(proofOf(secret, userId));
  const given = Buffer.from(proof.toLowerCase());
  return given.length === expected.length && timingSafeEqual(given, expected);
}
