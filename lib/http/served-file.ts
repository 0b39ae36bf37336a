/** Files served from memory: compressed once, with an ETag of their content. */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Request, Response } from 'express';
import { hasTag } from './etag.js';

export interface ServedFile {
  /** Media type, with charset for text. */
  readonly type: string;
  readonly bytes: Buffer;
  readonly gzipped: Buffer;
  readonly etag: string;
}

const gzipAsync = promisify(gzip);

export async function servedFile(bytes: Buffer, type: string): Promise<ServedFile> {
  return {
    type,
    bytes,
    gzipped: await gzipAsync(bytes, { level: 9 }),
    etag: `W/"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"`,
  };
}

/** @param cacheControl value of the Cache-Control header */
export function sendFile(request: Request, response: Response, file: ServedFile, cacheControl: string): void {
  response.setHeader('ETag', file.etag);
  response.setHeader('Cache-Control', cacheControl);
  response.vary('Accept-Encoding'); // besides Origin, where the answer is for pages of another origin
  if (hasTag(request.headers['if-none-match'], file.etag)) {
    response.statusCode = 304;
    response.end();
    return;
  }
  const isGzip = request.acceptsEncodings('gzip') === 'gzip';
  const body = isGzip ? file.gzipped : file.bytes;
  if (isGzip) response.setHeader('Content-Encoding', 'gzip');
  response.setHeader('Content-Type', file.type);
  response.setHeader('Content-Length', body.length);
  response.end(request.method === 'HEAD' ? undefined : body);
}
