/** Checks the page with the rules of axe-core (WCAG 2.2 A and AA, and best practices), and the size of a first visit. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { HttpProblem } from '../../lib/http/problem.js';
import { loaded, pageOverApi, shop, skip } from './page.js';

const { api, open, openBlank } = pageOverApi();
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Findings as 'rule: element'. Axe is evaluated instead of added to the page, whose policy would block it. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(`axe.run().then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html.slice(0, 120))))`);
}

for (const look of [
  { width: 1280, dark: false },
  { width: 360, dark: true },
]) {
  test(`axe finds nothing at ${look.width} px, ${look.dark ? 'dark' : 'light'}`, { skip }, async (t) => {
    const { page } = await open(t, '/?domain=shop.example&range=24h&tz=UTC', look);
    await page.waitForSelector(loaded);
    await page.waitForSelector('#layers tbody tr');
    assert.deepEqual(await findings(page), [], 'charts');
    for (const id of ['uniques-toggle', 'pageviews-toggle']) await page.click(`#${id}`);
    for (const summary of await page.locator('summary').all()) await summary.click();
    await page.click('#pages-card button:text-is("curl")');
    await page.click('#page');
    await page.waitForSelector('#page-list [role=option]');
    assert.deepEqual(await findings(page), [], 'tables, details and a list of suggestions');
    api.does.problem = new HttpProblem('empty-range', 'from lies after to');
    await page.waitForSelector('.notice');
    assert.deepEqual(await findings(page), [], 'a problem');
    api.does.problem = undefined;
    api.does.key = 'right';
    await page.waitForSelector('#key-dialog[open]');
    assert.deepEqual(await findings(page), [], 'the question for a key');
  });
}

test('a first visit transfers less than 150 kB until the figures are there', { skip }, async (t) => {
  const { page } = await openBlank(t);
  const sizes: Promise<number>[] = [];
  page.on('requestfinished', (request) =>
    sizes.push(
      request
        .sizes()
        .then(({ responseBodySize, responseHeadersSize }) => responseBodySize + responseHeadersSize),
    ),
  );
  await page.goto(api.origin + shop);
  await page.waitForSelector(loaded);
  const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  t.diagnostic(`${sizes.length} answers, ${bytes} bytes`);
  assert.ok(sizes.length > 20);
  assert.ok(bytes < 150_000, String(bytes));
});
