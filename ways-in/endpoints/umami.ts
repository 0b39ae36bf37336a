/**
 * Umami's `POST /api/send`: `{type: event | identify | performance, payload: {website, hostname, url, ...}}`, and `POST /api/batch` with an array of these, all of one
 * website. An event without a `name` is a pageview. The script keeps no id: a visitor is identified by address and browser, for one day. After
 * `umami.identify(id)` all payloads have the `id` of the user. If the site requires a proof, it goes into the data of the call: `umami.identify(id, {proof})`.
 *
 * The reply has no `cache` token, so the script sends none back, and there is no session state here.
 */
import { z } from 'zod';
import { show } from '../../lib/errors/show.js';
import type { Route } from '../../lib/http/route.js';
import { isObject, type JsonObject } from '../logs/json-line.js';
import { refused, type Ignored, type Refusal, type SiteEvent } from '../sites/site-event.js';
import {
  beaconBytes,
  endpointRoute,
  listIn,
  objectIn,
  throwIfRejected,
  siteNamed,
  type EndpointDeps,
} from './endpoint.js';

export function umamiRoutes(deps: EndpointDeps): readonly Route[] {
  return [
    endpointRoute(deps, {
      tracker: 'umami',
      doc: {
        method: 'post',
        path: '/api/send',
        operationId: 'umamiSend',
        summary: 'Take an event of an Umami client',
        description:
          'Pageviews and identify calls are taken; other events are counted by name only. See docs/moving.md.',
      },
      bodyBytes: beaconBytes,
      response: { status: 200, description: 'taken', content: { 'application/json': z.object({}) } },
      read: ({ body, client }) => {
        const { type, payload } = objectIn(body);
        const fields = objectIn(payload);
        return {
          site: siteNamed(deps.sites, 'umami', fields['website'], 'payload.website'),
          events: [eventOf(type, fields, client.origin)],
        };
      },
      reply: (answer) => {
        throwIfRejected(answer);
        return { contentType: 'application/json', body: '{}' };
      },
    }),
    endpointRoute(deps, {
      tracker: 'umami',
      doc: {
        method: 'post',
        path: '/api/batch',
        operationId: 'umamiBatch',
        summary: 'Take an array of events of an Umami client',
        description:
          'As /api/send, for one website. The reply is 200 also where events are refused; it names them.',
      },
      bodyBytes: batchLimits.bodyBytes,
      content: z.array(z.looseObject({})),
      response: { status: 200, description: 'taken', content: { 'application/json': batchReply } },
      read: ({ body, client }) => {
        const list = listIn(body, 'the body', batchLimits.events);
        const website = list.map(websiteOf).find((one) => one !== undefined);
        const events = list.map((event) => eventOfBatch(event, website, client.origin));
        return { site: siteNamed(deps.sites, 'umami', website, 'payload.website'), events };
      },
      reply: ({ rejected }, { events }) => {
        const details = rejected.map(({ index, reason }) => ({ index, response: { error: reason } }));
        const [size, errors] = [events.length, details.length];
        return {
          contentType: 'application/json',
          body: JSON.stringify({ size, processed: size - errors, errors, details } satisfies z.infer<
            typeof batchReply
          >),
        };
      },
    }),
  ];
}

const batchLimits = { bodyBytes: 500 * 1024, events: 2_500 } as const;

const batchReply = z.object({
  size: z.number(),
  processed: z.number(),
  errors: z.number(),
  details: z.array(z.object({ index: z.number(), response: z.object({ error: z.string() }) })),
});

function websiteOf(event: unknown): unknown {
  return isObject(event) && isObject(event['payload']) ? event['payload']['website'] : undefined;
}

function eventOfBatch(
  event: unknown,
  website: unknown,
  origin: string | undefined,
): SiteEvent | Refusal | Ignored {
  if (!isObject(event) || !isObject(event['payload']))
    return refused('event', `must be an object with a payload, got ${show(event)}`);
  const own = websiteOf(event);
  if (own !== website) return refused('payload.website', `must be that of the whole batch, got ${show(own)}`);
  return eventOf(event['type'], event['payload'], origin);
}

function eventOf(
  type: unknown,
  payload: JsonObject,
  origin: string | undefined,
): SiteEvent | Refusal | Ignored {
  const { name, id, data, timestamp, ip, userAgent } = payload;
  const isNamed = typeof name === 'string' && name !== '';
  if (type === 'performance' || (type === 'event' && isNamed))
    return { kind: 'ignored', name: `umami ${isNamed ? name : 'performance'}` };
  const user = id ?? undefined;
  if (type === 'identify' && user === undefined)
    return { kind: 'ignored', name: 'umami identify without id' };
  const who = {
    user,
    proof: isObject(data) ? data['proof'] : undefined,
    timestamp: typeof timestamp === 'number' ? timestamp * 1_000 : (timestamp ?? undefined),
    address: ip ?? undefined,
    userAgent: userAgent ?? undefined,
  };
  if (type === 'identify') return { type, joinsDay: true, ...who };
  if (type === 'event') return pageview(payload, origin, who);
  return refused('type', `must be "event", "identify" or "performance", got ${show(type)}`);
}

/** Reads a pageview. Its `url` is absolute, or a path on `hostname`. */
function pageview(
  { url, hostname, referrer }: JsonObject,
  origin: string | undefined,
  who: Partial<SiteEvent>,
): SiteEvent | Refusal {
  const base = baseOf(hostname, origin);
  if (base === undefined && !isWhole(url))
    return refused('hostname', `must be a host name, got ${show(hostname)}`);
  const whole = (text: unknown): unknown =>
    typeof text !== 'string' || isWhole(text) ? text : `${base}${text.startsWith('/') ? '' : '/'}${text}`;
  const from = referrer === '' || referrer === null ? undefined : referrer;
  return {
    ...who,
    type: 'pageview',
    url: whole(url),
    referrer: typeof from === 'string' && from.startsWith('/') ? whole(from) : from,
  };
}

/** Scheme and host for relative URLs: the page's origin if it is that host, else https and `hostname`. */
function baseOf(hostname: unknown, origin: string | undefined): string | undefined {
  const page = origin === undefined || !URL.canParse(origin) ? undefined : new URL(origin);
  if (page !== undefined && (hostname === page.hostname || hostname === undefined)) return page.origin;
  return typeof hostname === 'string' && hostname !== '' ? `https://${hostname}` : undefined;
}

function isWhole(url: unknown): boolean {
  return typeof url === 'string' && /^[a-z][a-z0-9+.-]*:/i.test(url);
}
