/** The page in a real Chromium, over an API that can be empty, fail, want a key or fall silent on demand. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { browserMissing, launchBrowser, openPage, type OpenPage } from './browser.js';
import { FakeApi } from './dashboard-fake-api.js';

const skip = browserMissing;
let browser: Browser;
let api: FakeApi;

if (skip === false) {
  before(async () => {
    browser = await launchBrowser();
  });
  after(() => browser.close());
  beforeEach(async () => {
    api = new FakeApi();
    await api.start();
  });
  afterEach(() => api.stop());
}

const loaded = '#report[aria-busy=false]:not([hidden])';

async function open(t: Parameters<typeof openPage>[0], path = '/', look = {}): Promise<OpenPage> {
  const opened = await openPage(t, browser, look);
  await opened.page.goto(api.origin + path);
  return opened;
}

const text = (page: Page, selector: string): Promise<string> => page.locator(selector).innerText();
const digits = (shown: string): number => Number(shown.replaceAll(/[^\d.]/g, ''));

test(
  'the page shows exactly the numbers of the API, without a complaint of the browser',
  { skip },
  async (t) => {
    const { page, complaints } = await open(t, '/?domain=shop.example&range=24h&tz=UTC');
    await page.waitForSelector(loaded);
    const uniques = await api.again('/v1/uniques');
    const pageviews = await api.again('/v1/pageviews');
    assert.equal(digits(await text(page, '#visitors-value')), uniques.data['visitors']);
    assert.equal(digits(await text(page, '#pageviews-value')), pageviews.data['pageviews']);
    assert.equal(await text(page, '#bounce-value'), '41.3%');
    await page.waitForSelector('#live[data-mood=live]');
    assert.match(await text(page, '#freshness'), /^Batch through .* live to /);
    assert.equal(await page.locator('.chart canvas').count(), 2);
    assert.deepEqual(complaints, []);
  },
);
