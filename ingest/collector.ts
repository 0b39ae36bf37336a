/**
 * The collector: `POST /v1/events` takes one fact, an array, or NDJSON, and answers 202 only when the facts it accepted
 * are durable in the log. A refused fact gets its reason by index; the others go in. When the log cannot take more the
 * answer is 503 with Retry-After and nothing is dropped in silence: the client still has its facts.
 */
import type { Request } from 'express';
import { z } from 'zod';
import type { Clock } from '../lib/time/clock.js';
import { SwaError } from '../lib/errors/errors.js';
import { admit, type Warning } from '../facts/door.js';
import { edgeSchema, pageviewSchema } from '../facts/outside.js';
import { encodeRecord } from '../facts/record.js';
import { mediaTypeOf } from '../lib/http/body.js';
import { HttpProblem } from '../lib/http/problem.js';
import { route, type Exchange, type Route } from '../lib/http/route.js';
import type { LogWriter, NewRecord } from '../log/log.js';
import type { UrlRules } from '../facts/url/normalize.js';

/** Largest request: bytes of body and facts in it; and the warnings in an answer. */
export const collectorLimits = { bodyBytes: 1024 * 1024, facts: 5_000, warnings: 100 } as const;

export interface CollectorDeps {
  readonly log: Pick<LogWriter, 'append'>;
  readonly urls: UrlRules;
  readonly clock: Clock;
  readonly counters: CollectorCounters;
}

/** What the collector has done since it started, for status and metrics. */
export interface CollectorCounters {
  accepted: number;
  rejected: number;
  /** What was changed about accepted facts. */
  warnings: number;
  /** Rejections by the field that was refused. */
  readonly rejectedByField: Map<string, number>;
  /** Requests that got a 503. */
  unavailable: number;
}

export function newCounters(): CollectorCounters {
  return { accepted: 0, rejected: 0, warnings: 0, rejectedByField: new Map(), unavailable: 0 };
}

interface Rejection {
  readonly index: number;
  readonly reason: string;
}

const factSchema = z.union([pageviewSchema, edgeSchema]);
const factsSchema = z.union([factSchema, z.array(factSchema)]);
const ndjsonTypes: readonly string[] = ['application/x-ndjson', 'application/ndjson'];
/** JSON may come as text too, or without a type: what a page may send to another origin without asking first. */
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
    .describe(
      `What was changed about accepted facts: the first ${collectorLimits.warnings}, each with the fact's index.`,
    ),
  moreWarnings: z.number().optional().describe('How many warnings are left out, where some are.'),
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
        'Answered when the accepted facts are durable. A refused fact is named by its index; the others go in. Fields that are not known are dropped and texts that are too long are cut, with a warning.',
      scope: 'write',
      anyOrigin: true,
      body: {
        description: `at most ${collectorLimits.facts} facts and ${collectorLimits.bodyBytes} bytes`,
        content: bodyTypes,
        limitBytes: collectorLimits.bodyBytes,
      },
      responses: [{ status: 202, description: 'durable', content: { 'application/json': answerSchema } }],
      problems: ['log-unavailable'],
      handle: (exchange) => collect(deps, exchange),
    }),
  ];
}

/** How long facts are checked before others get their turn. */
const sliceMs = 8;

async function collect(deps: CollectorDeps, { request, response, body: text }: Exchange): Promise<void> {
  const candidates = readCandidates(mediaTypeOf(request), text);
  const receivedAt = deps.clock();
  const records: NewRecord[] = [];
  const rejected: Rejection[] = [];
  const warnings: (Warning & { readonly index: number })[] = [];
  let moreWarnings = 0;
  const defaults = { userAgent: browserAgent(request) };
  let sliceEndsAt = performance.now() + sliceMs;
  for (const [index, candidate] of candidates.entries()) {
    if (performance.now() >= sliceEndsAt) {
      await new Promise((resolve) => setImmediate(resolve));
      sliceEndsAt = performance.now() + sliceMs;
    }
    const admission = candidate.ok ? admit(candidate.value, receivedAt, deps.urls, defaults) : candidate;
    if (admission.ok) {
      records.push(encodeRecord(admission.fact, deps.urls));
      for (const warning of admission.warnings)
        if (warnings.length < collectorLimits.warnings) warnings.push({ index, ...warning });
        else moreWarnings++;
    } else {
      rejected.push({ index, reason: admission.reason });
      count(deps.counters.rejectedByField, admission.field);
    }
  }
  deps.counters.rejected += rejected.length;
  await append(deps, records);
  deps.counters.accepted += records.length;
  deps.counters.warnings += warnings.length + moreWarnings;
  const body = JSON.stringify({
    accepted: records.length,
    rejected,
    warnings,
    ...(moreWarnings === 0 ? {} : { moreWarnings }),
  });
  response
    .writeHead(202, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
    .end(body);
}

/** The request's user agent where a browser sent it, which is known by headers that scripts on a server do not send. */
function browserAgent({ headers }: Request): string | undefined {
  const isBrowser = headers.origin !== undefined || headers['sec-fetch-site'] !== undefined;
  return isBrowser ? headers['user-agent'] : undefined;
}

async function append(deps: CollectorDeps, records: readonly NewRecord[]): Promise<void> {
  if (records.length === 0) return;
  try {
    await deps.log.append(records);
  } catch (error) {
    if (!(error instanceof SwaError) || !error.retryable) throw error;
    deps.counters.unavailable++;
    throw new HttpProblem(
      'log-unavailable',
      'none of these facts is acknowledged; send them again with the same eventIds',
      {
        headers: { 'Retry-After': '1' },
        cause: error,
      },
    );
  }
}

type Candidate =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly field: string; readonly reason: string };

function readCandidates(type: string | undefined, text: string): readonly Candidate[] {
  if (text.trim() === '') throw invalidBody('the body is empty; send a fact, an array of facts, or NDJSON');
  return type !== undefined && ndjsonTypes.includes(type) ? readLines(text) : readJson(text);
}

function readJson(text: string): readonly Candidate[] {
  const parsed = parseJson(text);
  if (!parsed.ok) throw invalidBody(isNdjson(text) ? `this is NDJSON: ${sendNdjson}` : parsed.reason);
  const values: readonly unknown[] = Array.isArray(parsed.value) ? parsed.value : [parsed.value];
  requireFactLimit(values.length);
  return values.map((value) => ({ ok: true, value }));
}

const sendNdjson = `send it with Content-Type: ${ndjsonTypes[0]}`;

/** True when the first line is a JSON object by itself. */
function isNdjson(text: string): boolean {
  const [first = ''] = text.trimStart().split('\n', 1);
  return first.startsWith('{') && parseJson(first).ok;
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
  if (!isNdjson(text) && parseJson(text).ok)
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

function parseJson(text: string): Candidate {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (error) {
    return {
      ok: false,
      field: 'body',
      reason: `not JSON: ${error instanceof Error ? error.message : 'unreadable'}`,
    };
  }
}

function count(counts: Map<string, number>, field: string): void {
  const name = counts.has(field) || counts.size < 64 ? field : 'other';
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
