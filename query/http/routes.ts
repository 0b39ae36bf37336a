/**
 * The HTTP routes of the query layer: all questions, sketches, batch runs, erasures, status, and the machine endpoints (health, metrics, OpenAPI).
 */
import type { Request, Response } from 'express';
import { z } from 'zod';
import { parseJsonBody } from '../../lib/http/body.js';
import { openApi, type ApiInfo } from '../../lib/http/openapi.js';
import { HttpProblem, type ProblemName } from '../../lib/http/problem.js';
import { route, type Exchange, type ResponseDoc, type Route } from '../../lib/http/route.js';
import type { StatusEntry } from '../../lib/process/status.js';
import { freshnessOf, versionOf } from '../answers/freshness.js';
import { sketch } from '../answers/uniques.js';
import {
  type Bodies,
  bodies,
  type BatchRun,
  type Freshness,
  type PendingBatch,
  type PublishedView,
  type Layer,
} from '../bodies.js';
import { atLeastHeader, cutHeader, textOfCut } from '../engine/at-least.js';
import type { Engine } from '../engine/engine.js';
import type { PinnedGeneration } from '../engine/generations.js';
import { Pace } from '../engine/pace.js';
import { arrowMediaType } from '../formats/arrow.js';
import { combinedFilters } from '../filters.js';
import { answerFrom, inquiries, type Inquiry } from '../inquiries.js';
import type { OverdueErasure } from '../../facts/overdue-erasures.js';
import { seriesQuestion } from '../question/series.js';
import { requireDomain, subjectShape } from '../question/subjects.js';
import { rangeShape, zoneShape } from '../question/time-range.js';
import { erasureRoutes, type ErasureControl } from './erasure-routes.js';
import { formatFor, formats, forbidCaching, notModified, sendAnswer, sendBytes, sendJson } from './send.js';

export interface QueryRoutesDeps {
  readonly engine: Engine;
  readonly status: () => readonly StatusEntry[];
  readonly batches: BatchControl;
  readonly erasures: ErasureControl;
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>;
  /** True while the process is shutting down. */
  readonly draining: () => boolean;
  /** Every route of the endpoint, for the OpenAPI document. */
  readonly mounted: () => readonly Route[];
  readonly info: ApiInfo;
}

/** Requests and reports of batch runs. */
export interface BatchControl {
  /** Requests a run; durable on return. Returns the job's id. */
  request(by: string): number;
  pending(): readonly PendingBatch[];
  views(): readonly PublishedView[];
  /** The last few runs, newest first. */
  runs(): readonly BatchRun[];
}

const questionProblems: readonly ProblemName[] = [
  'invalid-parameter',
  'missing-parameter',
  'deadline-exceeded',
  'not-ready',
];
const rangeProblems: readonly ProblemName[] = ['unaligned-range', 'empty-range', ...questionProblems];

export function queryRoutes(deps: QueryRoutesDeps): readonly Route[] {
  return [
    ...inquiries.map((inquiry) => inquiryRoute(deps.engine, inquiry)),
    sketchRoute(deps.engine),
    ...batchRoutes(deps.batches),
    ...erasureRoutes(deps.engine, deps.erasures),
    statusRoute(deps),
    ...machineRoutes(deps),
  ];
}

const unchanged: ResponseDoc = { status: 304, description: 'Nothing has changed since the given ETag.' };

const formatShape = z
  .enum(formats)
  .optional()
  .describe(
    'For clients that cannot send `Accept`, which does not count then. By default `Accept` decides, else json.',
  );

function inquiryRoute(engine: Engine, inquiry: Inquiry): Route {
  const inRange = 'from' in inquiry.query;
  return route({
    method: 'get',
    path: inquiry.path,
    operationId: inquiry.operationId,
    summary: inquiry.summary,
    ...(inquiry.description === undefined ? {} : { description: inquiry.description }),
    scope: 'read',
    forDomainKeys: inquiry.forDomainKeys,
    refusalOf: combinedFilters,
    params: inquiry.params,
    query: { ...inquiry.query, format: formatShape },
    responses: [
      {
        status: 200,
        description: 'The answer.',
        content: { 'application/json': inquiry.body, 'text/csv': undefined, [arrowMediaType]: undefined },
      },
      ...(inquiry.isVolatile === true ? [] : [unchanged]),
    ],
    problems: [
      ...(inRange ? rangeProblems : questionProblems),
      'not-acceptable',
      ...('interval' in inquiry.query ? (['range-too-fine', 'unsupported-time-zone'] as const) : []),
      ...('cursor' in inquiry.query ? (['list-changed'] as const) : []),
    ],
    handle: async (exchange, input) => {
      const { request, response, deadlineAt } = exchange;
      const { format: askedFormat, ...query } = input.query;
      const format = formatFor(request, askedFormat);
      const parsed = { ...input.params, ...query };
      const prepared = inquiry.prepare(engine, parsed, exchange.domain);
      await pinnedFor(exchange, engine, async (generation) => {
        if (inquiry.isVolatile === true) forbidCaching(response);
        else if (notModified(request, response, versionOf(engine, generation), format)) return;
        const part = inquiry.partOf(generation, parsed);
        const answer = await answerFrom(prepared, part, new Pace(deadlineAt));
        if (!engine.edges.isFinal(part)) response.removeHeader('ETag');
        if (answer.next !== undefined) linkNext(request, response, answer.next);
        await sendAnswer(request, response, answer, format);
      });
    },
  });
}

/**
 * Sets the Link header to the next page, for clients that read rows, which cannot hold a cursor. The reference is relative because a proxy may serve
 * us below a path.
 */
function linkNext(request: Request, response: Response, cursor: string): void {
  const query = new URL(request.url, 'http://localhost').searchParams;
  query.set('cursor', cursor);
  response.setHeader('Link', `<?${query.toString()}>; rel="next"`);
}

/** Pins a generation that includes what the client has seen before (`atLeastHeader`), and returns the cut to it in `cutHeader`. */
function pinnedFor(
  { request, response }: Pick<Exchange, 'request' | 'response'>,
  engine: Engine,
  work: (generation: PinnedGeneration) => Promise<void>,
): Promise<void> {
  return engine.pinned((generation) => {
    response.setHeader(cutHeader, textOfCut(generation.cut));
    return work(generation);
  }, request.get(atLeastHeader));
}

const sketchType = 'application/octet-stream';

function sketchRoute(engine: Engine): Route {
  return route({
    method: 'get',
    path: '/v1/sketch',
    operationId: 'sketch',
    summary: 'The merged sketch of a range, for other DataSketches libraries',
    description:
      'Apache DataSketches HLL, compact: merge it with other sketches or read its estimate with any DataSketches library.',
    scope: 'read',
    forDomainKeys: true,
    refusalOf: combinedFilters,
    query: { ...subjectShape, ...rangeShape, ...zoneShape },
    responses: [
      { status: 200, description: 'DataSketches HLL bytes.', content: { [sketchType]: undefined } },
      unchanged,
    ],
    problems: [...rangeProblems, 'not-acceptable'],
    handle: async (exchange, { query }) => {
      const { request, response, deadlineAt } = exchange;
      const question = seriesQuestion(query, engine);
      if (exchange.domain !== undefined) requireDomain(exchange.domain, query, engine.urls);
      if (request.accepts(sketchType) === false) {
        throw new HttpProblem('not-acceptable', `this endpoint offers only ${sketchType}`, {
          parameter: 'Accept',
        });
      }
      await pinnedFor(exchange, engine, async (generation) => {
        if (notModified(request, response, versionOf(engine, generation), 'hll')) return;
        const bytes = await sketch({ engine, generation, question, pace: new Pace(deadlineAt) });
        if (!engine.edges.isFinal(generation)) response.removeHeader('ETag');
        response.setHeader('Content-Disposition', 'attachment; filename="uniques.hll"');
        await sendBytes(request, response, sketchType, bytes);
      });
    },
  });
}

function batchRoutes(batches: BatchControl): Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/batches',
      operationId: 'listBatches',
      summary: 'Batch runs asked for, runs carried out, and the views published',
      scope: 'read',
      responses: [
        {
          status: 200,
          description: 'Newest views and runs first.',
          content: {
            'application/json': bodies.batches,
          },
        },
      ],
      problems: [],
      handle: ({ request, response }) =>
        sendJson(request, response, {
          pending: batches.pending(),
          views: batches.views(),
          runs: batches.runs(),
        }),
    }),
    route({
      method: 'post',
      path: '/v1/batches',
      operationId: 'requestBatch',
      summary: 'Request a batch run',
      description: 'The request is durable: it survives a restart of the whole system.',
      scope: 'admin',
      body: {
        description: 'None, or an empty object.',
        content: { 'application/json': z.object({}) },
        limitBytes: 4_096,
        isOptional: true,
      },
      responses: [
        {
          status: 202,
          description: 'The run is queued.',
          content: { 'application/json': z.object({ id: z.number() }) },
        },
      ],
      problems: ['not-ready'],
      handle: async ({ request, response, caller, body }) => {
        if (body !== '') refuseFields(parseJsonBody(body));
        const id = batches.request(caller ?? 'http');
        response.statusCode = 202;
        await sendJson(request, response, { id });
      },
    }),
  ];
}

function refuseFields(body: unknown): void {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new HttpProblem('invalid-body', 'send no body, or a JSON object', { parameter: 'body' });
  }
  const [field] = Object.keys(body);
  if (field === undefined) return;
  throw new HttpProblem('invalid-body', `unknown field '${field.slice(0, 60)}': the body takes no fields`, {
    parameter: field.slice(0, 60),
  });
}

function statusRoute({ engine, status, erasures }: QueryRoutesDeps): Route {
  return route({
    method: 'get',
    path: '/v1/status',
    operationId: 'status',
    summary: 'What every layer is doing: cut, lag, last error',
    scope: 'read',
    forDomainKeys: true,
    responses: [
      {
        status: 200,
        description: 'By role and worker, as last reported.',
        content: {
          'application/json': bodies.status,
        },
      },
    ],
    problems: [],
    handle: async ({ request, response, domain }) =>
      sendJson(request, response, {
        freshness: await freshnessNow(engine),
        overdueErasures: domain === undefined ? erasures.overdue().map(overdueOf) : [],
        ...(domain === undefined ? { layers: status().map(layerOf) } : { domain, layers: [] }),
        bucketMinutes: engine.width.minutes,
        dimensions: engine.dimensions.map(({ name, label, title }) => ({ name, label, title })),
      }),
  });
}

/** null while no generation can be read. */
async function freshnessNow(engine: Engine): Promise<Freshness | null> {
  try {
    return await engine.pinned(async (generation) => freshnessOf(engine, generation));
  } catch {
    return null; // /readyz says why
  }
}

function layerOf(entry: StatusEntry): Layer {
  const { lastError } = entry;
  return {
    ...entry,
    updatedAt: new Date(entry.updatedAt).toISOString(),
    lastError: lastError === null ? null : { ...lastError, at: new Date(lastError.at).toISOString() },
  };
}

function overdueOf(erasure: OverdueErasure): Bodies['status']['overdueErasures'][number] {
  return { ...erasure, requestedAt: new Date(erasure.requestedAt).toISOString() };
}

const okSchema = z.object({ status: z.literal('ok') });
const readySchema = okSchema.extend({
  problems: z
    .array(z.string())
    .optional()
    .describe(
      'What is wrong although questions are answered: erasures that take too long. Missing if nothing is.',
    ),
});

function machineRoutes(deps: QueryRoutesDeps): Route[] {
  const probe = { method: 'get', scope: 'open', unlimited: true } as const;
  return [
    route({
      ...probe,
      path: '/healthz',
      operationId: 'healthz',
      summary: 'The process is alive',
      responses: [{ status: 200, description: 'It does.', content: { 'application/json': okSchema } }],
      problems: [],
      handle: ({ request, response }) => sendJson(request, response, { status: 'ok' }),
    }),
    route({
      ...probe,
      path: '/readyz',
      operationId: 'readyz',
      summary: 'Questions can be answered: a generation can be pinned, and the process is not shutting down',
      responses: [{ status: 200, description: 'They can.', content: { 'application/json': readySchema } }],
      problems: ['not-ready'],
      handle: async ({ request, response }) => {
        if (deps.draining()) throw new HttpProblem('not-ready', 'the process is shutting down');
        await deps.engine.pinned(async () => undefined);
        const problems = deps.erasures.overdue().map(({ message }) => message);
        await sendJson(request, response, { status: 'ok', ...(problems.length === 0 ? {} : { problems }) });
      },
    }),
    route({
      ...probe,
      scope: 'read',
      path: '/metrics',
      operationId: 'metrics',
      summary: 'Prometheus metrics',
      responses: [{ status: 200, description: 'Text format.', content: { 'text/plain': undefined } }],
      problems: [],
      handle: async ({ request, response }) => {
        const { type, text } = await deps.metrics();
        response.setHeader('Cache-Control', 'no-store');
        await sendBytes(request, response, type, text);
      },
    }),
    route({
      ...probe,
      path: '/openapi.json',
      operationId: 'openapi',
      summary: 'This document',
      responses: [
        { status: 200, description: 'OpenAPI 3.1.', content: { 'application/json': z.looseObject({}) } },
      ],
      problems: [],
      handle: ({ request, response }) => sendJson(request, response, openApi(deps.mounted(), deps.info)),
    }),
  ];
}
