/**
 * A route as data: the endpoint mounts it, the OpenAPI document is generated from it, and its zod schemas parse the
 * parameters. Layers export tables of routes, so each fact about the HTTP interface is written once.
 */
import { nearest } from '../errors/nearest.js';
import type { IncomingMessage } from 'node:http';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Caller, Scope } from './auth.js';
import { HttpProblem, type ProblemName } from './problem.js';

/** A request as a handler receives it, in addition to its parsed parameters. */
export interface Exchange {
  readonly request: Request;
  readonly response: Response;
  readonly id: string;
  readonly caller: Caller;
  /** Tells whether the caller has a scope. The route's own scope has been checked already. */
  readonly may: (scope: Scope) => boolean;
  /** The only domain the caller may ask about, which the handler must check; undefined for any. */
  readonly domain: string | undefined;
  /** The body as text; '' if there is none or the route takes none. */
  readonly body: string;
  /** The time (`performance.now()`) by which the answer must have begun. */
  readonly deadlineAt: number;
  /**
   * Requires a key of SWA_API_KEYS after all, for a request that `foreignKeys` claimed but that carries no such key.
   * Returns the caller; throws `unauthorized`, `forbidden` or `foreign-origin`.
   */
  readonly requireKey: () => Caller;
}

/** Keys other than those of SWA_API_KEYS, carried by pages and checked by the route. */
export interface ForeignKeys {
  /**
   * True if the request may carry such a key. Then the endpoint checks neither key nor origin; the route must do so.
   */
  claims(request: IncomingMessage): boolean;
  /** Tells whether pages of an origin ('https://www.example.org') may use the route with such a key. */
  allows(origin: string): boolean;
}

export interface ResponseDoc {
  readonly status: number;
  readonly description: string;
  /** Schemas by media type; undefined for binary content. */
  readonly content?: Readonly<Record<string, z.ZodType | undefined>>;
}

export interface BodyDoc {
  readonly description: string;
  /** Schemas by media type; a body without a type is treated as the first. */
  readonly content: Readonly<Record<string, z.ZodType | undefined>>;
  readonly limitBytes: number;
  /** True if requests without a body are allowed. Default false. */
  readonly isOptional?: boolean;
}

export interface RouteDoc {
  readonly method: 'get' | 'post';
  /** As in OpenAPI: '/v1/persons/{visitorId}'. */
  readonly path: `/${string}`;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  /** The scope a key must have; 'open' needs no key. */
  readonly scope: Scope | 'open';
  /** Callers whose key is for one domain may use the route; the handler checks what they ask about. Default false. */
  readonly forDomainKeys?: boolean;
  /** Exempts probes from rate and concurrency limits. */
  readonly unlimited?: boolean;
  /** Pages of any origin may use the route with a key. */
  readonly anyOrigin?: boolean;
  readonly foreignKeys?: ForeignKeys;
  /**
   * Returns a more specific problem for a query with these parameters, one of which is unknown; undefined for the
   * general one.
   */
  readonly refusalOf?: (given: readonly string[]) => HttpProblem | undefined;
  readonly responses: readonly ResponseDoc[];
  /** Problems of the handler; `problemsOf` adds the others. */
  readonly problems: readonly ProblemName[];
  readonly body?: BodyDoc;
}

type Shape = Readonly<Record<string, z.ZodType>>;

export interface Route extends RouteDoc {
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  readonly run: (exchange: Exchange) => void | Promise<void>;
}

/** Returns every problem a route may answer with: those of its handler and those raised before it runs. */
export function problemsOf(asked: Route): readonly ProblemName[] {
  return [
    ...asked.problems,
    'unknown-parameter',
    'bad-request',
    'headers-too-large',
    'misdirected-request',
    ...(asked.method === 'post' ? (['foreign-origin'] as const) : []),
    ...(asked.body === undefined
      ? []
      : (['invalid-body', 'body-too-large', 'unsupported-media-type', 'request-timeout'] as const)),
    ...(asked.scope === 'open' ? [] : (['unauthorized', 'forbidden'] as const)),
    ...(isRateLimited(asked) ? (['too-many-requests'] as const) : []),
    ...(asked.unlimited === true ? [] : (['overloaded'] as const)),
    'internal',
  ];
}

/** Writes have no rate limit: the log applies back-pressure, and a limit would only lose facts. */
export function isRateLimited({ unlimited, scope }: RouteDoc): boolean {
  return unlimited !== true && scope !== 'write';
}

/** Combines a route's schemas with its handler, which receives the parsed parameters. */
export function route<P extends Shape, Q extends Shape>(
  definition: RouteDoc & {
    readonly params?: P;
    readonly query?: Q;
    readonly handle: (
      exchange: Exchange,
      input: { readonly params: z.output<z.ZodObject<P>>; readonly query: z.output<z.ZodObject<Q>> },
    ) => void | Promise<void>;
  },
): Route {
  const { handle, params: paramShape, query: queryShape, ...doc } = definition;
  const params = z.object((paramShape ?? {}) as P); // an absent shape is the empty one
  const query = z.object((queryShape ?? {}) as Q);
  return {
    ...doc,
    params,
    query,
    run: (exchange) => {
      const input = {
        params: check(params, { ...exchange.request.params }),
        query: check(query, readQuery(exchange.request.url, query, doc.refusalOf)),
      };
      return handle(exchange, input);
    },
  };
}

/**
 * Parses the query string: one string per parameter, or an array if the schema takes one. Rejects unknown parameters,
 * naming the nearest known one, and repeated parameters that take a single value.
 */
function readQuery(
  url: string,
  schema: z.ZodObject,
  refusalOf: RouteDoc['refusalOf'],
): Record<string, string | string[]> {
  const values: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  const mark = url.indexOf('?');
  if (mark < 0) return values;
  const given = new URLSearchParams(url.slice(mark + 1));
  for (const [name, value] of given) {
    if (!Object.hasOwn(schema.shape, name))
      throw refusalOf?.([...given.keys()]) ?? unknownParameter(name, Object.keys(schema.shape));
    const before = values[name];
    if (before === undefined) values[name] = takesMany(schema, name) ? [value] : value;
    else if (typeof before === 'string') {
      throw new HttpProblem('invalid-parameter', `'${name}' is given more than once`, { parameter: name });
    } else before.push(value);
  }
  return values;
}

/** Returns true for a parameter that may be repeated. */
export function takesMany(schema: z.ZodObject, name: string): boolean {
  const field = schema.shape[name];
  const inner = field instanceof z.ZodOptional ? field.unwrap() : field;
  return inner instanceof z.ZodArray || (inner instanceof z.ZodPipe && inner.in instanceof z.ZodArray);
}

/** Makes the problem for an unknown parameter, naming the nearest known one. */
export function unknownParameter(name: string, known: readonly string[]): HttpProblem {
  const shown = name.slice(0, 60);
  if (known.length === 0) {
    return new HttpProblem('unknown-parameter', `'${shown}' is not a parameter: this endpoint takes none`, {
      parameter: shown,
    });
  }
  const suggestion = nearest(shown, known);
  const detail =
    suggestion === undefined
      ? `'${shown}' is not a parameter; known parameters: ${known.join(', ')}`
      : `'${shown}' is not a parameter; did you mean '${suggestion}'?`;
  return new HttpProblem('unknown-parameter', detail, {
    parameter: shown,
    extra: { known, ...(suggestion === undefined ? {} : { suggestion }) },
  });
}

/** Parses a value with the schema. Throws `missing-parameter` or `invalid-parameter` naming the first invalid field. */
export function check<S extends z.ZodObject>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const parameter = String(issue?.path[0] ?? '');
  const missing =
    issue?.code === 'invalid_type' && (value as Record<string, unknown>)[parameter] === undefined;
  throw missing
    ? new HttpProblem('missing-parameter', `'${parameter}' is missing`, { parameter })
    : new HttpProblem('invalid-parameter', `'${parameter}' ${issue?.message ?? 'is refused'}`, { parameter });
}
