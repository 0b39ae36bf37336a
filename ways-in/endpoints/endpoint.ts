/**
 * What the endpoints of other trackers have in common. Their clients send no key of ours, so the site is found by the name they send, or by the page; the door
 * (`SiteDoor.take`) does the rest. Each wire format is one file in this folder: it reads a request into events and writes the reply its client expects.
 * Errors are problem+json as everywhere, because the clients only look at the status.
 */
import type { IncomingMessage } from 'node:http';
import type { Request } from 'express';
import { z } from 'zod';
import type { IntakeAnswer } from '../../ingest/intake.js';
import { show } from '../../lib/errors/show.js';
import { parseJsonBody } from '../../lib/http/body.js';
import { HttpProblem, type ProblemName } from '../../lib/http/problem.js';
import { route, type ResponseDoc, type Route, type RouteDoc } from '../../lib/http/route.js';
import type { Clock } from '../../lib/time/clock.js';
import { isObject, type JsonObject } from '../logs/json-line.js';
import { clientOf, type Client, type ClientConfig } from '../sites/client.js';
import type { SiteDoor } from '../sites/site-door.js';
import type { Ignored, Refusal, SiteEvent } from '../sites/site-event.js';
import type { NamingTracker, Site, Sites, Tracker } from '../sites/site.js';

/** Maximum body of a format that sends one event at a time, in bytes: the limit of browsers for sendBeacon(). */
export const beaconBytes = 65_536;

export interface EndpointDeps {
  readonly sites: Sites;
  readonly door: SiteDoor;
  readonly config: ClientConfig;
  readonly clock: Clock;
}

/** A request as a wire format reads it. */
export interface EndpointRequest {
  readonly client: Client;
  readonly request: Request;
  readonly query: Readonly<Record<string, string | undefined>>;
  /** Parsed JSON; undefined if the route takes no body. */
  readonly body: unknown;
}

/** What a wire format has read from a request. */
export interface Reading {
  readonly site: Site;
  readonly events: readonly (SiteEvent | Refusal | Ignored)[];
}

export interface Reply {
  readonly contentType: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Wire {
  readonly tracker: Tracker;
  readonly doc: Pick<RouteDoc, 'method' | 'path' | 'operationId' | 'summary' | 'description'>;
  readonly query?: Readonly<Record<string, z.ZodType<string | undefined>>>;
  /** Maximum body in bytes. Without it the route takes no body. */
  readonly bodyBytes?: number;
  /** Schema of the body; by default any object. */
  readonly content?: z.ZodType;
  readonly response: ResponseDoc;
  readonly problems?: readonly ProblemName[];
  /** Throws `unauthorized`, `invalid-body`, `body-too-large`. */
  read(request: EndpointRequest): Reading;
  /** Makes the reply. Throws if the client must see the request fail; see `throwIfRejected`. */
  reply(answer: IntakeAnswer, reading: Reading): Reply;
}

const anyObject = z.looseObject({});

export function endpointRoute({ sites, door, config, clock }: EndpointDeps, wire: Wire): Route {
  const {
    tracker,
    doc,
    query = {},
    bodyBytes,
    content = anyObject,
    response: responseDoc,
    problems = [],
  } = wire;
  return route({
    ...doc,
    scope: 'write',
    foreignKeys: { claims: () => true, allows: (origin) => sites.byPage(tracker, origin) !== undefined },
    query,
    ...(bodyBytes === undefined
      ? {}
      : {
          body: {
            description: `at most ${bodyBytes} bytes`,
            content: { 'application/json': content, 'text/plain': content },
            limitBytes: bodyBytes,
          },
        }),
    responses: [responseDoc],
    problems: [...problems, 'log-unavailable', 'too-many-requests'],
    handle: async (exchange, input) => {
      const { request, response } = exchange;
      const client = clientOf(request, config, clock());
      const body = bodyBytes === undefined ? undefined : parseJsonBody(exchange.body);
      const reading = wire.read({ client, request, query: input.query, body });
      const events = request.method === 'HEAD' ? [] : reading.events;
      const reply = wire.reply(await door.take(reading.site, client, events), reading);
      response
        .writeHead(responseDoc.status, {
          'Content-Type': reply.contentType,
          'Content-Length': Buffer.byteLength(reply.body),
          'Cache-Control': 'no-store',
          ...reply.headers,
        })
        .end(reply.body);
    },
  });
}

/** The body as an object. Throws `invalid-body` if it is not one. */
export function objectIn(body: unknown): JsonObject {
  if (isObject(body)) return body;
  throw new HttpProblem('invalid-body', `must be a JSON object, got ${show(body)}`, { parameter: 'body' });
}

/** The site that has one of the comma-separated names in `trackers`. Throws `unauthorized` if there is none. */
export function siteNamed(sites: Sites, tracker: NamingTracker, names: unknown, field: string): Site {
  const list = typeof names === 'string' ? names.split(',') : [];
  for (const name of list) {
    const site = sites.byNameElsewhere(tracker, name.trim());
    if (site !== undefined) return site;
  }
  throw new HttpProblem('unauthorized', `no site has ${show(names)} among its names in trackers.${tracker}`, {
    parameter: field,
  });
}

/** The client's key from `Authorization: Basic base64(key:)` or `Bearer key`; undefined without one. */
export function keyIn({ headers: { authorization = '' } }: IncomingMessage): string | undefined {
  const [, scheme = '', value = ''] = /^(Basic|Bearer) +(\S{1,1024}) *$/i.exec(authorization) ?? [];
  if (value === '') return undefined;
  return scheme.toLowerCase() === 'basic'
    ? Buffer.from(value, 'base64').toString('utf8').split(':')[0]
    : value;
}

/** The events of a batch. Throws `invalid-body` if it is not an array, `body-too-large` if it has more than `maxEvents`. */
export function listIn(value: unknown, field: string, maxEvents: number): readonly unknown[] {
  if (!Array.isArray(value))
    throw new HttpProblem('invalid-body', `${field} must be an array, got ${show(value)}`, {
      parameter: 'body',
    });
  if (value.length > maxEvents)
    throw new HttpProblem('body-too-large', `more than ${maxEvents} events in a batch`, {
      parameter: 'body',
    });
  return value;
}

/** Throws `problem` if the event was rejected, for formats that send one event at a time. */
export function throwIfRejected(
  { rejected: [first] }: IntakeAnswer,
  problem: ProblemName = 'invalid-body',
): void {
  if (first !== undefined) throw new HttpProblem(problem, first.reason);
}
