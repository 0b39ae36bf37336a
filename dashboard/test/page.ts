/** What the tests of the page share: a browser and an API of its own for each test file, the API as new for each test. */
import { after, before, beforeEach, type TestContext } from 'node:test';
import type { Browser } from 'playwright-core';
import { browserMissing, launchBrowser, openPage, type OpenPage, type PageLook } from '../../test/browser.js';
import { FakeApi } from './fake-api.js';

export const skip = browserMissing;

/** What the page shows when all answers are there. */
export const loaded = '#report[aria-busy=false]:not([hidden])';
export const shop = '/?domain=shop.example&range=24h&compare=off&tz=UTC';

export interface PageOverApi {
  readonly api: FakeApi;
  /** A page of its own, opened at a path of the API's server. */
  readonly open: (t: TestContext, path?: string, look?: PageLook) => Promise<OpenPage>;
  /** The same, yet without an address. */
  readonly openBlank: (t: TestContext) => Promise<OpenPage>;
}

/** To be called once in a test file, at its top level. */
export function pageOverApi(): PageOverApi {
  const api = new FakeApi();
  let browser: Browser | undefined;
  if (skip === false) {
    before(async () => {
      browser = await launchBrowser();
      await api.start();
    });
    after(async () => {
      await browser?.close();
      await api.stop();
    });
    beforeEach(() => api.reset());
  }
  const openBlank = (t: TestContext, look: PageLook = {}): Promise<OpenPage> => {
    if (browser === undefined) throw new Error('the browser is launched before the first test');
    return openPage(t, browser, look);
  };
  return {
    api,
    openBlank,
    open: async (t, path = shop, look = {}) => {
      const opened = await openBlank(t, look);
      await opened.page.goto(api.origin + path);
      return opened;
    },
  };
}
