/** Bodies as text. What is not UTF-8 is refused: decoded anyway, different bytes would become the same U+FFFD. */
import { isUtf8 } from 'node:buffer';
import { raw, type Request, type Response } from 'express';
import { messageOf } from '../errors.js';
import { HttpProblem } from './problem.js';

/**
 * A reader of bodies of these types up to this size; no body is empty text, and a byte order mark at the beginning is no part
 * of it. Throws `unsupported-media-type` for another type or charset, `body-too-large`, `invalid-body`.
 */
export function textReader(
  types: readonly string[],
  limitBytes: number,
): (request: Request, response: Response) => Promise<string> {
  const read = raw({ type: [...types], limit: limitBytes });
  return async (request, response) => {
    const { 'transfer-encoding': chunked, 'content-length': length = '0' } = request.headers;
    if (chunked === undefined && length === '0') return '';
    await new Promise<void>((resolve, reject) => {
      read(request, response, (error?: unknown) => {
        if (error === undefined) resolve();
        else reject(error instanceof Error ? error : new Error(messageOf(error)));
      });
    });
    const body: unknown = request.body;
    const contentType = request.get('content-type') ?? 'none';
    const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(contentType)?.[1] ?? 'utf-8';
    if (!Buffer.isBuffer(body) || !/^utf-?8$/i.test(charset)) {
      throw new HttpProblem(
        'unsupported-media-type',
        `send one of ${types.join(', ')}, in UTF-8; got ${contentType.slice(0, 100)}`,
        { parameter: 'Content-Type' },
      );
    }
    if (!isUtf8(body)) throw new HttpProblem('invalid-body', 'the body is not UTF-8', { parameter: 'body' });
    const text = body.toString('utf8');
    return text.startsWith('\ufeff') ? text.slice(1) : text;
  };
}

const readSmall = textReader(['application/json'], 4_096);

/**
 * The JSON body of a command; undefined when there is none. Throws `unsupported-media-type` for a body of another type,
 * `body-too-large`, `invalid-body`.
 */
export async function readSmallJson(request: Request, response: Response): Promise<unknown> {
  const text = await readSmall(request, response);
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpProblem('invalid-body', 'not JSON', { parameter: 'body' });
  }
}
