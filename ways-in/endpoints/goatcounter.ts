/**
 * GoatCounter's `/count`: a pixel (GET), or a beacon without a body (POST), with everything in the query: `p` path, `r` referrer, `q` query, `e` an event, `b` why the
 * client takes itself for a bot. It says no host and no site: that is the page's, as the browser tells it in Origin or Referer.
 */
import { z } from 'zod';
import type { IntakeAnswer } from '../../ingest/intake.js';
import { HttpProblem } from '../../lib/http/problem.js';
import type { Route } from '../../lib/http/route.js';
import type { Client } from '../sites/client.js';
import type { Ignored, SiteEvent } from '../sites/site-event.js';
import type { Site } from '../sites/site.js';
import { endpointRoute, orRejection, type Asked, type EndpointDeps, type Reply } from './endpoint.js';

/** One transparent pixel. */
const gif = Buffer.from('R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==', 'base64');
/** Also pages that embed only what allows it may show it. */
const forAllPages = { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' };
/** From here on `b` says that the browser is driven by a program. */
const firstBotReason = 150;

const text = (description: string) => z.string().optional().describe(description);
const query = {
  p: text('Path of the page, or name of the event'),
  t: text('Title; not kept'),
  r: text('Referrer'),
  e: text('"true" for an event, which is counted by name only'),
  s: text('Size of the screen; not kept'),
  b: text(`Why the client takes itself for a bot; such hits are not counted from ${firstBotReason} on`),
  q: text('Query of the page'),
  rnd: text('Keeps caches out'),
  ns: text('Without sessions; not looked at'),
};

export function goatCounterRoutes(deps: EndpointDeps): readonly Route[] {
  const wire = {
    tracker: 'goatcounter',
    query,
    response: { status: 200, description: 'taken', content: { 'image/gif': undefined } },
    problems: ['invalid-parameter', 'foreign-origin'],
    read: ({ client, query: asked }: Asked) => ({
      site: siteOf(deps, client),
      events: [eventOf(client, asked)],
    }),
    reply: (answer: IntakeAnswer): Reply => {
      orRejection(answer, 'invalid-parameter');
      return { contentType: 'image/gif', body: gif, headers: forAllPages };
    },
  } as const;
  const description = 'Pageviews are counted; events are counted by name only. See docs/moving.md.';
  return [
    endpointRoute(deps, {
      ...wire,
      doc: {
        method: 'get',
        path: '/count',
        operationId: 'goatCounterPixel',
        summary: 'The pixel of GoatCounter',
        description,
      },
    }),
    endpointRoute(deps, {
      ...wire,
      doc: {
        method: 'post',
        path: '/count',
        operationId: 'goatCounterBeacon',
        summary: 'The beacon of GoatCounter',
        description,
      },
    }),
  ];
}

function siteOf({ sites }: EndpointDeps, { origin }: Client): Site {
  const site = origin === undefined ? undefined : sites.byPage('goatcounter', origin);
  if (site !== undefined) return site;
  throw new HttpProblem(
    'foreign-origin',
    'the page that sends is not one of a site with trackers.goatcounter',
    {
      parameter: 'Referer',
    },
  );
}

function eventOf({ origin = '' }: Client, { p = '', r, e, b, q = '' }: Asked['query']): SiteEvent | Ignored {
  if (Number(b) >= firstBotReason) return { kind: 'ignored', name: 'goatcounter bot' };
  if (e === 'true') return { kind: 'ignored', name: `goatcounter ${p}` };
  const path = `${p.startsWith('/') ? '' : '/'}${p}`;
  const asked = q === '' || path.includes('?') ? '' : `${q.startsWith('?') ? '' : '?'}${q}`;
  const { origin: base } = new URL(origin);
  return { type: 'pageview', url: `${base}${path}${asked}`, referrer: r === '' ? undefined : r };
}
