/**
 * The collector: `POST /v1/events` takes one fact, an array, or NDJSON, and answers 202 only when the facts it accepted
 * are durable in the log. A refused fact gets its reason by index; the others go in. When the log cannot take more the
 * answer is 503 with Retry-After and nothing is dropped in silence: the client still has its facts.
 */
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Clock } from '../lib/clock.js';
import { SwaError } from '../lib/errors.js';
import { admit, type Warning } from '../lib/facts/door.js';
import type { Fact } from '../lib/facts/fact.js';
import { edgeSchema, pageviewSchema } from '../lib/facts/outside.js';
import { encodeRecord } from '../lib/facts/record.js';
import { textReader } from '../lib/http/body.js';
import { HttpProblem } from '../lib/http/problem.js';
import { route, type Route } from '../lib/http/route.js';
import type { LogWriter } from '../lib/log/log.js';
import type { UrlRules } from '../lib/url/normalize.js';

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
const ndjsonTypes = ['application/x-ndjson', 'application/ndjson'];
/** JSON may come as text too: what a page may send to another origin without asking first. */
const bodyTypes = {
  'application/json': factsSchema,
  'text/plain': factsSchema,
  ...Object.fromEntries(ndjsonTypes.map((type) => [type, undefined])),
};
const readBody = textReader(Object.keys(bodyTypes), collectorLimits.bodyBytes);

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
      },
      responses: [{ status: 202, description: 'durable', content: { 'application/json': answerSchema } }],
      problems: ['log-unavailable'],
      handle: ({ request, response }) => collect(deps, request, response),
    }),
  ];
}

async function collect(deps: CollectorDeps, request: Request, response: Response): Promise<void> {
  const candidates = readCandidates(request, await readBody(request, response));
  const receivedAt = deps.clock();
  const facts: Fact[] = [];
  const rejected: Rejection[] = [];
  const warnings: (Warning & { readonly index: number })[] = [];
  let moreWarnings = 0;
  const defaults = { userAgent: browserAgent(request) };
  for (const [index, candidate] of candidates.entries()) {
    const admission = candidate.ok ? admit(candidate.value, receivedAt, deps.urls, defaults) : candidate;
    if (admission.ok) {
      facts.push(admission.fact);
      for (const warning of admission.warnings)
        if (warnings.length < collectorLimits.warnings) warnings.push({ index, ...warning });
        else moreWarnings++;
    } else {
      rejected.push({ index, reason: admission.reason });
      count(deps.counters.rejectedByField, admission.field);
    }
  }
  deps.counters.rejected += rejected.length;
  await append(deps, facts);
  deps.counters.accepted += facts.length;
  deps.counters.warnings += warnings.length + moreWarnings;
  const body = JSON.stringify({
    accepted: facts.length,
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

async function append(deps: CollectorDeps, facts: readonly Fact[]): Promise<void> {
  if (facts.length === 0) return;
  try {
    await deps.log.append(facts.map((fact) => encodeRecord(fact, deps.urls)));
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

function readCandidates(request: Request, text: string): readonly Candidate[] {
  const candidates = request.is(ndjsonTypes) ? readLines(text) : readJson(text);
  if (candidates.length > collectorLimits.facts) {
    const detail = `at most ${collectorLimits.facts} facts a request, got ${candidates.length}`;
    throw new HttpProblem('body-too-large', detail, { parameter: 'body' });
  }
  return candidates;
}

function readJson(text: string): readonly Candidate[] {
  if (text === '') {
    throw new HttpProblem('invalid-body', 'the body is empty; send a fact, an array of facts, or NDJSON', {
      parameter: 'body',
    });
  }
  const parsed = parseJson(text);
  if (!parsed.ok) {
    throw new HttpProblem('invalid-body', parsed.reason, { parameter: 'body' });
  }
  const values = Array.isArray(parsed.value) ? parsed.value : [parsed.value];
  return values.map((value: unknown) => ({ ok: true, value }));
}

function readLines(text: string): readonly Candidate[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.length > collectorLimits.facts
    ? lines.map((value) => ({ ok: true, value }))
    : lines.map(parseJson);
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
