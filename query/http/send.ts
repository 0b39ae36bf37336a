/**
 * Sends answers: picks the format by Accept, sets an ETag of generation and cut, answers 304 if the client has the answer already, and compresses
 * large bodies.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Request, Response } from 'express';
import { hasTag } from '../../lib/http/etag.js';
import { HttpProblem } from '../../lib/http/problem.js';
import type { Answer } from '../answers/answer.js';
import { arrowMediaType, toArrow } from '../formats/arrow.js';
import { toCsv } from '../formats/csv.js';

const gzipAsync = promisify(gzip);
const gzipFromBytes = 8_192;

const mediaTypes = { json: 'application/json', csv: 'text/csv', arrow: arrowMediaType } as const;
export type Format = keyof typeof mediaTypes;
const offered = Object.values(mediaTypes);
export const formats = ['json', 'csv', 'arrow'] as const satisfies readonly Format[]; // in order of preference

/**
 * Throws `not-acceptable`.
 * @param requested value of the parameter `format`, which overrides `Accept`
 */
export function formatFor(request: Request, requested?: Format): Format {
  if (requested !== undefined) return requested;
  const { accept } = request.headers;
  if (accept === undefined || accept === '*/*' || accept === 'application/json') return 'json';
  const best = request.accepts(offered);
  const format = formats.find((candidate) => mediaTypes[candidate] === best);
  if (format !== undefined) return format;
  throw new HttpProblem('not-acceptable', `this endpoint offers ${offered.join(', ')}`, {
    parameter: 'Accept',
    extra: { offered },
  });
}

const answersVary = 'Accept, Accept-Encoding, Authorization, Origin';

/** Sets the headers of an answer that must not be cached. */
export function forbidCaching(response: Response): void {
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Vary', answersVary);
}

/**
 * Sets the caching headers of an answer from a generation. Returns true, having sent 304, if the client has it already. The tag is weak because the
 * body contains the lag, which changes all the time.
 */
export function notModified(request: Request, response: Response, version: string, format: string): boolean {
  const tag = `W/"${version}.${format}"`;
  response.setHeader('ETag', tag);
  // The next batch run may change history (two visitors turn out to be one), so clients must revalidate, which is cheap.
  response.setHeader('Cache-Control', 'private, no-cache');
  response.setHeader('Vary', answersVary);
  if (!hasTag(request.headers['if-none-match'], tag)) return false;
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
  return sendBytes(request, response, contentTypes[format], inFormat(answer, format));
}

const contentTypes = { ...mediaTypes, csv: 'text/csv; charset=utf-8; header=present' } as const;

/** The bytes of an answer, or its text. */
export function inFormat(answer: Answer, format: Format): string | Uint8Array {
  if (format === 'json') return JSON.stringify(answer.body);
  return format === 'csv' ? toCsv(answer.table) : toArrow(answer.table, withoutRows(answer.body));
}

/** The body without the lists in `data` from which the rows are made. Totals stay, and so do the requested URLs. */
function withoutRows({ data, ...rest }: Answer['body']): Readonly<Record<string, unknown>> {
  const single = Object.entries(data).filter(([name, value]) => name === 'urls' || !Array.isArray(value));
  return { data: Object.fromEntries(single), ...rest };
}

export async function sendBytes(
  request: Request,
  response: Response,
  type: string,
  body: string | Uint8Array,
): Promise<void> {
  response.setHeader('Content-Type', type);
  const sizeBytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  if (sizeBytes < gzipFromBytes || request.acceptsEncodings('gzip') !== 'gzip') {
    response.setHeader('Content-Length', sizeBytes);
    endAtOnce(response, body, sizeBytes);
    return;
  }
  const compressed = await gzipAsync(body, { level: 5 });
  response.setHeader('Content-Encoding', 'gzip');
  response.setHeader('Content-Length', compressed.length);
  response.end(compressed);
}

/**
 * Ends a response with a body whose Content-Length is set. An ASCII string that is written first and ended in the next tick goes out together with
 * its headers in one write. If it is ended at once, Node adds an empty last chunk, which costs a tenth of the time of a short answer.
 */
function endAtOnce(response: Response, body: string | Uint8Array, sizeBytes: number): void {
  if (typeof body !== 'string' || body.length !== sizeBytes) {
    response.end(body);
    return;
  }
  response.write(body, 'latin1');
  process.nextTick(() => response.end());
}

export async function sendJson(request: Request, response: Response, body: unknown): Promise<void> {
  response.setHeader('Cache-Control', 'no-store');
  return sendBytes(request, response, 'application/json', JSON.stringify(body));
}
