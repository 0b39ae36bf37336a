/**
 * Facts as log records: UTF-8 JSON with the fields of DESIGN's facts plus `receivedAt`, readable with any console
 * consumer. The partition key keeps one page's facts, and one pair's edges, in one partition.
 */
import type { NewRecord, Topic } from '../log/log.js';
import type { UrlRules } from '../url/normalize.js';
import { compareUtf8, timeEnd, topicOf, type Fact } from './fact.js';

/** Decoding never throws: what is no fact keeps its bytes and says why. */
export type Decoded = Fact | { readonly type: 'invalid'; readonly reason: string };

export function encodeRecord(fact: Fact, urls: UrlRules): NewRecord {
  return { topic: topicOf(fact), key: keyOf(fact, urls), value: Buffer.from(JSON.stringify(fact)) };
}

function keyOf(fact: Fact, urls: UrlRules): string {
  if (fact.type === 'pageview') {
    const normalized = urls.normalize(fact.url);
    return normalized.ok ? normalized.url : fact.url;
  }
  return compareUtf8(fact.a, fact.b) <= 0 ? fact.a : fact.b;
}

/**
 * The fact of a record in a topic. The door has checked it, but a foreign producer may write to Kafka directly: whoever
 * reads the log asks here, so that no two layers disagree about what counts.
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
  const fact = raw as Fact; // shape checked field by field
  return topicOf(fact) === topic ? fact : { type: 'invalid', reason: `${fact.type} in topic ${topic}` };
}

function shapeProblem(raw: unknown): string | undefined {
  if (typeof raw !== 'object' || raw === null) return 'not a JSON object';
  const fact = raw as Readonly<Record<string, unknown>>; // a JSON object: every value is unknown
  if (!isTime(fact['timestamp'])) return 'timestamp is no time';
  if (!isTime(fact['receivedAt'])) return 'receivedAt is no time';
  if (!isId(fact['eventId'])) return 'eventId is no id';
  switch (fact['type']) {
    case 'pageview':
      if (!isId(fact['visitor'])) return 'visitor is no id';
      if (typeof fact['url'] !== 'string') return 'url is no string';
      if (!isOptionalText(fact['userAgent'])) return 'userAgent is no string';
      return isOptionalText(fact['referrer']) ? undefined : 'referrer is no string';
    case 'equiv':
    case 'retract':
      if (!isId(fact['a'])) return 'a is no id';
      if (!isId(fact['b'])) return 'b is no id';
      if (fact['a'] === fact['b']) return 'a and b are equal';
      return isOptionalText(fact['source']) ? undefined : 'source is no string';
    default:
      return 'type is none of pageview, equiv, retract';
  }
}

function isTime(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < timeEnd;
}

function isId(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && value.length <= 256;
}

function isOptionalText(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}
