/**
 * A route as data: the endpoint mounts it, the OpenAPI document is made from it, and parameters are parsed once by
 * its zod schemas. Layers export tables of routes; nothing about HTTP is written down twice.
 */
import { nearest } from '../errors/nearest.js';
import type { IncomingMessage } from 'node:http';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Caller, Scope } from './auth.js';
import { HttpProblem, type ProblemName } from './problem.js';

/** One request on its way: what a handler gets besides its parsed parameters. */
export interface Exchange {
  readonly request: Request;
  readonly response: Response;
  readonly id: string;
  readonly caller: Caller;
  /** Whether the caller may do what a scope allows; that of the route is checked already. */
  readonly may: (scope: Scope) => boolean;
  /** As text; '' when there is none, or the route takes none. */
  readonly body: string;
  /** `performance.now()` by which the answer must have begun. */
  readonly deadlineAt: number;
  /**
   * For a request that the route's `foreignKeys` claimed, and that turns out to carry no such key: asks for a key of SWA_API_KEYS
   * after all. Throws `unauthorized`, `forbidden` or `foreign-origin`; returns who asks.
   */
  readonly requireKey: () => Caller;
}

/** Keys that SWA_API_KEYS does not hold: pages carry them, and the route checks them. */
export interface ForeignKeys {
  /** True where the request may carry such a key: the route decides then, and neither key nor origin is asked before it runs. */
  claims(request: IncomingMessage): boolean;
  /** Whether pages of an origin ('https://www.example.org') may use the route with such a key. */
  allows(origin: string): boolean;
}

export interface ResponseDoc {
  readonly status: number;
  readonly description: string;
  /** Media types with their schema; a binary body has none. */
  readonly content?: Readonly<Record<string, z.ZodType | undefined>>;
}

export interface BodyDoc {
  readonly description: string;
  /** By media type; a body without a type is taken as the first. */
  readonly content: Readonly<Record<string, z.ZodType | undefined>>;
  readonly limitBytes: number;
  /** A request without a body is answered, too. Default false. */
  readonly isOptional?: boolean;
}

export interface RouteDoc {
  readonly method: 'get' | 'post';
  /** As in OpenAPI: '/v1/persons/{visitorId}'. */
  readonly path: `/${string}`;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  /** What a key must allow; 'open' needs no key. */
  readonly scope: Scope | 'open';
  /** Probes are neither limited in rate nor in number. */
  readonly unlimited?: boolean;
  /** Pages of any origin may use it, with a key. */
  readonly anyOrigin?: boolean;
  readonly foreignKeys?: ForeignKeys;
  /** What is wrong with a question that has these parameters, one of which is unknown, where more can be said than that. */
  readonly refusalOf?: (given: readonly string[]) => HttpProblem | undefined;
  readonly responses: readonly ResponseDoc[];
  /** Those of the handler; `problemsOf` adds the others. */
  readonly problems: readonly ProblemName[];
  readonly body?: BodyDoc;
}

type Shape = Readonly<Record<string, z.ZodType>>;

export interface Route extends RouteDoc {
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  readonly run: (exchange: Exchange) => void | Promise<void>;
}

/** Everything a route may be answered with: the problems of its handler, and of what comes before that. */
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

/** What is written is held back by the log itself; a limit here would only lose facts. */
export function isRateLimited({ unlimited, scope }: RouteDoc): boolean {
  return unlimited !== true && scope !== 'write';
}

/** Ties a route's schemas to its handler: the handler gets what they parsed. */
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
 * The query string as one value per parameter: a string, or an array for the parameters whose schema takes one. Unknown
 * parameters are refused with the nearest known one; so is a repeated one that stands for a single value.
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

/** True for a parameter that may be given several times. */
export function takesMany(schema: z.ZodObject, name: string): boolean {
  const field = schema.shape[name];
  const inner = field instanceof z.ZodOptional ? field.unwrap() : field;
  return inner instanceof z.ZodArray || (inner instanceof z.ZodPipe && inner.in instanceof z.ZodArray);
}

/** Names the nearest known parameter. */
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

/** What the schema makes of a value; throws `missing-parameter` or `invalid-parameter` naming the first bad field. */
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
