/** The page over the whole system: an imported access log, a batch run, and new facts that show at once. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { logFile } from '../../ways-in/logs/log-files.js';
import { pageviewDefaults } from '../../ways-in/logs/pageviews.js';
import { logSink } from '../../ingest/fact-sinks.js';
import { importFile } from '../../ingest/import.js';
import { systemClock } from '../../lib/time/clock.js';
import { hourMs } from '../../lib/time/buckets.js';
import { UrlRules } from '../../facts/url/normalize.js';
import { browserMissing, launchBrowser, openPage } from '../../test/browser.js';
import { runBatch, startTestSystem, type TestSystem } from '../../test/running-system.js';
import { tempDir } from '../../test/temp-dir.js';

const host = 'www.shop.example';
const lines = 3_000;
const firstMs = Date.UTC(2026, 2, 1);

test('the page over the whole system', { skip: browserMissing }, async (t) => {
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const swa = await startTestSystem(t);
  const { page, complaints } = await openPage(t, browser);
  page.setDefaultTimeout(60_000); // the whole system works beside the browser
  const foreign: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(`${swa.system.origin}/`)) foreign.push(request.url());
  });

  await t.test('a fresh data directory: what to run', async () => {
    await page.goto(swa.system.origin);
    await page.waitForSelector('#welcome:not([hidden])');
  });

  await t.test('imported views show without a reload, and every figure equals the API’s', async () => {
    await importAccessLog(swa);
    await page.waitForSelector('#welcome', { state: 'hidden' });
    await page.goto(
      `${swa.system.origin}/?domain=shop.example&from=2026-03-01T00:00&to=2026-03-04T00:00&tz=UTC`,
    );
    await page.locator(`#pageviews-value:text-is("${lines.toLocaleString('en')}")`).waitFor();
    await sameAsApi(page, swa);
  });

  await t.test('a batch run takes over, and the figures stay', async () => {
    const visitors = await page.locator('#visitors-value').innerText();
    assert.equal(await page.locator('#bounce-value').innerText(), '–');
    assert.equal((await swa.get('/v1/status')).status, 200);
    const asked = await fetch(`${swa.system.origin}/v1/batches`, { method: 'POST' });
    assert.equal(asked.status, 202);
    await page.locator('#freshness:has-text("Batch through")').waitFor({ timeout: 60_000 });
    await page.locator('#bounce-value:has-text("%")').waitFor();
    assert.equal(await page.locator('#visitors-value').innerText(), visitors);
    assert.match(await page.locator('#runs').innerText(), /1 \(in use\)/);
    await sameAsApi(page, swa);
  });

  await t.test('a new event shows within two seconds', async (t2) => {
    await page.goto(`${swa.system.origin}/?domain=news.example&tz=UTC`);
    await page.getByText('No data for news.example').waitFor();
    await isQuick(t2, 2_000, async (people) => {
      const sentAt = performance.now();
      await swa.send([viewBy(`cookie:${people}`, 'https://news.example/')]);
      await page.locator(`#visitors-value:text-is("${people}")`).waitFor();
      return performance.now() - sentAt;
    });
    assert.equal(await page.locator('#visitors-detail').innerText(), 'Exact');
  });

  await t.test('two devices and a login: 2 becomes 1 within a second, without a run', async (t2) => {
    await page.goto(`${swa.system.origin}/?domain=login.example&tz=UTC`);
    await page.getByText('No data for login.example').waitFor();
    let generation: string | undefined;
    const shows = (people: number): Promise<void> =>
      page.locator(`#visitors-value:text-is("${people}")`).waitFor();
    await isQuick(t2, 1_000, async (people) => {
      const [phone, laptop] = [`cookie:phone-${people}`, `cookie:laptop-${people}`];
      await swa.send([phone, laptop].map((visitor) => viewBy(visitor, 'https://login.example/')));
      await shows(people + 1);
      // The first two are persons of the batch view, the others of the realtime view alone.
      if (people === 1) generation = await runBatch(swa);
      const sentAt = performance.now();
      await swa.send([{ type: 'equiv', a: phone, b: laptop, timestamp: systemClock() }]);
      await shows(people);
      return performance.now() - sentAt;
    });
    assert.equal(await page.locator('#visitors-detail').innerText(), 'Exact');
    assert.match(
      await page.locator('#live-identity').innerText(),
      /since the batch view: \d+ (person is|people are) counted as another one/,
    );
    const { freshness } = await swa.ask('/v1/now?domain=login.example');
    assert.equal(freshness.generation, generation);
  });

  await t.test('people now are those of the last minutes, as the API says', async () => {
    const { data } = await swa.ask('/v1/now?domain=login.example');
    assert.ok(data.visitors !== undefined && data.visitors > 0);
    await page.goto(`${swa.system.origin}/?domain=login.example&tz=UTC`);
    await page
      .locator('#now-count')
      .getByText(`${data.visitors} ${data.visitors === 1 ? 'person' : 'people'} now`, { exact: true })
      .waitFor();
    await page.click('#now summary');
    assert.equal(await page.locator('#now tbody tr').innerText(), `/\t${data.visitors}`);
  });

  await t.test(
    'a zone whose hours are not stored is refused by the API, and one press mends it',
    async (t2) => {
      const { page: other } = await openPage(t2, browser);
      await other.goto(`${swa.system.origin}/?domain=shop.example&range=7d&tz=Asia/Kolkata`);
      await other.click('#notice button:text-is("Use UTC")');
      await other.waitForSelector('#report[aria-busy=false]:not([data-stale])');
      assert.match(other.url(), /tz=UTC/);
    },
  );

  assert.deepEqual(foreign, []);
  assert.deepEqual(complaints, []);
});

/**
 * Tries until one took no longer than `limitMs`, twice at least: what other work on the machine adds is not the page's.
 * @param attempt numbered from 1; how long it took, in ms
 */
async function isQuick(
  t: TestContext,
  limitMs: number,
  attempt: (number: number) => Promise<number>,
): Promise<void> {
  const tookMs: number[] = [];
  while (tookMs.length < 2 || (tookMs.length < 20 && Math.min(...tookMs) > limitMs)) {
    tookMs.push(Math.round(await attempt(tookMs.length + 1)));
  }
  t.diagnostic(`shown after ${tookMs.join(', ')} ms`);
  assert.ok(Math.min(...tookMs) <= limitMs, tookMs.join(', '));
}

function viewBy(visitor: string, url: string): object {
  return { type: 'pageview', visitor, url, timestamp: systemClock() };
}

/** Three days of views: 40 addresses, 12 pages, and one view every 86 seconds. */
async function importAccessLog(swa: TestSystem): Promise<void> {
  const dir = tempDir('access-log');
  const path = join(dir, 'access.log');
  const months = { 2: 'Mar' } as const;
  const text = Array.from({ length: lines }, (_, i) => {
    const at = new Date(firstMs + Math.floor((i * 71.9 * hourMs) / lines)).toISOString();
    const stamp = `${at.slice(8, 10)}/${months[2]}/2026:${at.slice(11, 19)} +0000`;
    const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';
    return `10.0.0.${(i * 7 + Math.floor(i / 60)) % 40} - - [${stamp}] "GET /page/${i % 12} HTTP/1.1" 200 10 "-" "${agent}"`;
  });
  writeFileSync(path, `${text.join('\n')}\n`);
  const urls = new UrlRules();
  const counts = await importFile({
    path,
    format: logFile({ name: 'combined', options: { ...pageviewDefaults, host } }),
    sink: logSink(swa.system.log, urls),
    urls,
    clock: systemClock,
    onRejected: (line) => assert.fail(JSON.stringify(line)),
  });
  assert.equal(counts.read, lines);
}

/** Totals and every bucket of both tables, against the API asked from outside. */
async function sameAsApi(page: Page, swa: TestSystem): Promise<void> {
  const range = 'domain=shop.example&from=2026-03-01T00:00:00Z&to=2026-03-04T00:00:00Z&interval=hour';
  for (const [name, field] of [
    ['visitors', 'visitors'],
    ['pageviews', 'pageviews'],
  ] as const) {
    const path = name === 'visitors' ? 'uniques' : 'pageviews';
    const { data } = await swa.ask(`/v1/${path}?${range}`);
    assert.equal(digits(await page.locator(`#${name}-value`).innerText()), data[field]);
    const toggle = page.locator(`#${path}-toggle`);
    if ((await toggle.getAttribute('aria-pressed')) === 'false') await toggle.click();
    const shown = await page.locator(`#${path}-table tbody td:nth-child(2)`).allInnerTexts();
    assert.deepEqual(
      shown.map(digits),
      data.series?.map((bucket) => bucket[field]),
    );
  }
}

function digits(shown: string): number {
  return Number(shown.replaceAll(',', ''));
}
