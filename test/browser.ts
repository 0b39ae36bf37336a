/** A real headless Chromium for tests. Where none is installed, `browserMissing` says so and tests skip with it. */
import { existsSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { chromium, type Browser, type Page } from 'playwright-core';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => existsSync(path),
);

/** The reason to skip, or false. */
export const browserMissing: string | false =
  executablePath === undefined ? 'no Chromium here: apt-get install chromium' : false;

const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * @param without playwright's default arguments that are left out
 * @param more arguments of Chromium
 */
export async function launchBrowser(
  without: readonly string[] = [],
  more: readonly string[] = [],
): Promise<Browser> {
  if (executablePath === undefined) throw new Error('no Chromium');
  return chromium.launch({ executablePath, args: [...args, ...more], ignoreDefaultArgs: [...without] });
}

export interface OpenPage {
  readonly page: Page;
  /** Console errors, uncaught errors and violations of the page's policy so far. */
  readonly complaints: string[];
}

export interface PageLook {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  /** Time zone of the visitor; UTC by default. */
  readonly zone?: string;
}

/** A page of its own, closed after the test. Times out after 10 s on whatever it waits for. */
export async function openPage(t: TestContext, browser: Browser, look: PageLook = {}): Promise<OpenPage> {
  const context = await browser.newContext({
    viewport: { width: look.width ?? 1280, height: look.height ?? 800 },
    colorScheme: look.dark === true ? 'dark' : 'light',
    timezoneId: look.zone ?? 'UTC',
    locale: 'en-US',
    reducedMotion: 'reduce',
  });
  t.after(() => context.close());
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.text().includes('Content Security Policy'))
      complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  return { page, complaints };
}
