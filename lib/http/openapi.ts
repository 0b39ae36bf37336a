/** Generates the OpenAPI 3.1 document of a table of routes. */
import { z } from 'zod';
import { problemNames, problemStatus, problemTitle, problemType, type ProblemName } from './problem.js';
import { problemsOf, type Route, type RouteDoc } from './route.js';

export interface ApiInfo {
  readonly title: string;
  readonly version: string;
  readonly description: string;
}

/** Operations by the key they need, where keys are configured. */
const tags = {
  read: {
    name: 'Questions',
    description: 'What was counted, and how the system is. A key needs the scope read.',
  },
  write: { name: 'Facts', description: 'What happened. A key needs the scope write.' },
  admin: {
    name: 'Operation',
    description: 'What changes answers or costs work. A key needs the scope admin.',
  },
  open: { name: 'Probes', description: 'For machines; no key is needed.' },
} as const satisfies Record<RouteDoc['scope'], { name: string; description: string }>;

type Json = Readonly<Record<string, unknown>>;

/** Returns the document, with paths in the order of the table. */
export function openApi(routes: readonly Route[], info: ApiInfo): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method] = operation(route);
  return {
    openapi: '3.1.0',
    info: { ...info, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: '/', description: 'Where this document was served from.' }],
    tags: [...new Set(routes.map(({ scope }) => scope))].map((scope) => tags[scope]),
    paths,
    components: {
      schemas: { Problem: problemSchema() },
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'Needed only where keys are configured.' },
      },
    },
  };
}

function operation(route: Route): Json {
  return {
    operationId: route.operationId,
    tags: [tags[route.scope].name],
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    security: route.scope === 'open' ? [] : [{}, { key: [route.scope] }],
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query')],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            description: route.body.description,
            required: route.body.isOptional !== true,
            content: content(route.body.content),
          },
        }),
    responses: responses(route),
  };
}

function parameters(schema: z.ZodObject, place: 'path' | 'query'): Json[] {
  const { properties, required } = z.toJSONSchema(schema, { io: 'input' });
  return Object.entries(properties ?? {}).map(([name, property]) => {
    const { description, ...rest } = typeof property === 'boolean' ? { description: '' } : property;
    return {
      name,
      in: place,
      required: place === 'path' || (required ?? []).includes(name),
      ...(description === undefined ? {} : { description }),
      schema: rest,
    };
  });
}

function responses(route: Route): Json {
  const all: Record<string, Json> = {};
  for (const response of route.responses) {
    all[response.status] = {
      description: response.description,
      ...(response.content === undefined ? {} : { content: content(response.content) }),
    };
  }
  const problems = problemsOf(route);
  for (const status of new Set(problems.map(problemStatus))) {
    const names = problems.filter((name) => problemStatus(name) === status);
    all[status] = {
      description: names.map((name) => `${problemTitle(name)} (${name})`).join('; '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  }
  return all;
}

function content(types: NonNullable<RouteDoc['responses'][number]['content']>): Json {
  return Object.fromEntries(
    Object.entries(types).map(([type, schema]) => {
      if (schema === undefined) return [type, {}];
      const { $schema: _dialect, ...json } = z.toJSONSchema(schema);
      return [type, { schema: json }];
    }),
  );
}

function problemSchema(): Json {
  return {
    type: 'object',
    description: 'RFC 9457. `type` is stable; programs switch on it.',
    required: ['type', 'title', 'status', 'detail', 'requestId'],
    properties: {
      type: { type: 'string', enum: problemNames.map((name: ProblemName) => problemType(name)) },
      title: { type: 'string' },
      status: { type: 'integer' },
      detail: { type: 'string' },
      parameter: { type: 'string', description: 'The parameter, header or body field that was rejected.' },
      requestId: { type: 'string' },
    },
  };
}
