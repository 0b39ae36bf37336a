/**
 * How answers leave: the format the caller accepts, an ETag that names generation and cut, 304 when the caller has that
 * already, gzip where it pays.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Request, Response } from 'express';
import { HttpProblem } from '../../lib/http/problem.js';
import type { Answer } from '../answers/answer.js';
import { arrowMediaType, toArrow } from '../formats/arrow.js';
import { toCsv } from '../formats/csv.js';
import type { Generation } from '../engine/generations.js';

const gzipAsync = promisify(gzip);
const gzipFromBytes = 8_192;

export const formats = ['application/json', 'text/csv', arrowMediaType] as const;
export type Format = (typeof formats)[number];

/** Throws `not-acceptable`. */
export function formatFor(request: Request): Format {
  const { accept } = request.headers;
  if (accept === undefined || accept === '*/*' || accept === 'application/json') return 'application/json';
  const format = formats.find((candidate) => candidate === request.accepts([...formats]));
  if (format !== undefined) return format;
  throw new HttpProblem('not-acceptable', `offered are ${formats.join(', ')}`, {
    parameter: 'Accept',
    extra: { offered: formats },
  });
}

/**
 * Sets the caching headers of an answer made from a generation. True when the caller has it already: then 304 is sent. The
 * tag is weak, since lag, which is of the moment, is part of the body.
 */
export function notModified(
  request: Request,
  response: Response,
  generation: Generation,
  format: string,
): boolean {
  const tag = `W/"${generation.version}.${format === 'application/json' ? 'json' : format}"`;
  response.setHeader('ETag', tag);
  // History may change with the next batch run (two visitors turn out to be one): always ask again, cheaply.
  response.setHeader('Cache-Control', 'private, no-cache');
  response.setHeader('Vary', 'Accept, Accept-Encoding, Authorization');
  const known = request.headers['if-none-match'];
  if (known === undefined || !known.split(',').some((candidate) => candidate.trim() === tag)) return false;
  response.statusCode = 304;
  response.end();
  return true;
}

export async function sendAnswer(
  request: Request,
  response: Response,
  answer: Answer,
  format: Format,
): Promise<void> {
  switch (format) {
    case 'application/json':
      return sendBytes(request, response, 'application/json', JSON.stringify(answer.body));
    case 'text/csv':
      return sendBytes(request, response, 'text/csv; charset=utf-8; header=present', toCsv(answer.table));
    case arrowMediaType: {
      const { data: _rows, ...meta } = answer.body;
      return sendBytes(request, response, arrowMediaType, toArrow(answer.table, meta));
    }
  }
}

export async function sendBytes(
  request: Request,
  response: Response,
  type: string,
  body: string | Uint8Array,
): Promise<void> {
  response.setHeader('Content-Type', type);
  let bytes = typeof body === 'string' ? Buffer.from(body) : body;
  if (bytes.length >= gzipFromBytes && request.acceptsEncodings('gzip') === 'gzip') {
    response.setHeader('Content-Encoding', 'gzip');
    bytes = await gzipAsync(bytes, { level: 5 });
  }
  response.setHeader('Content-Length', bytes.length);
  response.end(bytes);
}

export async function sendJson(request: Request, response: Response, body: unknown): Promise<void> {
  response.setHeader('Cache-Control', 'no-store');
  return sendBytes(request, response, 'application/json', JSON.stringify(body));
}
