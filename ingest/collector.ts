/**
 * The route of the collector: `POST /v1/events` takes one fact, an array, or NDJSON, and answers 202 only when the accepted
 * facts are durable in the log. The answer names rejected facts by index, with the reason; the others are accepted. If the
 * log cannot accept facts, the answer is 503 with Retry-After and the client sends the facts again.
 */
import type { Request } from 'express';
import { z } from 'zod';
import { edgeSchema, exclusionSchema, pageviewSchema } from '../facts/outside.js';
import { mediaTypeOf } from '../lib/http/body.js';
import { nestingProblem } from '../lib/http/nesting.js';
import { HttpProblem } from '../lib/http/problem.js';
import { route, type Exchange, type Route } from '../lib/http/route.js';
import { maxWarnings, type Candidate, type Intake, type IntakeAnswer } from './intake.js';
import { browserKeys, type BrowserEvents } from './way-in.js';

/** Maximum size of a request: bytes of the body, and number of facts. */
export const collectorLimits = { bodyBytes: 1024 * 1024, facts: 5_000 } as const;

export interface CollectorDeps {
  readonly intake: Intake;
  /** Takes requests with browser keys; undefined if no sites are configured. */
  readonly browserEvents?: BrowserEvents | undefined;
}

const factSchema = z.union([pageviewSchema, edgeSchema, exclusionSchema]);
const factsSchema = z.union([factSchema, z.array(factSchema)]);
const ndjsonTypes: readonly string[] = ['application/x-ndjson', 'application/ndjson'];
/** JSON may be sent as text/plain, or without a type, because a page can send that to another origin without a CORS preflight. */
const bodyTypes = {
  'application/json': factsSchema,
  'text/plain': factsSchema,
  ...Object.fromEntries(ndjsonTypes.map((type) => [type, undefined])),
};

const answerSchema = z.object({
  accepted: z.number(),
  rejected: z.array(z.object({ index: z.number(), reason: z.string() })),
  warnings: z
    .array(z.object({ index: z.number(), field: z.string(), message: z.string() }))
    .describe(`What was changed in accepted facts: the first ${maxWarnings}, each with the fact's index.`),
  moreWarnings: z.number().optional().describe('Number of warnings left out, if any.'),
});

/** The collector's routes. */
export function collectorRoutes(deps: CollectorDeps): readonly Route[] {
  return [
    route({
      method: 'post',
      path: '/v1/events',
      operationId: 'sendEvents',
      summary: 'Send facts: one, an array, or NDJSON',
      description:
        'The reply is sent when the accepted facts are durable. Rejected facts are named by index; the others are stored. Unknown fields are dropped and texts that are too long are truncated, with a warning. With keys, exclusions are taken from those with the scope admin alone.',
      scope: 'write',
      anyOrigin: true,
      ...(deps.browserEvents === undefined ? {} : { foreignKeys: browserKeys(deps.browserEvents) }),
      query: {
        key: z
          .string()
          .max(512)
          .optional()
          .describe(
            'Browser key of a site (SWA_SITES), in place of a key of SWA_API_KEYS. It may stand in the body, too.',
          ),
      },
      body: {
        description: `at most ${collectorLimits.facts} facts and ${collectorLimits.bodyBytes} bytes`,
        content: bodyTypes,
        limitBytes: collectorLimits.bodyBytes,
      },
      responses: [{ status: 202, description: 'durable', content: { 'application/json': answerSchema } }],
      problems: ['log-unavailable', 'invalid-parameter', 'too-many-requests'],
      handle: (exchange, { query }) => collect(deps, exchange, query.key),
    }),
  ];
}

async function collect(deps: CollectorDeps, exchange: Exchange, key: string | undefined): Promise<void> {
  const answer = (await takeFromPage(deps, exchange, key)) ?? (await takeFacts(deps, exchange));
  const body = JSON.stringify(answer);
  exchange.response
    .writeHead(202, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
    .end(body);
}

/** Handles a request with a browser key; undefined if it has none. */
async function takeFromPage(
  { browserEvents }: CollectorDeps,
  exchange: Exchange,
  keyInQuery: string | undefined,
): Promise<IntakeAnswer | undefined> {
  if (browserEvents === undefined) {
    if (keyInQuery === undefined) return undefined;
    throw new HttpProblem('unauthorized', 'there are no browser keys here: SWA_SITES is not set', {
      parameter: 'key',
    });
  }
  const { request, body: text } = exchange;
  // With an Authorization header, the body is not searched for a browser key.
  if (keyInQuery === undefined && request.headers.authorization !== undefined) return undefined;
  if (keyInQuery === undefined && !mayCarryKey(text)) return undefined;
  const isTooLarge = Buffer.byteLength(text) > browserBodyBytes;
  if (keyInQuery !== undefined && isTooLarge) throw tooLargeForPage();
  const parsed = parseJson(text);
  const value = parsed.kind === 'fact' ? parsed.value : undefined;
  const key = keyInQuery ?? browserEvents.keyIn(value);
  if (key === undefined) return undefined;
  if (isTooLarge) throw tooLargeForPage();
  if (parsed.kind === 'refused') throw invalidBody(parsed.reason);
  return browserEvents.take(exchange, key, value);
}

/** Maximum body of a request with a browser key: the limit of browsers for sendBeacon(). */
const browserBodyBytes = 65_536;

/** Whether the body may hold a browser key. Large bodies, by characters, are not parsed: pages do not send them. */
function mayCarryKey(text: string): boolean {
  return text.length <= browserBodyBytes && text.trimStart().startsWith('{');
}

function tooLargeForPage(): HttpProblem {
  return new HttpProblem(
    'body-too-large',
    `with a browser key a body has at most ${browserBodyBytes} bytes`,
    {
      parameter: 'body',
    },
  );
}

function takeFacts({ intake }: CollectorDeps, exchange: Exchange): Promise<IntakeAnswer> {
  exchange.requireKey();
  const { request, body, may } = exchange;
  const defaults = { userAgent: browserAgent(request) };
  return intake.take(readCandidates(mediaTypeOf(request), body), defaults, { mayExclude: may('admin') });
}

/** The request's user agent if a browser sent it: browsers send headers that scripts on a server do not. */
function browserAgent({ headers }: Request): string | undefined {
  const isBrowser = headers.origin !== undefined || headers['sec-fetch-site'] !== undefined;
  return isBrowser ? headers['user-agent'] : undefined;
}

function readCandidates(type: string | undefined, text: string): readonly Candidate[] {
  if (text.trim() === '') throw invalidBody('the body is empty; send a fact, an array of facts, or NDJSON');
  return type !== undefined && ndjsonTypes.includes(type) ? readLines(text) : readJson(text);
}

function readJson(text: string): readonly Candidate[] {
  const parsed = parseJson(text);
  if (parsed.kind === 'refused')
    throw invalidBody(isNdjson(text) ? `this is NDJSON: ${sendNdjson}` : parsed.reason);
  const values: readonly unknown[] = Array.isArray(parsed.value) ? parsed.value : [parsed.value];
  requireFactLimit(values.length);
  return values.map((value) => ({ kind: 'fact', value }));
}

const sendNdjson = `send it with Content-Type: ${ndjsonTypes[0]}`;

/** Whether the first line is a JSON object by itself. */
function isNdjson(text: string): boolean {
  const [first = ''] = text.trimStart().split('\n', 1);
  return first.startsWith('{') && parseJson(first).kind === 'fact';
}

function readLines(text: string): readonly Candidate[] {
  const lines: string[] = [];
  for (let from = 0; from < text.length;) {
    const end = text.indexOf('\n', from);
    const line = text.slice(from, end < 0 ? text.length : end).trim();
    from = end < 0 ? text.length : end + 1;
    if (line !== '') lines.push(line);
    requireFactLimit(lines.length);
  }
  if (!isNdjson(text) && parseJson(text).kind === 'fact')
    throw invalidBody('this is one JSON document, not NDJSON: send it with Content-Type: application/json');
  return lines.map(parseJson);
}

function requireFactLimit(facts: number): void {
  if (facts <= collectorLimits.facts) return;
  throw new HttpProblem('body-too-large', `more than ${collectorLimits.facts} facts in a request`, {
    parameter: 'body',
  });
}

function invalidBody(detail: string): HttpProblem {
  return new HttpProblem('invalid-body', detail, { parameter: 'body' });
}

type Parsed = Exclude<Candidate, { readonly kind: 'passed' }>;

function parseJson(text: string): Parsed {
  const problem = nestingProblem(text);
  if (problem !== undefined) return { kind: 'refused', field: 'body', reason: problem };
  try {
    return { kind: 'fact', value: JSON.parse(text) };
  } catch (error) {
    return {
      kind: 'refused',
      field: 'body',
      reason: `not JSON: ${error instanceof Error ? error.message : 'unreadable'}`,
    };
  }
}
