/**
 * Umami's `POST /api/send`: `{type: event | identify | performance, payload: {website, hostname, url, ...}}`. An event without a `name` is a pageview. The script
 * keeps no id: visitors are told apart by address and browser for a day. After `umami.identify(id)` all payloads carry the `id` of the user;
 * a proof that a site wants goes into the data of the call: `umami.identify(id, {proof})`.
 *
 * The reply has no `cache` token, so the script sends none back: nothing is kept for it here.
 */
import { z } from 'zod';
import { show } from '../../lib/errors/show.js';
import type { Route } from '../../lib/http/route.js';
import { isObject, type JsonObject } from '../logs/json-line.js';
import { refused, type Ignored, type Refusal, type SiteEvent } from '../sites/site-event.js';
import {
  beaconBytes,
  endpointRoute,
  objectIn,
  orRejection,
  siteCalled,
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
          site: siteCalled(deps.sites, 'umami', fields['website'], 'payload.website'),
          events: [eventOf(type, fields, client.origin)],
        };
      },
      reply: (answer) => {
        orRejection(answer);
        return { contentType: 'application/json', body: '{}' };
      },
    }),
  ];
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

/** A `url` may be a whole one, or a path of the `hostname`. */
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

/** Scheme and host of paths: as the page has them, where it says which it is. */
function baseOf(hostname: unknown, origin: string | undefined): string | undefined {
  const page = origin === undefined || !URL.canParse(origin) ? undefined : new URL(origin);
  if (page !== undefined && (hostname === page.hostname || hostname === undefined)) return page.origin;
  return typeof hostname === 'string' && hostname !== '' ? `https://${hostname}` : undefined;
}

function isWhole(url: unknown): boolean {
  return typeof url === 'string' && /^[a-z][a-z0-9+.-]*:/i.test(url);
}
