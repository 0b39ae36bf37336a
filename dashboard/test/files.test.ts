/** The files of the page over HTTP: complete, cached by content, small, and nothing else reachable. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { assetPath } from '../../lib/files/assets.js';
import { FakeApi } from './fake-api.js';

const api = new FakeApi();
before(() => api.start());
after(() => api.stop());

const get = (path: string, init?: RequestInit): Promise<Response> => fetch(api.origin + path, init);

test('everything that the page and its modules refer to is served, with a type and the strict policy', async () => {
  const page = await get('/');
  assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8');
  assert.match(page.headers.get('content-security-policy') ?? '', /^default-src 'self';/);
  const html = await page.text();
  assert.doesNotMatch(html, /<script(?![^>]*src=)|<style|\sstyle=|\son\w+=/);
  const named = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path ?? '');
  const modules = readdirSync(assetPath('dist/dashboard')).filter((name) => name.endsWith('.js'));
  assert.ok(named.length >= 6 && modules.length >= 15);
  const sprites = ['/assets/icons.svg', '/assets/vendor/uplot.js'];
  for (const path of [...named, ...modules.map((name) => `/assets/${name}`), ...sprites]) {
    const response = await get(path);
    assert.equal(response.status, 200, path);
    assert.match(response.headers.get('content-type') ?? '', /^(text\/(css|javascript); |image\/svg)/, path);
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    if (!path.endsWith('.js')) continue;
    for (const [, imported] of (await response.text()).matchAll(/ from '(\.[^']+)'/g)) {
      const target = new URL(imported ?? '', api.origin + path).pathname;
      assert.equal((await get(target)).status, 200, `${path} imports ${target}`);
    }
  }
});

test('a file is revalidated by its ETag, and the whole page is under 100 kB', async () => {
  const first = await get('/assets/main.js');
  const tag = first.headers.get('etag') ?? '';
  const again = await get('/assets/main.js', { headers: { 'If-None-Match': tag } });
  assert.equal(again.status, 304);
  assert.equal((await get('/assets/main.js', { headers: { 'If-None-Match': '"other"' } })).status, 200);
  const head = await get('/', { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), '');
  const modules = readdirSync(assetPath('dist/dashboard')).filter((name) => name.endsWith('.js'));
  let bytes = 0;
  for (const path of ['/', '/assets/vendor/uplot.js', ...modules.map((name) => `/assets/${name}`)]) {
    const response = await get(path);
    bytes += Number(response.headers.get('content-length'));
  }
  assert.ok(bytes < 100_000, String(bytes));
});

test('only the page is served, and only to GET and HEAD', async () => {
  for (const path of [
    '/assets/',
    '/assets/main.ts',
    '/assets/main.js.map',
    '/assets/%2e%2e/package.json',
    '/assets/..%2f..%2fpackage.json',
    '/assets//main.js',
    '/index.html',
  ]) {
    assert.equal(await rawStatus(path), 404, path);
  }
  assert.equal(await rawStatus('/assets/../package.json'), 404);
  const refused = await get('/', { method: 'POST' });
  assert.equal(refused.status, 405);
  assert.equal(refused.headers.get('allow'), 'GET, HEAD');
  assert.equal(refused.headers.get('content-type'), 'application/problem+json');
});

/** The path as it stands, which `fetch` would tidy up. */
function rawStatus(path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(api.origin);
    request({ hostname, port, path }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}
