/**
 * Serves the dashboard: a fixed set of files read at start, so a request path never reaches the file system. The modules come from the build,
 * libraries from their packages, the rest from the source tree.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Handler } from 'express';
import { assetPath } from '../../lib/files/assets.js';
import { HttpProblem } from '../../lib/http/problem.js';
import { sendFile, servedFile, type ServedFile } from '../../lib/http/served-file.js';

const types = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

const sources = ['base.css', 'page.css', 'icon.svg', 'icons.svg'] as const;

/** The handler of `/` and `/assets/...`; other paths go to the next handler. Rejects if the page was not built. */
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
    sendFile(request, response, file, 'no-cache');
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

async function readFile(path: string): Promise<ServedFile> {
  const extension = path.slice(path.lastIndexOf('.') + 1);
  return servedFile(readFileSync(path), types[extension as keyof typeof types]); // only these are listed above
}
