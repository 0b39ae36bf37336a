/**
 * Serves the dashboard: a fixed set of files, read once at start, so that no path a client sends ever reaches the file
 * system. The modules come from the build, libraries from their packages, the rest from the source tree.
 */
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Handler, Request, Response } from 'express';
import { assetPath } from '../../lib/files/assets.js';
import { hasTag } from '../../lib/http/etag.js';
import { HttpProblem } from '../../lib/http/problem.js';

interface ServedFile {
  readonly type: string;
  readonly bytes: Buffer;
  readonly gzipped: Buffer;
  readonly etag: string;
}

const types = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

const sources = ['base.css', 'page.css', 'icon.svg', 'icons.svg'] as const;

/** The handler for `/` and `/assets/...`; everything else goes on. Rejects when the page has not been built. */
export async function dashboardHandler(): Promise<Handler> {
  const files = await readFiles();
  return (request, response, next) => {
    const file = files.get(request.path);
    if (file === undefined) return next();
    response.locals['route'] = request.path === '/' ? '/' : '/assets/{file}';
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new HttpProblem('method-not-allowed', `${request.method} is not allowed here`, {
        extra: { allowed: ['GET', 'HEAD'] },
        headers: { Allow: 'GET, HEAD' },
      });
    }
    send(request, response, file);
  };
}

async function readFiles(): Promise<ReadonlyMap<string, ServedFile>> {
  const packages = createRequire(import.meta.url);
  const built = assetPath('dist/dashboard');
  const modules = readdirSync(built).filter((name) => name.endsWith('.js'));
  const paths: readonly (readonly [string, string])[] = [
    ['/', assetPath('dashboard/index.html')],
    ...sources.map((name) => [`/assets/${name}`, assetPath(`dashboard/${name}`)] as const),
    ...modules.map((name) => [`/assets/${name}`, join(built, name)] as const),
    ['/assets/vendor/uplot.js', packages.resolve('uplot/dist/uPlot.esm.js')],
    ['/assets/vendor/punycode.js', packages.resolve('punycode/punycode.es6.js')],
    ['/assets/uplot.css', packages.resolve('uplot/dist/uPlot.min.css')],
  ];
  return new Map(await Promise.all(paths.map(async ([url, path]) => [url, await readFile(path)] as const)));
}

const gzipAsync = promisify(gzip);

async function readFile(path: string): Promise<ServedFile> {
  const bytes = readFileSync(path);
  const extension = path.slice(path.lastIndexOf('.') + 1);
  return {
    type: types[extension as keyof typeof types], // only these are listed above
    bytes,
    gzipped: await gzipAsync(bytes),
    etag: `W/"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"`,
  };
}

function send(request: Request, response: Response, file: ServedFile): void {
  response.setHeader('ETag', file.etag);
  response.setHeader('Cache-Control', 'no-cache');
  response.setHeader('Vary', 'Accept-Encoding');
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
