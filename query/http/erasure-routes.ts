/** The routes by which admins request erasures and follow them. */
import { z } from 'zod';
import { canBeErased, idCountToWarn, type ErasureReport } from '../../facts/erasure-records.js';
import type { OverdueErasure } from '../../facts/overdue-erasures.js';
import { show } from '../../lib/errors/show.js';
import { parseJsonBody } from '../../lib/http/body.js';
import { HttpProblem } from '../../lib/http/problem.js';
import { route, type Route } from '../../lib/http/route.js';
import { bodies, type Erasure } from '../bodies.js';
import type { Engine } from '../engine/engine.js';
import { Pace } from '../engine/pace.js';
import { sendJson } from './send.js';

/** Requests and reports of erasures. */
export interface ErasureControl {
  /** Requests an erasure; durable on return. */
  request(ids: readonly string[]): ErasureReport;
  /** All erasures, oldest first. */
  list(): readonly ErasureReport[];
  /** Those that are not done after SWA_ERASURE_HOURS, oldest first. Cheap. */
  overdue(): readonly OverdueErasure[];
}

/** Maximum number of ids that one request may erase. */
const maxIds = 100_000;

const requestSchema = z.strictObject({
  visitor: z.string().optional().describe('This visitor id alone.'),
  person: z
    .string()
    .optional()
    .describe('All ids of the person who has this one, as /v1/persons lists them.'),
  preview: z.boolean().optional().describe('Only say whom it means.'),
});

export function erasureRoutes(engine: Engine, erasures: ErasureControl): Route[] {
  return [
    route({
      method: 'post',
      path: '/v1/erasures',
      operationId: 'requestErasure',
      summary: 'Erase a visitor id, or all ids of a person, for good',
      description:
        'The ids leave all answers with a batch run that starts at once, and then all files. The request is durable, and cannot be taken back: ask with `preview` first.',
      scope: 'admin',
      body: {
        description: 'One of visitor and person.',
        content: { 'application/json': requestSchema },
        limitBytes: 4_096,
      },
      responses: [
        {
          status: 200,
          description: 'With `preview`: whom it means.',
          content: { 'application/json': bodies.erasurePreview },
        },
        {
          status: 202,
          description: 'The erasure is on its way.',
          content: { 'application/json': bodies.erasure },
        },
      ],
      problems: ['invalid-body', 'not-ready'],
      handle: async ({ request, response, body, deadlineAt }) => {
        const { visitor, person, preview } = parse(body);
        const ids = visitor === undefined ? await idsOf(engine, person ?? '', deadlineAt) : [visitor];
        if (preview === true) {
          const warning =
            ids.length > idCountToWarn ? 'an id that several people share may have joined strangers' : null;
          await sendJson(request, response, { ids, warning });
          return;
        }
        response.statusCode = 202;
        await sendJson(request, response, bodyOf(erasures.request(ids)));
      },
    }),
    route({
      method: 'get',
      path: '/v1/erasures',
      operationId: 'listErasures',
      summary: 'Erasures and how far each one is',
      scope: 'admin',
      responses: [
        { status: 200, description: 'Oldest first.', content: { 'application/json': bodies.erasures } },
      ],
      problems: [],
      handle: ({ request, response }) =>
        sendJson(request, response, { erasures: erasures.list().map(bodyOf) }),
    }),
    route({
      method: 'get',
      path: '/v1/erasures/{id}',
      operationId: 'erasure',
      summary: 'One erasure: how far it is, and at its end the receipt',
      scope: 'admin',
      params: { id: z.string().describe('As POST /v1/erasures returned it.') },
      responses: [
        { status: 200, description: 'The erasure.', content: { 'application/json': bodies.erasure } },
      ],
      problems: ['not-found'],
      handle: ({ request, response }, { params }) => {
        const found = erasures.list().find(({ id }) => id === params.id);
        if (found === undefined)
          throw new HttpProblem('not-found', `there is no erasure ${show(params.id)}`, { parameter: 'id' });
        return sendJson(request, response, bodyOf(found));
      },
    }),
  ];
}

function parse(body: string): z.output<typeof requestSchema> {
  const parsed = requestSchema.safeParse(parseJsonBody(body));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join('.') ?? '';
    throw new HttpProblem(
      'invalid-body',
      `${field === '' ? 'the body' : field}: ${issue?.message ?? 'is invalid'}`,
      {
        parameter: field === '' ? 'body' : field,
      },
    );
  }
  const { visitor, person } = parsed.data;
  if ((visitor === undefined) === (person === undefined))
    throw new HttpProblem('invalid-body', 'give one of visitor and person', { parameter: 'visitor' });
  const id = visitor ?? person ?? '';
  if (!canBeErased(id))
    throw new HttpProblem('invalid-body', `not a visitor id: ${show(id)}`, {
      parameter: visitor === undefined ? 'person' : 'visitor',
    });
  return parsed.data;
}

async function idsOf(engine: Engine, id: string, deadlineAt: number): Promise<readonly string[]> {
  return engine.pinned(async (generation) => {
    const pace = new Pace(deadlineAt);
    const identity = await engine.edges.of(generation, pace);
    const { ids, idCount } = await identity.personOf(id, maxIds, pace);
    if (idCount > maxIds)
      throw new HttpProblem('invalid-body', `the person has ${idCount} ids, more than ${maxIds} at once`, {
        parameter: 'person',
      });
    return [...ids];
  });
}

function bodyOf({ requestedAt, doneAt, ...report }: ErasureReport): Erasure {
  return {
    ...report,
    requestedAt: new Date(requestedAt).toISOString(),
    doneAt: doneAt === null ? null : new Date(doneAt).toISOString(),
  };
}
