/**
 * HTTP errors as RFC 9457 problem+json. One table lists every problem, so that `type` and status are stable and
 * documented. Stacks, paths and messages of other libraries are never sent.
 */
import type { Response } from 'express';
import { SwaError, isOfDisk, type ErrorCode } from '../errors/errors.js';

const table = {
  'invalid-parameter': [400, 'A parameter is invalid'],
  'unknown-parameter': [400, 'Unknown parameter'],
  'missing-parameter': [400, 'A parameter is missing'],
  'invalid-body': [400, 'The body is invalid'],
  'bad-request': [400, 'The request is malformed'],
  unauthorized: [401, 'A bearer key is required'],
  forbidden: [403, 'The key lacks the scope'],
  'foreign-origin': [403, 'Changes from pages of other origins need a key'],
  'not-found': [404, 'No such resource'],
  'method-not-allowed': [405, 'The method is not allowed here'],
  'not-acceptable': [406, 'None of the accepted formats is offered'],
  'request-timeout': [408, 'The request ended early'],
  'list-changed': [409, 'The list has changed since its last page'],
  'body-too-large': [413, 'The body is too large'],
  'unsupported-media-type': [415, 'The content type of the body is not supported'],
  'misdirected-request': [421, 'This host name is not served'],
  'unaligned-range': [422, 'A range edge is not the start of a bucket'],
  'empty-range': [422, 'The range is empty'],
  'range-too-fine': [422, 'The range has too many intervals'],
  'unsupported-time-zone': [422, 'The buckets of the data do not fit the zone'],
  'too-many-requests': [429, 'Too many requests'],
  'headers-too-large': [431, 'Request line and headers are too large'],
  internal: [500, 'Something went wrong on our side'],
  overloaded: [503, 'Too busy right now'],
  'deadline-exceeded': [503, 'The answer took too long'],
  'not-ready': [503, 'Not ready yet'],
  'log-unavailable': [503, 'The log cannot accept facts right now'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemName = keyof typeof table;
export const problemNames = Object.keys(table) as readonly ProblemName[];

/** Returns the stable identifier of a problem. It is a URN, so that it does not depend on where the service runs. */
export function problemType(name: ProblemName): string {
  return `urn:swa:problem:${name}`;
}

export function problemStatus(name: ProblemName): number {
  return table[name][0];
}

export function problemTitle(name: ProblemName): string {
  return table[name][1];
}

export interface ProblemOptions {
  /** The offending query parameter, path parameter, header or body field. */
  readonly parameter?: string;
  /** Additional members of the body ('allowed', 'nearest', 'suggestion'). */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** Response headers (Allow, Retry-After, WWW-Authenticate). */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** Thrown or sent by handlers; the endpoint turns it into problem+json. */
export class HttpProblem extends SwaError {
  readonly problem: ProblemName;
  readonly status: number;
  readonly parameter: string | undefined;
  readonly extra: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(problem: ProblemName, detail: string, options: ProblemOptions = {}) {
    super('request.invalid', detail, {
      retryable: problemStatus(problem) >= 500,
      ...(options.cause === undefined ? {} : { cause: options.cause }),
    });
    this.problem = problem;
    this.status = problemStatus(problem);
    this.parameter = options.parameter;
    this.extra = options.extra ?? {};
    this.headers = options.headers ?? {};
  }

  /** Returns the body (RFC 9457). */
  body(requestId: string): Readonly<Record<string, unknown>> {
    return {
      type: problemType(this.problem),
      title: problemTitle(this.problem),
      status: this.status,
      detail: this.message,
      ...(this.parameter === undefined ? {} : { parameter: this.parameter }),
      ...this.extra,
      requestId,
    };
  }
}

const ofErrorCode: Partial<Record<ErrorCode, readonly [ProblemName, string]>> = {
  'log.unavailable': [
    'log-unavailable',
    'the log cannot accept facts right now; send them again with the same eventIds',
  ],
  'log.mismatch': ['log-unavailable', 'this is not the log of this data directory; its operator must fix it'],
  'data-dir.unusable': [
    'not-ready',
    'the data directory cannot be written right now: its disk is full or failing',
  ],
  'queue.damaged': [
    'not-ready',
    'the queue of batch runs is damaged; its operator must fix it: `swa recover`',
  ],
  'log.missing': ['log-unavailable', 'the log is gone; its operator must fix it: `swa recover`'],
  'queue.full': ['overloaded', 'too much work is waiting; try again later'],
  'speed.failed': ['not-ready', 'the realtime view is being rebuilt from the log; try again in a moment'],
  'view.missing': ['not-ready', 'no batch view can be read right now'],
  'realtime.corrupt': [
    'not-ready',
    'the realtime view is damaged and is being rebuilt from the log; try again in a moment',
  ],
  'view.corrupt': [
    'not-ready',
    'the published batch view cannot be read: run `swa batch run` or `swa batch rollback`',
  ],
};

/**
 * Converts any thrown value. Errors of the router are recognised by their `type` and `status`; unknown errors become
 * `internal` without details.
 */
export function problemOf(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof SwaError) {
    const known = ofErrorCode[error.code];
    const [name, detail] = known ?? ['not-ready', 'a layer is not ready to answer; try again'];
    if (known !== undefined || error.retryable) {
      return new HttpProblem(name, detail, { cause: error, headers: { 'Retry-After': '1' } });
    }
  }
  if (isOfDisk(error)) {
    const detail =
      'a file of the data directory cannot be read or written right now; its operator must fix it';
    return new HttpProblem('not-ready', detail, { cause: error, headers: { 'Retry-After': '1' } });
  }
  return (
    problemOfLibrary(error) ??
    new HttpProblem('internal', 'see the log under this request id', { cause: error })
  );
}

function problemOfLibrary(error: unknown): HttpProblem | undefined {
  if (!(error instanceof Error) || !('status' in error) || typeof error.status !== 'number') return undefined;
  const cause = { cause: error };
  switch (error.status) {
    case 400:
      return new HttpProblem('bad-request', 'the request target or body cannot be decoded', cause);
    case 404:
      return new HttpProblem('not-found', 'no such resource', cause);
    default:
      return undefined;
  }
}

/** Headers that a handler may have set for the answer it did not complete. */
const answerHeaders = ['ETag', 'Content-Disposition', 'Content-Encoding', 'Content-Length'] as const;

export function sendProblem(response: Response, problem: HttpProblem, requestId: string): void {
  for (const name of answerHeaders) response.removeHeader(name);
  for (const [name, value] of Object.entries(problem.headers)) response.setHeader(name, value);
  response.statusCode = problem.status;
  response.setHeader('Content-Type', 'application/problem+json');
  response.setHeader('Cache-Control', 'no-store');
  response.end(JSON.stringify(problem.body(requestId)));
}
