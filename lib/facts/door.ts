/**
 * The door: what comes from outside becomes a fact here, or is refused with a reason that names field and value.
 * Hand-written rather than a zod schema because imports pass hundreds of thousands of facts a second through it.
 */
import { randomUUID } from 'node:crypto';
import { parseRfc3339 } from '../time/real-time.js';
import { maxUrlBytes } from '../url/normalize.js';
import type { UrlRules } from '../url/normalize.js';
import type { EquivEdge, Fact, Pageview } from './fact.js';

/** Limits in UTF-8 bytes. */
export const maxIdBytes = 256;
export const maxTextBytes = 2048;
/** How far ahead of `receivedAt` a fact's own time may lie. */
export const maxClockAheadMs = 5 * 60_000;

export type Admission =
  | { readonly ok: true; readonly fact: Fact }
  | { readonly ok: false; readonly field: string; readonly reason: string };

const fieldsOf = {
  pageview: new Set(['type', 'visitor', 'url', 'timestamp', 'eventId', 'userAgent', 'referrer']),
  equiv: new Set(['type', 'a', 'b', 'timestamp', 'eventId', 'source']),
};

/** Ids that trackers send when they know nobody: an edge to one of them would join strangers. */
const nobody = new Set(['', 'null', 'undefined', '0', 'none', 'guest', 'anonymous', '[object object]']);

/**
 * One fact from outside: any JSON value. `timestamp` may be RFC 3339 text or UTC milliseconds. Never throws.
 * A fact without an eventId is given one.
 */
export function admit(raw: unknown, receivedAt: number, urls: UrlRules): Admission {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    return refuse('fact', `must be a JSON object, got ${show(raw)}`);
  }
  const fields = raw as Readonly<Record<string, unknown>>; // own JSON object: every value is unknown
  const type = fields['type'];
  if (type === 'pageview') return admitPageview(fields, receivedAt, urls);
  if (type === 'equiv' || type === 'retract') return admitEdge(type, fields, receivedAt);
  return refuse('type', `must be "pageview", "equiv" or "retract", got ${show(type)}`);
}

type Fields = Readonly<Record<string, unknown>>;

/** While it is being made. Optional fields are assigned rather than spread in: half the garbage of a fact was in that. */
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function admitPageview(fields: Fields, receivedAt: number, urls: UrlRules): Admission {
  const { visitor, url, userAgent, referrer } = fields;
  const refusal =
    unknownField(fields, fieldsOf.pageview) ??
    idRefusal('visitor', visitor) ??
    urlRefusal(url, urls) ??
    timeRefusal(fields['timestamp'], receivedAt) ??
    eventIdRefusal(fields['eventId']) ??
    textRefusal('userAgent', userAgent, maxTextBytes) ??
    textRefusal('referrer', referrer, maxTextBytes);
  if (refusal !== undefined) return refusal;
  const fact: Mutable<Pageview> = {
    type: 'pageview',
    visitor: visitor as string, // the refusals above leave only strings
    url: url as string,
    timestamp: timeOf(fields['timestamp']),
    eventId: eventIdOf(fields['eventId']),
    receivedAt,
  };
  if (typeof userAgent === 'string') fact.userAgent = userAgent;
  if (typeof referrer === 'string') fact.referrer = referrer;
  return { ok: true, fact };
}

function admitEdge(type: 'equiv' | 'retract', fields: Fields, receivedAt: number): Admission {
  const { a, b, source } = fields;
  const refusal =
    unknownField(fields, fieldsOf.equiv) ??
    idRefusal('a', a) ??
    idRefusal('b', b) ??
    edgeRefusal(a, b) ??
    timeRefusal(fields['timestamp'], receivedAt) ??
    eventIdRefusal(fields['eventId']) ??
    textRefusal('source', source, maxIdBytes);
  if (refusal !== undefined) return refusal;
  const fact: Mutable<EquivEdge> = {
    type,
    a: a as string, // the refusals above leave only strings
    b: b as string,
    timestamp: timeOf(fields['timestamp']),
    eventId: eventIdOf(fields['eventId']),
    receivedAt,
  };
  if (typeof source === 'string') fact.source = source;
  return { ok: true, fact };
}

function refuse(field: string, reason: string): Admission & { ok: false } {
  return { ok: false, field, reason: `${field} ${reason}` };
}

type Refusal = (Admission & { ok: false }) | undefined;

function unknownField(fields: Fields, known: ReadonlySet<string>): Refusal {
  for (const name in fields) {
    if (!known.has(name)) return refuse(show(name), `is not a field; known: ${[...known].join(', ')}`);
  }
  return undefined;
}

/** What no id may hold. */
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
export const controlCharacters = /[\u0000-\u001f\u007f-\u009f]/;

function idRefusal(field: string, value: unknown): Refusal {
  if (value === undefined) return refuse(field, 'is missing');
  if (typeof value !== 'string') return refuse(field, `must be a string, got ${show(value)}`);
  if (value === '') return refuse(field, 'must not be empty');
  if (value.length > maxIdBytes || Buffer.byteLength(value) > maxIdBytes) {
    return refuse(
      field,
      `must be at most ${maxIdBytes} bytes of UTF-8, got ${Buffer.byteLength(value)}: ${show(value)}`,
    );
  }
  if (controlCharacters.test(value))
    return refuse(field, `must not contain control characters: ${show(value)}`);
  if (!value.isWellFormed()) return refuse(field, `must be well-formed Unicode: ${show(value)}`);
  return undefined;
}

function eventIdRefusal(value: unknown): Refusal {
  return value === undefined ? undefined : idRefusal('eventId', value);
}

function textRefusal(field: string, value: unknown, limitBytes: number): Refusal {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') return refuse(field, `must be a string, got ${show(value)}`);
  if (value.length > limitBytes || Buffer.byteLength(value) > limitBytes) {
    return refuse(field, `must be at most ${limitBytes} bytes of UTF-8, got ${Buffer.byteLength(value)}`);
  }
  if (!value.isWellFormed()) return refuse(field, `must be well-formed Unicode: ${show(value)}`);
  return undefined;
}

function urlRefusal(value: unknown, urls: UrlRules): Refusal {
  if (value === undefined) return refuse('url', 'is missing');
  if (typeof value !== 'string') return refuse('url', `must be a string, got ${show(value)}`);
  const normalized = urls.normalize(value);
  if (normalized.ok) return undefined;
  if (normalized.reason === 'too-long')
    return refuse('url', `must be at most ${maxUrlBytes} bytes: ${show(value)}`);
  if (normalized.reason === 'not-http') return refuse('url', `must be http or https: ${show(value)}`);
  return refuse('url', `cannot be parsed: ${show(value)}`);
}

function timeRefusal(value: unknown, receivedAt: number): Refusal {
  if (value === undefined) return refuse('timestamp', 'is missing');
  const time = timeOf(value);
  if (!Number.isFinite(time) || time < 0) {
    return refuse(
      'timestamp',
      `must be RFC 3339 text of a time that exists, or UTC milliseconds, from 1970 on; got ${show(value)}`,
    );
  }
  if (time > receivedAt + maxClockAheadMs) {
    const now = new Date(receivedAt).toISOString();
    return refuse('timestamp', `lies more than 5 minutes after its arrival at ${now}: ${show(value)}`);
  }
  return undefined;
}

function timeOf(value: unknown): number {
  if (typeof value === 'number') return Math.floor(value);
  return typeof value === 'string' ? parseRfc3339(value) : Number.NaN;
}

function edgeRefusal(a: unknown, b: unknown): Refusal {
  if (a === b) return refuse('b', `must differ from a: ${show(b)}`);
  if (isNobody(a)) return refuse('a', `is a placeholder, not an id: ${show(a)}`);
  if (isNobody(b)) return refuse('b', `is a placeholder, not an id: ${show(b)}`);
  return undefined;
}

/** True for a placeholder id, in any case or quoting, with or without a `kind:` prefix. */
export function isNobody(id: unknown): boolean {
  if (typeof id !== 'string') return false;
  const bare = unquote(id);
  if (nobody.has(bare)) return true;
  const colon = bare.indexOf(':');
  return colon >= 0 && nobody.has(unquote(bare.slice(colon + 1)));
}

function unquote(text: string): string {
  return text.toLowerCase().replace(/^[\s"'`]+|[\s"'`]+$/g, '');
}

function eventIdOf(value: unknown): string {
  return typeof value === 'string' ? value : randomUUID();
}

/** A value as it may stand in a message: one line, bounded. What is nested may be too deep to be written. */
function show(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
