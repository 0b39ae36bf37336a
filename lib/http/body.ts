/** Small JSON bodies of commands. */
import { json, type Request, type Response } from 'express';
import { messageOf } from '../errors.js';
import { HttpProblem } from './problem.js';

const limitBytes = 4_096;
const parse = json({ limit: limitBytes, strict: false, type: 'application/json' });

/**
 * The request's JSON body; undefined when there is none. Throws `unsupported-media-type` for a body of another type,
 * `body-too-large`, `invalid-body`.
 */
export async function readSmallJson(request: Request, response: Response): Promise<unknown> {
  const empty =
    request.headers['transfer-encoding'] === undefined && (request.headers['content-length'] ?? '0') === '0';
  if (empty) return undefined;
  if (request.is('application/json') !== 'application/json') {
    throw new HttpProblem('unsupported-media-type', 'send application/json, or no body', {
      parameter: 'Content-Type',
    });
  }
  await new Promise<void>((resolve, reject) => {
    parse(request, response, (error?: unknown) => {
      if (error === undefined) resolve();
      else if (error instanceof SyntaxError)
        reject(new HttpProblem('invalid-body', 'not JSON', { parameter: 'body' }));
      else reject(error instanceof Error ? error : new Error(messageOf(error)));
    });
  });
  const body: unknown = request.body;
  return body;
}
