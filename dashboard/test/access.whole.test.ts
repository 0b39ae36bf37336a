/** Accessibility: keyboard only, phone, dark theme, names for screen readers, and links. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { HttpProblem } from '../../lib/http/problem.js';
import { loaded, pageOverApi, shop, skip } from './page.js';

const { api, open } = pageOverApi();

/** Presses Tab until the element has the focus. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    if ((await page.locator(`${selector}:focus-visible`).count()) > 0) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`Tab does not lead to ${selector}`);
}

test('everything can be done with the keyboard, and where the focus is can be seen', { skip }, async (t) => {
  const { page } = await open(t);
  await page.waitForSelector(loaded);
  await page.keyboard.press('Tab');
  assert.equal(await page.locator(':focus').innerText(), 'Skip to the figures');

  await tabTo(page, '#domain');
  await page.keyboard.type('news');
  await page.waitForSelector('#domain-list [role=option][aria-selected=true]');
  await page.keyboard.press('Enter');
  await page.waitForURL(/domain=news\.example/);
  await page.keyboard.press('Escape');

  await tabTo(page, '#page');
  await page.keyboard.press('ArrowDown');
  await page.waitForSelector('#page-list [role=option]');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForURL(/url=https%3A%2F%2Fwww\.news\.example%2F/);
  await page.keyboard.press('ArrowDown');
  await page.waitForSelector('#page-list [role=option]');
  await page.keyboard.press('Escape');
  assert.equal(await page.inputValue('#page'), 'www.news.example/');

  await tabTo(page, 'input[name=range]');
  await page.keyboard.press('ArrowRight');
  await page.waitForURL(/range=7d/);
  await tabTo(page, '#interval');
  await page.keyboard.press('ArrowDown');
  await page.waitForURL(/by=hour/);

  await tabTo(page, '#uniques-chart');
  await page.keyboard.press('Home');
  await page.locator('#announcer:has-text("visitors")').waitFor({ state: 'attached' });
  const first = await page.locator('#announcer').textContent();
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction(`document.querySelector('#announcer').textContent !== ${JSON.stringify(first)}`);
  await tabTo(page, '#pageviews-toggle');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#pageviews-table');

  await tabTo(page, '#breakdown-colour');
  await page.keyboard.press('ArrowRight');
  await page.waitForURL(/dimension=taste/);
  await tabTo(page, '#pages-card button');
  await page.keyboard.press('Space');
  await page.waitForURL((url) => !url.searchParams.has('url'));
});

test('the focus of every control is drawn', { skip }, async (t) => {
  const { page } = await open(t);
  await page.waitForSelector(loaded);
  const unseen: string[] = [];
  for (let presses = 0; presses < 25; presses++) {
    await page.keyboard.press('Tab');
    const [name, drawn] = await page.evaluate<[string, boolean]>(`(() => {
      const focused = document.activeElement;
      const shown = focused.matches('input[type=radio]') ? focused.nextElementSibling : focused;
      const style = getComputedStyle(shown);
      return [focused.outerHTML.slice(0, 80), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2];
    })()`);
    if (!drawn) unseen.push(name);
  }
  assert.deepEqual(unseen, []);
});

const widths = [320, 390, 768, 1280] as const;

for (const width of widths) {
  test(`nothing is wider than a window of ${width} pixels`, { skip }, async (t) => {
    const { page } = await open(t, `${shop}&from=2026-11-20T00:00&to=2026-11-22T00:00`, {
      width,
      height: 844,
    });
    const wide = async (what: string): Promise<void> => {
      const [content, window] = await page.evaluate<[number, number]>(
        '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
      );
      assert.ok(content <= window, `${what}: ${content} > ${window}`);
      // Cards must not clip what is too wide either.
      const cut = await page.evaluate(`[...document.querySelectorAll('.card, .notice, table')]
        .filter((e) => e.offsetParent !== null && e.scrollWidth > e.clientWidth + 1).map((e) => e.id || e.className)`);
      assert.deepEqual(cut, [], what);
    };
    await page.waitForSelector(loaded);
    await page.waitForSelector('#layers tbody tr');
    await wide('report');
    await page.click('#uniques-toggle');
    await wide('table');
    api.does.problem = new HttpProblem('range-too-fine', `too many ${'x'.repeat(90)}`, {
      extra: { suggestion: 'month' },
    });
    await page.waitForSelector('.notice');
    await wide('problem');
    api.does.problem = undefined;
    api.does.domains = [];
    await page.goto(`${api.origin}/`);
    await page.waitForSelector('#welcome:not([hidden])');
    await wide('welcome');
  });
}

/** Foreground and background pairs that occur on the page, and the least contrast WCAG asks for (1.4.3, 1.4.11). */
const pairs: readonly (readonly [string, string, number])[] = [
  ['--ink', '--page', 4.5],
  ['--ink', '--surface', 4.5],
  ['--ink', '--accent-soft', 4.5],
  ['--muted', '--page', 4.5],
  ['--muted', '--surface', 4.5],
  ['--muted', '--raised', 4.5],
  ['--muted', '--accent-soft', 4.5],
  ['--accent', '--surface', 4.5],
  ['--accent', '--accent-soft', 4.5],
  ['--on-accent', '--accent', 4.5],
  ['--live', '--raised', 4.5],
  ['--bad', '--surface', 4.5],
  ['--bad', '--raised', 4.5],
  ['--edge', '--surface', 3],
  ['--series', '--surface', 3],
  ['--live', '--surface', 3],
  ['--warn', '--surface', 3],
];

for (const dark of [false, true]) {
  test(`text stands out ${dark ? 'in the dark' : 'in the light'}`, { skip }, async (t) => {
    const { page } = await open(t, shop, { dark });
    await page.waitForSelector(loaded);
    assert.equal(await page.getAttribute('html', 'data-theme'), dark ? 'dark' : 'light');
    for (const [foreground, background, least] of pairs) {
      const ratio = contrast(await colorOf(page, foreground), await colorOf(page, background));
      assert.ok(ratio >= least, `${foreground} on ${background}: ${ratio.toFixed(2)} < ${least}`);
    }
  });
}

async function colorOf(page: Page, property: string): Promise<readonly number[]> {
  const shown = await page.evaluate<string>(`(() => {
    const probe = document.body.appendChild(document.createElement('span'));
    probe.style.color = 'var(${property})';
    const color = getComputedStyle(probe).color;
    probe.remove();
    return color;
  })()`);
  return [...shown.matchAll(/[\d.]+/g)].slice(0, 3).map(([digits]) => Number(digits));
}

/** The contrast ratio of WCAG 2.2. */
function contrast(a: readonly number[], b: readonly number[]): number {
  const [darker = 0, lighter = 0] = [luminance(a), luminance(b)].toSorted((x, y) => x - y);
  return (lighter + 0.05) / (darker + 0.05);
}

/** The relative luminance of WCAG 2.2. */
function luminance(color: readonly number[]): number {
  const [red = 0, green = 0, blue = 0] = color.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

test('the theme button changes the theme, and the choice is kept', { skip }, async (t) => {
  const { page } = await open(t);
  await page.waitForSelector(loaded);
  await page.click('#theme');
  assert.equal(await page.getAttribute('html', 'data-theme'), 'dark');
  await page.reload();
  await page.waitForSelector(loaded);
  assert.equal(await page.getAttribute('html', 'data-theme'), 'dark');
  assert.equal(await page.getAttribute('#theme', 'aria-label'), 'Use the light theme');
});

test(
  'every control has a name, headings have an order, and fresh figures are not read out each second',
  { skip },
  async (t) => {
    const { page } = await open(t, `${shop}&from=2026-11-20T00:00&to=2026-11-22T00:00`);
    await page.waitForSelector(loaded);
    const tree = await page.locator('body').ariaSnapshot();
    const unnamed = tree
      .split('\n')
      .filter((line) =>
        /^\s*- (button|combobox|radio|textbox|link|table|region|group)( \[.*\])?:?$/.test(line),
      );
    assert.deepEqual(unnamed, []);
    assert.equal(
      await page.locator('#figures [aria-live], #freshness[aria-live], #freshness [aria-live]').count(),
      0,
    );
    assert.equal(await page.locator('[aria-live]').count(), 1);
  },
);

test('a link opens what was shown, and Back goes back', { skip }, async (t) => {
  const { page } = await open(t, '/?domain=shop.example&range=24h&compare=off&tz=Europe/Berlin');
  await page.waitForSelector(loaded);
  await page.check('input[value=custom]', { force: true });
  await page.fill('#from', '2026-11-01T08:00');
  await page.fill('#to', '2026-11-03T08:00');
  await page.click('#apply-range');
  await page.waitForURL(/from=2026-11-01T08%3A00/);
  await page.waitForSelector(loaded);
  const last = api.asked.findLast((line) => line.includes('/v1/uniques')) ?? '';
  assert.match(decodeURIComponent(last), /from=2026-11-01T08:00:00\+01:00&to=2026-11-03T08:00:00\+01:00/);
  const { page: other } = await open(t, new URL(page.url()).pathname + new URL(page.url()).search);
  await other.waitForSelector(loaded);
  assert.equal(await other.inputValue('#from'), '2026-11-01T08:00');
  assert.equal(await other.inputValue('#zone'), 'Europe/Berlin');
  await page.goBack();
  await page.goBack();
  await page.waitForURL(/range=24h/);
  assert.ok(await page.isChecked('input[value="24h"]'));
});
