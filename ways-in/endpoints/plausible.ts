/**
 * Plausible's events API, `POST /api/event`: one event as JSON, which browsers send as text/plain. Fields have a short name (`n`, `u`, `d`, `r`, `h`) in the
 * scripts and a long one in the documentation. Clients keep no id: a visitor is identified by address and browser, for one day.
 */
import { show } from '../../lib/errors/show.js';
import type { Route } from '../../lib/http/route.js';
import { refused, type Ignored, type Refusal, type SiteEvent } from '../sites/site-event.js';
import {
  beaconBytes,
  endpointRoute,
  objectIn,
  throwIfRejected,
  siteNamed,
  type EndpointDeps,
} from './endpoint.js';

export function plausibleRoutes(deps: EndpointDeps): readonly Route[] {
  return [
    endpointRoute(deps, {
      tracker: 'plausible',
      doc: {
        method: 'post',
        path: '/api/event',
        operationId: 'plausibleEvent',
        summary: 'Take an event of a Plausible client',
        description: 'Pageviews are counted; other events are counted by name only. See docs/moving.md.',
      },
      bodyBytes: beaconBytes,
      response: { status: 202, description: 'taken', content: { 'text/plain': undefined } },
      read: ({ body }) => {
        const event = objectIn(body);
        const field = (short: string, long: string): unknown => event[short] ?? event[long] ?? undefined;
        return {
          site: siteNamed(deps.sites, 'plausible', field('d', 'domain'), 'domain'),
          events: [eventOf(field)],
        };
      },
      reply: (answer) => {
        throwIfRejected(answer);
        return { contentType: 'text/plain; charset=utf-8', body: 'ok' };
      },
    }),
  ];
}

function eventOf(field: (short: string, long: string) => unknown): SiteEvent | Refusal | Ignored {
  const name = field('n', 'name');
  if (typeof name !== 'string' || name === '') return refused('name', `must be a text, got ${show(name)}`);
  if (name !== 'pageview') return { kind: 'ignored', name: `plausible ${name}` };
  const url = field('u', 'url');
  const hashMode = field('h', 'hashMode');
  return {
    type: 'pageview',
    url: hashMode === 1 || hashMode === true ? withRoute(url) : url,
    referrer: field('r', 'referrer'),
  };
}

/** Turns `/app#/orders` into `/app/orders`, for pages that have their routes after `#`. */
function withRoute(url: unknown): unknown {
  const [, page = '', route] =
    (typeof url === 'string' && /^([^?#]*)(?:\?[^#]*)?#!?(\/.*)$/s.exec(url)) || [];
  return route === undefined ? url : page.replace(/\/$/, '') + route;
}
