/** The README's picture: made by this test from a whole system with `UPDATE=1`, and held to be small. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { assetPath, assetText } from '../../lib/files/assets.js';
import { hourMs } from '../../lib/time/buckets.js';
import { systemClock } from '../../lib/time/clock.js';
import { browserMissing, launchBrowser, openPage } from '../../test/browser.js';
import { runBatch, startTestSystem, untilAllCounted } from '../../test/running-system.js';

const picture = 'docs/page.png';
const update = process.env['UPDATE'] === '1';

test('the picture in the README is there and under 200 kB', () => {
  assert.ok(assetText('README.md').includes(`](${picture})`));
  const { size } = statSync(assetPath(picture));
  assert.ok(size < 200_000, String(size));
});

if (update) test('the picture is made', { skip: browserMissing }, makePicture);

async function makePicture(t: TestContext): Promise<void> {
  const swa = await startTestSystem(t);
  const nowMs = systemClock();
  const facts = Array.from({ length: 6_000 }, (_, i) => factOf(i, nowMs));
  for (let i = 0; i < facts.length; i += 1_000) await swa.send(facts.slice(i, i + 1_000));
  await untilAllCounted(swa);
  await runBatch(swa);
  await swa.send(Array.from({ length: 40 }, (_, i) => ({ ...factOf(i, nowMs), timestamp: nowMs })));
  await untilAllCounted(swa);
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const { page } = await openPage(t, browser, { height: 1_290 });
  await page.goto(`${swa.system.origin}/?domain=shop.example&tz=UTC`);
  await page.waitForSelector('#live[data-mood=live]');
  await page.waitForSelector('#breakdown-panel tbody tr');
  await page.waitForSelector('#now[data-mood=live]');
  await page.screenshot({ path: assetPath(picture) });
}

const pages = ['', 'sale', 'shoes', 'cart', 'about', 'blog/fitting', 'blog/leather', 'returns'];
const referrers = ['https://search.example.com/', 'https://news.example.net/', 'https://forum.example.org/'];

/** Two days of views with a wave a day; small numbers come more often, and a person's views come together. */
function factOf(i: number, nowMs: number): object {
  const rank = (i * 7_919) % 6_007;
  const spread = (rank / 6_007) ** 1.1;
  const hoursAgo = 48 * spread + 2.4 * Math.sin(spread * 4 * Math.PI);
  const often = (count: number, seed: number): number =>
    Math.floor(count * (((i * seed) % 997) / 997) ** 2.2);
  const referrer = referrers[often(5, 31)];
  return {
    type: 'pageview',
    visitor: `cookie:${(Math.floor(rank / 1.45) * 13) % 1_511}`,
    url: `https://www.shop.example/${pages[often(pages.length, 17)] ?? ''}`,
    timestamp: Math.round(nowMs - Math.max(0, hoursAgo) * hourMs),
    ...(referrer === undefined ? {} : { referrer }),
  };
}
