/**
 * GoatCounter's `/count`: a pixel (GET), or a beacon without a body (POST), with everything in the query: `p` path, `r` referrer, `q` query, `e` an event, `b` why the
 * client thinks it is a bot. The query names neither host nor site: the browser names the page in Origin or Referer.
 *
 * `POST /api/v0/count` is for servers: `{hits: [{path, ref, query, event, bot, user_agent, ip, created_at, session}]}`, at most 500, with a token in `Authorization: Bearer`,
 * which here is the site's key. Paths belong to the site's first domain.
 */
import { z } from 'zod';
import type { IntakeAnswer } from '../../ingest/intake.js';
import { show } from '../../lib/errors/show.js';
import { HttpProblem } from '../../lib/http/problem.js';
import type { Route } from '../../lib/http/route.js';
import type { Client } from '../sites/client.js';
import { isObject } from '../logs/json-line.js';
import { refused, type Ignored, type Refusal, type SiteEvent } from '../sites/site-event.js';
import { accepts, type Site } from '../sites/site.js';
import {
  endpointRoute,
  keyIn,
  listIn,
  objectIn,
  throwIfRejected,
  type EndpointRequest,
  type EndpointDeps,
  type Reply,
} from './endpoint.js';

/** A transparent GIF of one pixel. */
const gif = Buffer.from('R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==', 'base64');
/** Lets pages with a Cross-Origin-Embedder-Policy show the pixel, too. */
const forAllPages = { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' };
/** Values of `b` from here on mean that a program controls the browser. */
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
    read: ({ client, query: fields }: EndpointRequest) => ({
      site: siteOf(deps, client),
      events: [eventOf(client.origin ?? '', fields)],
    }),
    reply: (answer: IntakeAnswer): Reply => {
      throwIfRejected(answer, 'invalid-parameter');
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
    endpointRoute(deps, {
      tracker: 'goatcounter',
      doc: {
        method: 'post',
        path: '/api/v0/count',
        operationId: 'goatCounterCount',
        summary: 'Take hits of a GoatCounter client on a server',
        description: `${description} The token is the key of a site with "fromServers". The reply is 202 also where hits are rejected; it names them.`,
      },
      bodyBytes: hitLimits.bodyBytes,
      response: { status: 202, description: 'taken', content: { 'application/json': hitsReply } },
      read: ({ request, body }) => {
        const site = siteOfToken(deps, keyIn(request));
        const { hits } = objectIn(body);
        return { site, events: listIn(hits, 'hits', hitLimits.hits).map((hit) => eventOfHit(hit, site)) };
      },
      reply: ({ rejected }) => {
        const errors = Object.fromEntries(rejected.map(({ index, reason }) => [index, reason]));
        const answer = { status: 'ok' as const, ...(rejected.length === 0 ? {} : { errors }) };
        return { contentType: 'application/json', body: JSON.stringify(answer) };
      },
    }),
  ];
}

const hitLimits = { bodyBytes: 500 * 1024, hits: 500 } as const;

const hitsReply = z.object({ status: z.literal('ok'), errors: z.record(z.string(), z.string()).optional() });

function siteOfToken({ sites }: EndpointDeps, token: string | undefined): Site {
  const site = token === undefined ? undefined : sites.byKey(token);
  if (site !== undefined && accepts(site, 'goatcounter')) return site;
  throw new HttpProblem('unauthorized', 'the token is not the key of a site with trackers.goatcounter', {
    parameter: 'Authorization',
  });
}

function eventOfHit(hit: unknown, site: Site): SiteEvent | Ignored | Refusal {
  if (!isObject(hit)) return refused('hit', `must be a JSON object, got ${show(hit)}`);
  const {
    path,
    ref,
    query: search,
    event,
    bot,
    user_agent: userAgent,
    ip,
    created_at: timestamp,
    session,
  } = hit;
  if (typeof path !== 'string' || path === '') return refused('path', `must be a text, got ${show(path)}`);
  const view = eventOf(`https://${site.domains[0] ?? ''}`, {
    p: path,
    q: typeof search === 'string' ? search : undefined,
    e: event === true ? 'true' : undefined,
    b: typeof bot === 'number' ? String(bot) : undefined,
  });
  if ('kind' in view) return view;
  return {
    ...view,
    referrer: ref === '' ? undefined : (ref ?? undefined),
    timestamp: timestamp ?? undefined,
    visitor: session === '' ? undefined : (session ?? undefined),
    address: ip === '' ? undefined : (ip ?? undefined),
    userAgent: userAgent === '' ? undefined : (userAgent ?? undefined),
  };
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

function eventOf(origin: string, { p = '', r, e, b, q = '' }: EndpointRequest['query']): SiteEvent | Ignored {
  if (Number(b) >= firstBotReason) return { kind: 'ignored', name: 'goatcounter bot' };
  if (e === 'true') return { kind: 'ignored', name: `goatcounter ${p}` };
  const path = `${p.startsWith('/') ? '' : '/'}${p}`;
  const search = q === '' || path.includes('?') ? '' : `${q.startsWith('?') ? '' : '?'}${q}`;
  const { origin: base } = new URL(origin);
  return { type: 'pageview', url: `${base}${path}${search}`, referrer: r === '' ? undefined : r };
}
