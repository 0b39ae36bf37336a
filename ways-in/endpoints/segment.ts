/**
 * Segment's HTTP tracking API: `POST /v1/batch` of up to 500 KB and 2,500 events, and one event at a time at `/v1/page`, `/v1/track` and so on, each at most 32 KB. The
 * site is found by the write key, in the body or in Authorization. `page` is a pageview; `identify`, and every event with both ids, joins `anonymousId`
 * with `userId`. Clients repeat a batch if they got no answer: `messageId` becomes the eventId, so repeats do not count.
 *
 * The reply is 200 even if events of a batch are rejected, because sending them again would not help.
 */
import { z } from 'zod';
import { timeOf } from '../../facts/timestamps.js';
import { show } from '../../lib/errors/show.js';
import type { Route } from '../../lib/http/route.js';
import { isObject, type JsonObject } from '../logs/json-line.js';
import { byOurClock, refused, type Ignored, type Refusal, type SiteEvent } from '../sites/site-event.js';
import {
  endpointRoute,
  keyIn,
  listIn,
  objectIn,
  siteNamed,
  type EndpointRequest,
  type EndpointDeps,
  type Reading,
} from './endpoint.js';

const limits = { batchBytes: 500 * 1024, eventBytes: 32 * 1024, events: 2_500 } as const;

const types = ['page', 'track', 'identify', 'alias', 'group', 'screen'] as const;
type EventType = (typeof types)[number];

const replySchema = z.object({
  success: z.literal(true),
  rejected: z.array(z.object({ index: z.number(), reason: z.string() })).optional(),
});

/** A reading with, for each of its events, the index of the batch's event that it came from. */
interface BatchReading extends Reading {
  readonly indexes: readonly number[];
}

export function segmentRoutes(deps: EndpointDeps): readonly Route[] {
  const routeOf = (name: EventType | 'batch'): Route =>
    endpointRoute(deps, {
      tracker: 'segment',
      doc: {
        method: 'post',
        path: `/v1/${name}`,
        operationId: `segment${name.charAt(0).toUpperCase()}${name.slice(1)}`,
        summary:
          name === 'batch' ? 'Take events of a Segment client' : `Take a ${name} event of a Segment client`,
        description:
          'Pageviews and edges are taken; other events are counted by name only. See docs/moving.md.',
      },
      bodyBytes: name === 'batch' ? limits.batchBytes : limits.eventBytes,
      response: { status: 200, description: 'taken', content: { 'application/json': replySchema } },
      read: (request) => read(deps, request, name),
      reply: ({ rejected }, reading) => {
        const { indexes } = reading as BatchReading; // made by `read` above
        const named = rejected.map(({ index, reason }) => ({ index: indexes[index] ?? 0, reason }));
        const answer = { success: true, ...(named.length === 0 ? {} : { rejected: named }) };
        return { contentType: 'application/json', body: JSON.stringify(answer) };
      },
    });
  return ['batch' as const, ...types].map(routeOf);
}

function read(
  { sites }: EndpointDeps,
  { body, request, client }: EndpointRequest,
  name: EventType | 'batch',
): BatchReading {
  const whole = objectIn(body);
  const { batch, writeKey, sentAt } = whole;
  const site = siteNamed(sites, 'segment', writeKey ?? keyIn(request), 'writeKey');
  const list = name === 'batch' ? listIn(batch, 'batch', limits.events) : [{ ...whole, type: name }];
  const clocks = { sentAt: timeOf(sentAt), receivedAt: client.receivedAt };
  const toUs = (timestamp: unknown): unknown =>
    Number.isFinite(clocks.sentAt) ? byOurClock(timestamp, clocks) : timestamp;
  const events: (SiteEvent | Refusal | Ignored)[] = [];
  const indexes: number[] = [];
  for (const [index, event] of list.entries())
    for (const one of eventsOf(event, toUs)) {
      events.push(one);
      indexes.push(index);
    }
  return { site, events, indexes };
}

function eventsOf(
  event: unknown,
  toUs: (timestamp: unknown) => unknown,
): readonly (SiteEvent | Refusal | Ignored)[] {
  if (!isObject(event)) return [refused('event', `must be a JSON object, got ${show(event)}`)];
  if (isTooLarge(event)) return [refused('event', `is larger than ${limits.eventBytes} bytes`)];
  const type = types.find((one) => one === event['type']);
  if (type === undefined)
    return [refused('type', `must be one of ${types.join(', ')}, got ${show(event['type'])}`)];
  const context = objectAt(event, 'context');
  const ids = {
    visitor: event['anonymousId'] ?? undefined,
    user: event['userId'] ?? undefined,
    proof: objectAt(event, 'traits')['proof'] ?? objectAt(event, 'properties')['proof'] ?? context['proof'],
    timestamp: event['timestamp'] === undefined ? undefined : toUs(event['timestamp']),
    address: context['ip'] ?? undefined,
    userAgent: context['userAgent'] ?? undefined,
  };
  const namesBoth = ids.visitor !== undefined && ids.user !== undefined;
  if (type === 'identify' && namesBoth) return [{ type, ...ids }];
  const edge: readonly SiteEvent[] = namesBoth ? [{ type: 'identify', isImplied: true, ...ids }] : [];
  if (type !== 'page') return [{ kind: 'ignored', name: `segment ${nameOf(type, event)}` }, ...edge];
  const shown = objectAt(context, 'page');
  const properties = objectAt(event, 'properties');
  const view: SiteEvent = {
    type: 'pageview',
    ...ids,
    url: properties['url'] ?? shown['url'],
    referrer: properties['referrer'] ?? shown['referrer'] ?? undefined,
    eventId: event['messageId'] ?? undefined,
  };
  return [view, ...edge];
}

function nameOf(type: EventType, { event }: JsonObject): string {
  if (type === 'identify') return 'identify without both ids';
  return type === 'track' && typeof event === 'string' ? event : type;
}

/** Whether the event's JSON exceeds the limit, or is nested too deeply to be serialized. */
function isTooLarge(event: JsonObject): boolean {
  try {
    return Buffer.byteLength(JSON.stringify(event)) > limits.eventBytes;
  } catch {
    return true;
  }
}

function objectAt(object: JsonObject, name: string): JsonObject {
  const value = object[name];
  return isObject(value) ? value : {};
}
