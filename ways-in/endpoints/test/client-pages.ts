/** For tests: a public system, and pages of another origin that load other trackers' published clients in a real browser. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { assetPath } from '../../../lib/files/assets.js';
import type { Config } from '../../../lib/config/config.js';
import { listening } from '../../../test/loopback.js';
import { eventually } from '../../../test/eventually.js';
import { answerSchema, startTestSystem } from '../../../test/running-system.js';
import { tempDir } from '../../../test/temp-dir.js';

const key = 'owner-key';
const hourMs = 3_600_000;
/** Modules that pages load: of plausible-tracker as a bundler would, of the other as it is. */
const modules: Readonly<Record<string, string>> = {
  '/plausible-tracker/': 'node_modules/plausible-tracker/build/module/',
  '/plausible/': 'node_modules/@plausible-analytics/tracker/',
};

/** The system with keys, as on a public host, and with these sites. */
export async function startPublicSystem(
  t: TestContext,
  sites: readonly object[],
  change: Partial<Config> = {},
) {
  const file = join(tempDir('clients'), 'sites.json');
  writeFileSync(file, JSON.stringify({ sites }));
  const hash = createHash('sha256').update(key).digest('hex');
  const { system, config } = await startTestSystem(t, {
    sites: file,
    apiKeys: [`owner:admin:${hash}`],
    ...change,
  });
  const get = (path: string): Promise<Response> =>
    fetch(system.origin + path, { headers: { Authorization: `Bearer ${key}` } });
  const counted = async (what: string, of: string): Promise<number> => {
    const hour = Math.floor(Date.now() / hourMs) * hourMs;
    const [from, to] = [hour - hourMs, hour + 2 * hourMs].map((time) => new Date(time).toISOString());
    const response = await get(`/v1/${what}?${of}&from=${from}&to=${to}`);
    const body: unknown = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    const { data } = answerSchema.parse(body);
    return data.visitors ?? data.pageviews ?? 0;
  };
  /** Waits until the answer is `count`, and reports how long that took. */
  const answers = async (what: 'pageviews' | 'uniques', of: string, count: number): Promise<void> => {
    const since = performance.now();
    await eventually(
      `${count} ${what} of ${of}`,
      async () => ((await counted(what, of)) === count ? true : undefined),
      15_000,
    );
    t.diagnostic(`${count} ${what} of ${of} after ${Math.round(performance.now() - since)} ms`);
  };
  /** Waits until a site's events have these counts by name. Clients send engagement events more than once, when the focus changes. */
  const ignored = (site: string, names: Readonly<Record<string, number>>): Promise<unknown> =>
    eventually(
      `counts of ${JSON.stringify(names)}`,
      async () => {
        const text = await (await get('/metrics')).text();
        const said = Object.entries(names).every(([name, count]) => {
          const series = `swa_site_events_total{site="${site}",result="ignored",name="${name}"} `;
          const line = text.split('\n').find((one) => one.startsWith(series));
          return Number(line?.slice(series.length) ?? 0) >= count;
        });
        return said || undefined;
      },
      15_000,
    );
  return { origin: system.origin, dataDir: config.dataDir, get, answers, ignored };
}

/** Pages with a script of their own; `http://localhost:<port>` is a site's, `http://127.0.0.1:<port>` is not. */
export async function serveClientPages(t: TestContext) {
  let script = '';
  const server = createServer(({ url = '/' }, response) => {
    const [place] = Object.keys(modules).filter((one) => url.startsWith(one));
    if (place === undefined) {
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
      response.end(`<!doctype html><title>page</title><body>page<script type="module">${script}</script>`);
      return;
    }
    const path = assetPath(`${modules[place]}${url.slice(place.length)}`);
    response.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8' });
    response.end(readFileSync(existsSync(path) ? path : `${path}.js`));
  });
  const port = await listening(server);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    own: `http://localhost:${port}`,
    foreign: `http://127.0.0.1:${port}`,
    /** The script of the next pages. */
    run: (module: string): void => void (script = module),
  };
}
