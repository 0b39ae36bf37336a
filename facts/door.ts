/**
 * The door: validates facts from outside. Each becomes a fact or is refused with a reason that names the field and its value. Written by hand
 * instead of as a zod schema because imports pass hundreds of thousands of facts per second through it.
 */
import { randomUUID } from 'node:crypto';
import { cutToBytes } from './cut-to-bytes.js';
import { show } from '../lib/errors/show.js';
import { refusalTexts } from './url/normalize.js';
import type { UrlRules } from './url/normalize.js';
import {
  exclusionKinds,
  timeEnd,
  timeStart,
  type EquivEdge,
  type Exclusion,
  type ExclusionKind,
  type Fact,
  type Pageview,
} from './fact.js';
import { isExclusionValue, prefixProblem } from './exclusions.js';
import { controlCharacters, isWithin, maxIdBytes, maxTextBytes } from './ids.js';
import { edgeSchema, exclusionSchema, pageviewSchema } from './outside.js';
import { isPlaceholderId } from './placeholders.js';
import { timeOf, timeProblem } from './timestamps.js';

/** A change that was made to an accepted fact. */
export interface Warning {
  readonly field: string;
  /** Begins with the name of the field. */
  readonly message: string;
}

export type Admission =
  | { readonly ok: true; readonly fact: Fact; readonly warnings: readonly Warning[] }
  | { readonly ok: false; readonly field: string; readonly reason: string };

/** Defaults for missing fields. */
export interface FactDefaults {
  /** Makes an eventId. Default: a random UUID. */
  readonly eventId?: () => string;
  /** User agent of pageviews. */
  readonly userAgent?: string | undefined;
  /** Import that pageviews belong to. */
  readonly importId?: string | undefined;
}

const pageviewFields: ReadonlySet<string> = new Set(Object.keys(pageviewSchema.shape));
const edgeFields: ReadonlySet<string> = new Set(Object.keys(edgeSchema.shape));
const exclusionFields: ReadonlySet<string> = new Set(Object.keys(exclusionSchema.shape));

/**
 * Validates one fact from outside, which may be any JSON value. `timestamp` is RFC 3339 text or UTC milliseconds and defaults to `receivedAt`.
 * Never throws. Descriptive texts (user agent, referrer, source) that are too long are cut, and unknown fields are dropped; each gives a
 * warning.
 */
export function admit(
  raw: unknown,
  receivedAt: number,
  urls: UrlRules,
  defaults: FactDefaults = {},
): Admission {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    return refuse('fact', `must be a JSON object, got ${show(raw)}`);
  }
  const fields = raw as Readonly<Record<string, unknown>>; // a JSON object: its values are unknown
  const type = fields['type'];
  if (type === 'pageview') return admitPageview(fields, receivedAt, urls, defaults);
  if (type === 'equiv' || type === 'retract') return admitEdge(type, fields, receivedAt, defaults);
  if (type === 'exclude' || type === 'include')
    return admitExclusion(type, fields, receivedAt, urls, defaults);
  return refuse('type', `must be "pageview", "equiv", "retract", "exclude" or "include", got ${show(type)}`);
}

type Fields = Readonly<Record<string, unknown>>;

/** A fact under construction. Optional fields are assigned because spreading them in made half of the garbage per fact. */
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function admitPageview(
  fields: Fields,
  receivedAt: number,
  urls: UrlRules,
  defaults: FactDefaults,
): Admission {
  const { visitor, url, timestamp, eventId, userAgent, referrer, country, importId } = fields;
  const refusal =
    visitorRefusal('visitor', visitor) ??
    urlRefusal(url, urls) ??
    timeRefusal(timestamp, receivedAt) ??
    eventIdRefusal(eventId) ??
    textRefusal('userAgent', userAgent) ??
    textRefusal('referrer', referrer) ??
    countryRefusal(country) ??
    (isNone(importId) ? undefined : idRefusal('importId', importId));
  if (refusal !== undefined) return refusal;
  const warnings: Warning[] = [];
  const fact: Mutable<Pageview> = {
    type: 'pageview',
    visitor: visitor as string, // the refusals above leave only strings
    url: url as string,
    timestamp: timestamp === undefined ? receivedAt : timeOf(timestamp),
    eventId: eventIdOf(eventId, defaults, warnings),
    receivedAt,
  };
  const agent = textOf('userAgent', userAgent ?? defaults.userAgent, maxTextBytes, warnings);
  if (agent !== undefined) fact.userAgent = agent;
  const from = textOf('referrer', referrer, maxTextBytes, warnings);
  if (from !== undefined) fact.referrer = from;
  if (typeof country === 'string') fact.country = country.toUpperCase(); // two ASCII letters
  if (typeof importId === 'string') fact.importId = importId;
  else if (defaults.importId !== undefined) fact.importId = defaults.importId;
  warnOfUnknown(fields, 'pageview', pageviewFields, warnings);
  return { ok: true, fact, warnings };
}

function admitEdge(
  type: 'equiv' | 'retract',
  fields: Fields,
  receivedAt: number,
  defaults: FactDefaults,
): Admission {
  const { a, b, timestamp, eventId, source } = fields;
  const refusal =
    visitorRefusal('a', a) ??
    visitorRefusal('b', b) ??
    (a === b ? refuse('b', `must differ from a: ${show(b)}`) : undefined) ??
    timeRefusal(timestamp, receivedAt) ??
    eventIdRefusal(eventId) ??
    textRefusal('source', source);
  if (refusal !== undefined) return refusal;
  const warnings: Warning[] = [];
  const fact: Mutable<EquivEdge> = {
    type,
    a: a as string, // the refusals above leave only strings
    b: b as string,
    timestamp: timestamp === undefined ? receivedAt : timeOf(timestamp),
    eventId: eventIdOf(eventId, defaults, warnings),
    receivedAt,
  };
  const from = textOf('source', source, maxIdBytes, warnings);
  if (from !== undefined) fact.source = from;
  warnOfUnknown(fields, type, edgeFields, warnings);
  return { ok: true, fact, warnings };
}

function admitExclusion(
  type: 'exclude' | 'include',
  fields: Fields,
  receivedAt: number,
  urls: UrlRules,
  defaults: FactDefaults,
): Admission {
  const { by, value, from, to, timestamp, eventId } = fields;
  const kind = exclusionKinds.find((each) => each === by);
  if (kind === undefined)
    return refuse('by', `must be ${exclusionKinds.map(show).join(' or ')}, got ${show(by)}`);
  if (kind === 'erased' && type === 'include')
    return refuse('by', 'must not be "erased": an erasure is never taken back');
  const refusal =
    valueRefusal(kind, value, urls) ??
    limitRefusal('from', from) ??
    limitRefusal('to', to) ??
    timeRefusal(timestamp, receivedAt) ??
    eventIdRefusal(eventId);
  if (refusal !== undefined) return refusal;
  const warnings: Warning[] = [];
  const fact: Mutable<Exclusion> = {
    type,
    by: kind,
    value: value as string, // the refusals above leave only strings
    timestamp: timestamp === undefined ? receivedAt : timeOf(timestamp),
    eventId: eventIdOf(eventId, defaults, warnings),
    receivedAt,
  };
  if (!isNone(from)) fact.from = timeOf(from);
  if (!isNone(to)) fact.to = timeOf(to);
  if (fact.from !== undefined && fact.to !== undefined && fact.from >= fact.to)
    return refuse('to', `must be later than from: ${show(to)}`);
  warnOfUnknown(fields, type, exclusionFields, warnings);
  return { ok: true, fact, warnings };
}

function valueRefusal(by: ExclusionKind, value: unknown, urls: UrlRules): Refusal {
  if (by === 'visitor') return visitorRefusal('value', value);
  if (by === 'importId') return idRefusal('value', value);
  if (by === 'erased')
    return isExclusionValue(by, value)
      ? undefined
      : refuse('value', `must be the hash of an erased id, which \`swa erase\` makes: ${show(value)}`);
  if (value === undefined) return refuse('value', 'is missing');
  if (typeof value !== 'string') return refuse('value', `must be a string, got ${show(value)}`);
  const problem = by === 'urlPrefix' ? prefixProblem(value, urls) : undefined;
  if (problem !== undefined) return refuse('value', `${problem}: ${show(value)}`);
  if (isExclusionValue(by, value)) return undefined;
  return refuse('value', `must be 1 to ${maxTextBytes} bytes of well-formed Unicode: ${show(value)}`);
}

/** For the limits of an exclusion, which may be in the future. */
function limitRefusal(field: string, value: unknown): Refusal {
  if (isNone(value)) return undefined;
  const time = timeOf(value);
  if (time >= timeStart && time < timeEnd) return undefined;
  return refuse(field, `must be RFC 3339 or UTC milliseconds, from 1990 on: ${show(value)}`);
}

function refuse(field: string, reason: string): Admission & { ok: false } {
  return { ok: false, field, reason: `${field} ${reason}` };
}

type Refusal = (Admission & { ok: false }) | undefined;

function timeRefusal(value: unknown, receivedAt: number): Refusal {
  const problem = value === undefined ? undefined : timeProblem(value, receivedAt);
  return problem === undefined ? undefined : refuse('timestamp', problem);
}

/** Refuses visitor ids that are malformed or placeholders. */
function visitorRefusal(field: string, value: unknown): Refusal {
  const refusal = idRefusal(field, value);
  if (refusal !== undefined || typeof value !== 'string' || !isPlaceholderId(value)) return refusal;
  return refuse(field, `is a placeholder, not an id: ${show(value)}`);
}

function idRefusal(field: string, value: unknown): Refusal {
  if (value === undefined) return refuse(field, 'is missing');
  if (typeof value !== 'string') return refuse(field, `must be a string, got ${show(value)}`);
  if (value === '') return refuse(field, 'must not be empty');
  if (!isWithin(value, maxIdBytes)) {
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

function isNone(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

function eventIdRefusal(value: unknown): Refusal {
  return isNone(value) || isPlaceholderText(value) ? undefined : idRefusal('eventId', value);
}

/** False for texts longer than an id. */
function isPlaceholderText(value: unknown): boolean {
  return typeof value === 'string' && value.length <= maxIdBytes && isPlaceholderId(value);
}

function textRefusal(field: string, value: unknown): Refusal {
  if (isNone(value) || typeof value === 'string') return undefined;
  return refuse(field, `must be a string, got ${show(value)}`);
}

function countryRefusal(value: unknown): Refusal {
  if (isNone(value) || (typeof value === 'string' && /^[A-Za-z]{2}$/.test(value))) return undefined;
  return refuse('country', `must be a country's two letters (ISO 3166-1: "DE"), got ${show(value)}`);
}

function urlRefusal(value: unknown, urls: UrlRules): Refusal {
  if (value === undefined) return refuse('url', 'is missing');
  if (typeof value !== 'string') return refuse('url', `must be a string, got ${show(value)}`);
  const normalized = urls.normalize(value);
  return normalized.ok ? undefined : refuse('url', `${refusalTexts[normalized.reason]}: ${show(value)}`);
}

/** A placeholder eventId would merge many events into one, so it is replaced as if it were missing. */
function eventIdOf(value: unknown, defaults: FactDefaults, warnings: Warning[]): string {
  if (typeof value === 'string' && !isPlaceholderId(value)) return value;
  if (value !== undefined)
    warnings.push(warning('eventId', `is a placeholder and was replaced: ${show(value)}`));
  return defaults.eventId === undefined ? randomUUID() : defaults.eventId();
}

/** Cuts a descriptive text to `maxBytes`, and replaces unpaired surrogates. */
function textOf(field: string, value: unknown, maxBytes: number, warnings: Warning[]): string | undefined {
  if (typeof value !== 'string') return undefined;
  let text = value;
  if (!text.isWellFormed()) {
    text = text.toWellFormed();
    warnings.push(warning(field, 'contained unpaired surrogates, which were replaced with U+FFFD'));
  }
  if (isWithin(text, maxBytes)) return text;
  warnings.push(warning(field, `was cut to ${maxBytes} bytes of UTF-8, had ${Buffer.byteLength(text)}`));
  return cutToBytes(text, maxBytes);
}

/** Maximum number of unknown fields that warnings name per fact; a fact of a megabyte can have very many. */
const maxFieldsNamed = 100;

function warnOfUnknown(fields: Fields, type: string, known: ReadonlySet<string>, warnings: Warning[]): void {
  let named = 0;
  for (const name in fields) {
    if (known.has(name)) continue;
    if (++named > maxFieldsNamed) {
      const message = `more than ${maxFieldsNamed} fields are not fields of a fact of type ${type}; all were dropped`;
      warnings.push({ field: 'more', message });
      return;
    }
    const message = `${show(name)} is not a field of a fact of type ${type} and was dropped`;
    warnings.push({ field: name.slice(0, 64), message });
  }
}

function warning(field: string, what: string): Warning {
  return { field, message: `${field} ${what}` };
}
