/**
 * Events that pages send to `POST /v1/events` with a browser key. The key is in the query or the body, because a beacon has no headers of its own:
 *
 *   {"key": "...", "type": "pageview", "url": "https://www.example.org/a"}
 *   {"key": "...", "sentAt": 1764436000000, "events": [{"type": "pageview", ...}, {"type": "identify", ...}]}
 *
 * `sentAt` is the page's clock when it sends. With it, only the age of a timestamp matters, so that a wrong clock does no harm.
 */
import type { Warning } from '../../facts/door.js';
import type { BrowserEvents } from '../../ingest/way-in.js';
import { show } from '../../lib/errors/show.js';
import { HttpProblem } from '../../lib/http/problem.js';
import type { Clock } from '../../lib/time/clock.js';
import { clientOf, type Client, type ClientConfig } from './client.js';
import type { SiteDoor } from './site-door.js';
import { byOurClock, refused, type Clocks, type Refusal, type SiteEvent } from './site-event.js';
import { isObject } from '../logs/json-line.js';
import type { Sites } from './site.js';

/** Maximum number of events in a request. */
export const maxEvents = 100;
/** Maximum number of unknown fields named in the warnings of one event. */
const maxFieldsNamed = 10;

const eventFields: ReadonlySet<string> = new Set([
  'type',
  'url',
  'referrer',
  'timestamp',
  'eventId',
  'visitor',
  'user',
  'proof',
]);
const bodyFields: ReadonlySet<string> = new Set(['key', 'sentAt']);

export interface BrowserEventsDeps {
  readonly sites: Sites;
  readonly door: SiteDoor;
  readonly config: ClientConfig;
  readonly clock: Clock;
}

export function browserEvents({ sites, door, config, clock }: BrowserEventsDeps): BrowserEvents {
  return {
    allows: (origin) => sites.byUrl(origin) !== undefined,
    keyIn(body) {
      const key = isObject(body) ? body['key'] : undefined;
      return typeof key === 'string' ? key : undefined;
    },
    take({ request }, key, body) {
      const site = sites.byKey(key);
      if (site === undefined)
        throw new HttpProblem('unauthorized', 'the browser key does not belong to any site', {
          parameter: 'key',
        });
      const client = clientOf(request, config, clock());
      return door.take(site, client, eventsIn(body, client));
    },
  };
}

/** The events in a body. Throws `body-too-large` if there are more than `maxEvents`. */
function eventsIn(body: unknown, client: Client): readonly (SiteEvent | Refusal)[] {
  const { events, sentAt } = isObject(body) ? body : { events: body, sentAt: undefined };
  const list: readonly unknown[] = Array.isArray(events) ? events : [body];
  if (list.length > maxEvents)
    throw new HttpProblem('body-too-large', `more than ${maxEvents} events in a request of a page`, {
      parameter: 'body',
    });
  const isClock = typeof sentAt === 'number' && Number.isFinite(sentAt);
  return list.map((event) => eventOf(event, isClock ? { sentAt, receivedAt: client.receivedAt } : undefined));
}

function eventOf(event: unknown, clocks: Clocks | undefined): SiteEvent | Refusal {
  if (!isObject(event)) return refused('event', `must be a JSON object, got ${show(event)}`);
  const { type, url, referrer, timestamp, eventId, visitor, user, proof } = event;
  if (type !== 'pageview' && type !== 'identify')
    return refused('type', `must be "pageview" or "identify" with a browser key, got ${show(type)}`);
  return {
    type,
    url,
    referrer,
    timestamp: clocks === undefined ? timestamp : byOurClock(timestamp, clocks),
    eventId,
    visitor,
    user,
    proof,
    warnings: warningsOf(event),
  };
}

function warningsOf(event: Readonly<Record<string, unknown>>): readonly Warning[] {
  const unknown = Object.keys(event).filter((name) => !eventFields.has(name) && !bodyFields.has(name));
  return unknown.slice(0, maxFieldsNamed).map((name) => ({
    field: name.slice(0, 64),
    message: `${show(name)} is not a field that a page may send and was dropped`,
  }));
}
