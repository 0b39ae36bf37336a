/**
 * Codec of log records: UTF-8 JSON with the fields of a fact plus `receivedAt`, readable with any console consumer. The partition key keeps the
 * facts of one page, and the edges of one pair, in one partition.
 */
import type { NewRecord, Topic } from '../log/log.js';
import { standInReason } from '../log/stand-in.js';
import type { UrlRules } from './url/normalize.js';
import { compareUtf8, exclusionKinds, isExclusion, timeEnd, timeStart, type Fact } from './fact.js';
import { isExclusionValue } from './exclusions.js';
import { isId, maxIdBytes } from './ids.js';
import { isPlaceholderId } from './placeholders.js';

/** The topic of a fact. */
export function topicOf(fact: Fact): Topic {
  return fact.type === 'pageview' ? 'pageviews' : 'equivs';
}

/** Increment when `decodeRecord` starts to accept or refuse other records; batch views record it. */
export const recordsVersion = 4;

/** Decoding never throws: a record that is not a valid fact gives a reason instead. */
export type Decoded = Fact | { readonly type: 'invalid'; readonly reason: string };

export function encodeRecord(fact: Fact, urls: UrlRules): NewRecord {
  return { topic: topicOf(fact), key: keyOf(fact, urls), value: Buffer.from(recordText(fact)) };
}

/** Equals `JSON.stringify(fact)`, at half the cost for pageviews, which nearly all facts are. */
export function recordText(fact: Fact): string {
  if (fact.type !== 'pageview') return JSON.stringify(fact);
  const { visitor, url, timestamp, eventId, receivedAt, userAgent, referrer, country, importId } = fact;
  let text = `{"type":"pageview","visitor":${quoted(visitor)},"url":${quoted(url)},"timestamp":${timestamp},"eventId":${quoted(eventId)},"receivedAt":${receivedAt}`;
  if (userAgent !== undefined) text += `,"userAgent":${quoted(userAgent)}`;
  if (referrer !== undefined) text += `,"referrer":${quoted(referrer)}`;
  if (country !== undefined) text += `,"country":${quoted(country)}`;
  if (importId !== undefined) text += `,"importId":${quoted(importId)}`;
  return `${text}}`;
}

/** Code units that JSON escapes, and surrogates, which it escapes if they are unpaired. */
// eslint-disable-next-line no-control-regex -- matches control characters on purpose
const notPlain = /["\\\u0000-\u001f\ud800-\udfff]/;

function quoted(text: string): string {
  return notPlain.test(text) ? JSON.stringify(text) : `"${text}"`;
}

/** The partition key of a fact. */
export function keyOf(fact: Fact, urls: UrlRules): string {
  if (fact.type === 'pageview') {
    const normalized = urls.normalize(fact.url);
    return normalized.ok ? normalized.url : fact.url;
  }
  if (isExclusion(fact)) return fact.value;
  return compareUtf8(fact.a, fact.b) <= 0 ? fact.a : fact.b;
}

/**
 * Decodes and validates a record of a topic. The door has validated its own facts, but another producer may write to Kafka directly; all layers
 * read the log through this function, so they agree on what counts. It refuses what would be counted wrongly: an id that is malformed or a
 * placeholder, an edge with equal ends, an exclusion value that no pageview can have, a time out of range. It accepts what harms only the record
 * itself: a placeholder as eventId, texts longer than the door allows, a timestamp later than `receivedAt`.
 */
export function decodeRecord(value: Uint8Array, topic: Topic): Decoded {
  let raw: unknown;
  try {
    raw = JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8'));
  } catch {
    return { type: 'invalid', reason: 'not JSON' };
  }
  const problem = shapeProblem(raw);
  if (problem !== undefined) return { type: 'invalid', reason: problem };
  const fact = raw as Fact; // the shape was checked field by field
  return topicOf(fact) === topic ? fact : { type: 'invalid', reason: `${fact.type} in topic ${topic}` };
}

type Fields = Readonly<Record<string, unknown>>;

function shapeProblem(raw: unknown): string | undefined {
  if (typeof raw !== 'object' || raw === null) return 'not a JSON object';
  const fact = raw as Fields; // a JSON object
  const unreadable = standInReason(fact);
  if (unreadable !== undefined) return unreadable;
  const { timestamp, receivedAt, eventId } = fact;
  if (!isTime(timestamp)) return 'timestamp is not a valid time';
  if (timestamp < timeStart) return 'timestamp is before 1990';
  if (!isTime(receivedAt)) return 'receivedAt is not a valid time';
  if (!isEventId(eventId)) return 'eventId is not a valid id';
  switch (fact['type']) {
    case 'pageview':
      if (typeof fact['url'] !== 'string') return 'url is not a string';
      return visitorProblem('visitor', fact['visitor']) ?? textProblem(fact, pageviewTexts);
    case 'equiv':
    case 'retract':
      return edgeProblem(fact) ?? textProblem(fact, edgeTexts);
    case 'exclude':
    case 'include':
      return exclusionProblem(fact);
    default:
      return 'type is not pageview, equiv, retract, exclude or include';
  }
}

const pageviewTexts = ['userAgent', 'referrer', 'country', 'importId'];
const edgeTexts = ['source'];

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < timeEnd;
}

function isEventId(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && value.length <= maxIdBytes;
}

function visitorProblem(field: string, value: unknown): string | undefined {
  if (!isId(value)) return `${field} is not a valid id`;
  return isPlaceholderId(value) ? `${field} is a placeholder` : undefined;
}

function edgeProblem({ a, b }: Fields): string | undefined {
  return visitorProblem('a', a) ?? visitorProblem('b', b) ?? (a === b ? 'a and b are equal' : undefined);
}

function exclusionProblem({ type, by, value, from, to }: Fields): string | undefined {
  const kind = exclusionKinds.find((each) => each === by);
  if (kind === undefined) return `by is not ${exclusionKinds.join(', ')}`;
  if (!isExclusionValue(kind, value)) return `value is not a valid ${kind}`;
  if (kind === 'erased' && type === 'include') return 'an erasure is never taken back';
  for (const [name, time] of Object.entries({ from, to }))
    if (time !== undefined && (!isTime(time) || time < timeStart)) return `${name} is not a valid time`;
  return undefined;
}

/** Checks that optional texts are strings. */
function textProblem(fact: Fields, fields: readonly string[]): string | undefined {
  for (const field of fields) {
    const text = fact[field];
    if (text !== undefined && typeof text !== 'string') return `${field} is not a string`;
  }
  return undefined;
}
