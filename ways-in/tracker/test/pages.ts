/** For tests: pages of another origin that load the tracker in a real browser. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { configWith } from '../../../lib/config/config.js';
import { eventually } from '../../../test/eventually.js';
import { serveSites } from '../../sites/test/serving.js';

export const sites = [
  { name: 'cookieless', domains: ['localhost'], key: 'cookieless-key', secret: 'a secret of this site' },
  {
    name: 'first-party',
    domains: ['localhost'],
    key: 'first-party-key',
    secret: 'a secret of this site',
    visitors: 'first-party',
  },
];

export interface PageOptions {
  /** Attributes of the script tag, besides its source. */
  readonly tag?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** In the head, after the tracker's tag. */
  readonly head?: string;
}

/** The system, and a server of pages on another origin: `http://localhost:<port>`. */
export async function servePages(t: TestContext) {
  const swa = await serveSites(t, sites, { httpPort: configWith({}).httpPort });
  swa.time.now = Date.now(); // timestamps of pages are compared with this clock
  let options: PageOptions = {};
  const server = createServer((_request: IncomingMessage, response: ServerResponse) => {
    const { tag = 'data-key="cookieless-key"', headers = {}, head = '' } = options;
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', ...headers });
    response.end(
      `<!doctype html><title>page</title><script nonce="n1" defer src="${swa.origin}/t.js" ${tag}></script>${head}<a href="/next">next</a>`,
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const origin = `http://localhost:${port}`;
  const got: ReturnType<typeof swa.facts> = [];
  return {
    swa,
    origin,
    /** Content of the next pages. */
    show: (next: PageOptions): void => {
      options = next;
    },
    /** Waits for this number of facts since the last call, and returns them; fails if there are more. */
    facts: async (count: number) => {
      await eventually(
        `${count} facts`,
        () => {
          got.push(...swa.facts());
          return got.length >= count || undefined;
        },
        10_000,
      ).catch((error: unknown) => {
        throw new Error(`got ${JSON.stringify(got)}`, { cause: error });
      });
      if (got.length > count) throw new Error(`more than ${count} facts: ${JSON.stringify(got)}`);
      return got.splice(0);
    },
  };
}

export interface Tab {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Console errors and uncaught errors so far. */
  readonly complaints: string[];
}

/**
 * @param script runs in each page before its own scripts
 * @param options options of the browser's context; with its default user agent the browser is a known bot, and its pageviews do not count
 */
export async function openTab(
  t: TestContext,
  browser: Browser,
  script = '',
  options: BrowserContextOptions = {},
): Promise<Tab> {
  const context = await browser.newContext(options);
  t.after(() => context.close());
  context.setDefaultTimeout(10_000);
  if (script !== '') await context.addInitScript(script);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('favicon')) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  return { page, context, complaints };
}
