/** The tracker on pages of another origin, in a real browser. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { assetPath } from '../../../lib/files/assets.js';
import { browserMissing, launchBrowser } from '../../../test/browser.js';
import { proofOf } from '../../sites/visitors.js';
import { openTab, servePages, sites } from './pages.js';

const skip = browserMissing;
let browser: Browser;
before(async () => {
  if (skip === false) browser = await launchBrowser();
});
after(async () => {
  if (skip === false) await browser.close();
});

const proof = proofOf(sites[0]?.secret ?? '', '42');
const firstParty = 'data-key="first-party-key" data-visitors="first-party"';
/** What the browser stores for the page's origin. */
const storage = '({ local: { ...localStorage }, session: { ...sessionStorage }, cookie: document.cookie })';
const nothing = { local: {}, session: {}, cookie: '' };

type Facts = Awaited<ReturnType<Awaited<ReturnType<typeof servePages>>['facts']>>;
const urlsOf = (facts: Facts): readonly string[] =>
  facts.map((fact) => (fact.type === 'pageview' ? new URL(fact.url).pathname : fact.type));
const visitorsOf = (facts: Facts): readonly string[] =>
  facts.map((fact) => (fact.type === 'pageview' ? fact.visitor : fact.type));

test('the script is below 1.5 kB gzipped, and is cached', async (t) => {
  const { swa } = await servePages(t);
  const sizeBytes = gzipSync(readFileSync(assetPath('dist/ways-in/tracker/t.js')), { level: 9 }).length;
  assert.ok(sizeBytes < 1_500, `${sizeBytes} bytes`);
  const response = await fetch(`${swa.origin}/t.js`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type') ?? '', /^text\/javascript/);
  assert.equal(response.headers.get('cache-control'), 'public, max-age=3600');
  assert.equal(response.headers.get('cross-origin-resource-policy'), 'cross-origin');
  const tag = response.headers.get('etag') ?? '';
  const again = await fetch(`${swa.origin}/t.js`, { headers: { 'If-None-Match': tag } });
  assert.equal(again.status, 304);
});

test('first load: one pageview with its referrer, and nothing stored', { skip }, async (t) => {
  const { facts, origin, show } = await servePages(t);
  const { page, complaints } = await openTab(t, browser);
  show({});
  await page.goto(`${origin}/a?utm_source=news#part`, { referer: 'https://search.example/' });
  const [fact] = await facts(1);
  assert.ok(fact?.type === 'pageview');
  assert.equal(fact.url, `${origin}/a?utm_source=news`);
  assert.equal(fact.referrer, 'https://search.example/');
  assert.match(fact.visitor, /^day:/);
  assert.match(fact.userAgent ?? '', /Chrome/);
  assert.deepEqual(await page.evaluate(storage), nothing);
  assert.deepEqual(complaints, []);
});

test(
  'navigation by the history API counts once a page; anchors and replaced addresses do not',
  { skip },
  async (t) => {
    const { facts, origin, show } = await servePages(t);
    const { page } = await openTab(t, browser);
    show({});
    await page.goto(`${origin}/a`);
    await page.evaluate(`history.pushState({}, '', '/b'); history.pushState({}, '', '/b'); history.replaceState({}, '', '/b?sort=1');
    location.hash = 'part'; history.pushState({}, '', '/c')`);
    const sent = await facts(3);
    assert.deepEqual(urlsOf(sent), ['/a', '/b', '/c']);
    assert.ok(sent[1]?.type === 'pageview' && sent[1].referrer === `${origin}/a`);
    await page.goBack();
    await page.goBack();
    assert.deepEqual(urlsOf(await facts(1)), ['/b']);
  },
);

test('hash routes are pages where the tag says so', { skip }, async (t) => {
  const { facts, origin, show } = await servePages(t);
  const { page } = await openTab(t, browser);
  show({ tag: 'data-key="cookieless-key" data-hash' });
  await page.goto(`${origin}/app/#/orders/7`);
  assert.deepEqual(urlsOf(await facts(1)), ['/app/orders/7']);
  await page.evaluate(`location.hash = '#!/basket'`);
  assert.deepEqual(urlsOf(await facts(1)), ['/app/basket']);
  await page.evaluate(`location.hash = 'top'`);
  assert.deepEqual(urlsOf(await facts(1)), ['/app/']);
});

test('what is sent while the page goes away arrives', { skip }, async (t) => {
  const { facts, origin, show } = await servePages(t);
  const { page } = await openTab(t, browser);
  show({
    head: `<script nonce="n1">addEventListener('pagehide', () => history.pushState({}, '', '/gone'))</script>`,
  });
  await page.goto(`${origin}/a`);
  await facts(1);
  await page.goto('about:blank');
  assert.deepEqual(urlsOf(await facts(1)), ['/gone']);
});

test('without beacons events go by fetch, and wait where that fails', { skip }, async (t) => {
  const { facts, origin, show } = await servePages(t);
  const { page } = await openTab(t, browser, 'navigator.sendBeacon = () => false');
  show({});
  await page.route('**/v1/events', (route) => route.abort());
  await page.goto(`${origin}/a`);
  await page.waitForEvent('requestfailed').catch(() => undefined);
  await page.unroute('**/v1/events');
  await page.evaluate(`history.pushState({}, '', '/b')`);
  assert.deepEqual(urlsOf(await facts(2)), ['/a', '/b']);
});

test('events wait while offline, a bounded number, and count when they happened', { skip }, async (t) => {
  const { facts, origin, show, swa } = await servePages(t);
  const { page, context } = await openTab(t, browser);
  show({});
  await page.goto(`${origin}/0`);
  const [first] = await facts(1);
  await context.setOffline(true);
  await page.evaluate(`for (let i = 1; i <= 60; i++) history.pushState({}, '', '/' + i)`);
  const beforeMs = Date.now();
  swa.time.now = beforeMs + 3 * 86_400_000; // the system's clock is three days ahead: only ages of events matter
  await context.setOffline(false);
  const sent = await facts(50);
  assert.deepEqual([urlsOf(sent)[0], urlsOf(sent)[49]], ['/11', '/60']);
  assert.ok(sent.every((fact) => Math.abs(fact.timestamp - swa.time.now) < 10_000));
  assert.ok(first !== undefined && sent[0] !== undefined);
  assert.deepEqual(await page.evaluate(storage), nothing);
});

test('an event of yesterday counts under yesterday', { skip }, async (t) => {
  const { facts, origin, show, swa } = await servePages(t);
  const { page, context } = await openTab(t, browser);
  show({});
  await page.clock.install({ time: swa.time.now - 20 * 3_600_000 });
  await page.goto(`${origin}/0`);
  await facts(1);
  await context.setOffline(true);
  await page.evaluate(`history.pushState({}, '', '/offline')`);
  await page.clock.setSystemTime(swa.time.now);
  await context.setOffline(false);
  const [late] = await facts(1);
  assert.ok(late !== undefined && Math.abs(swa.time.now - late.timestamp - 20 * 3_600_000) < 60_000);
});

test('on a first-party site the browser keeps a random id, and what was not sent', { skip }, async (t) => {
  const { facts, origin, show } = await servePages(t);
  const { page, context } = await openTab(t, browser);
  show({ tag: firstParty });
  await page.goto(`${origin}/a`);
  await page.goto(`${origin}/b`);
  const visitors = visitorsOf(await facts(2));
  assert.match(visitors[0] ?? '', /^browser:[\d-]{16,}$/);
  assert.equal(visitors[0], visitors[1]);
  const { local } = (await page.evaluate(storage)) as { local: Record<string, string> };
  assert.deepEqual(Object.keys(local).toSorted(), ['swa-id', 'swa-waiting']);
  await context.setOffline(true);
  await page.evaluate(`history.pushState({}, '', '/offline')`);
  await page.goto('about:blank');
  await context.setOffline(false);
  await page.goto(`${origin}/c`);
  const later = await facts(2);
  assert.deepEqual(urlsOf(later), ['/offline', '/c']);
  assert.deepEqual(new Set(visitorsOf(later)), new Set([visitors[0]]));
});

test(
  'where storage is blocked pages are counted all the same, and nothing is thrown',
  { skip },
  async (t) => {
    const { facts, origin, show } = await servePages(t);
    const blocked = `Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('blocked', 'SecurityError'); } })`;
    const { page, complaints } = await openTab(t, browser, blocked);
    show({ tag: firstParty });
    await page.goto(`${origin}/a`);
    await page.evaluate(`swa.identify('42', '${proof}'); history.pushState({}, '', '/b')`);
    const visitors = visitorsOf(await facts(2));
    assert.match(visitors[0] ?? '', /^day:/);
    assert.equal(visitors[1], 'user:42');
    assert.deepEqual(complaints, []);
  },
);

for (const [name, script] of [
  ['GPC', `Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true })`],
  ['DNT', `Object.defineProperty(Navigator.prototype, 'doNotTrack', { get: () => '1' })`],
] as const) {
  test(`with ${name} nothing is sent and nothing is kept`, { skip }, async (t) => {
    const { facts, origin, show } = await servePages(t);
    const { page, complaints } = await openTab(t, browser, script);
    const asked: string[] = [];
    page.on('request', (request) => void asked.push(new URL(request.url()).pathname));
    show({ tag: firstParty });
    await page.goto(`${origin}/a`, { waitUntil: 'load' });
    await page.evaluate(`swa.identify('42', '${proof}'); history.pushState({}, '', '/b')`);
    await page.goto(`${origin}/c`, { waitUntil: 'load' });
    assert.deepEqual(await page.evaluate(storage), nothing);
    assert.ok(!asked.includes('/v1/events'), asked.join());
    await facts(0);
    assert.deepEqual(complaints, []);
  });
}

test('a strict policy needs the script and the endpoint named, and no more', { skip }, async (t) => {
  const { facts, origin, show, swa } = await servePages(t);
  const { page, complaints } = await openTab(t, browser);
  show({
    headers: {
      'Content-Security-Policy': `default-src 'none'; script-src 'nonce-n1'; connect-src ${swa.origin}; require-trusted-types-for 'script'`,
      'Referrer-Policy': 'no-referrer',
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    },
    tag: `data-key="cookieless-key" data-user="42" data-proof="${proof}"`,
  });
  await page.goto(`${origin}/a`);
  assert.deepEqual(visitorsOf(await facts(1)), ['user:42']);
  assert.deepEqual(complaints, []);
});

test('a page that comes back from the back/forward cache is seen again', { skip }, async (t) => {
  const { facts, origin, show } = await servePages(t);
  const caching = await launchBrowser(['--disable-back-forward-cache']);
  t.after(() => caching.close());
  const { page } = await openTab(t, caching);
  show({});
  await page.goto(`${origin}/a`);
  await page.evaluate(`window.isTheSame = true`);
  await page.click('a');
  await page.waitForURL(`${origin}/next`);
  assert.deepEqual(urlsOf(await facts(2)), ['/a', '/next']);
  await page.goBack({ waitUntil: 'commit' });
  const [fact] = await facts(1);
  assert.ok(fact?.type === 'pageview' && fact.url === `${origin}/a`);
  assert.equal(await page.evaluate(`window.isTheSame`), true, 'the page was kept, not loaded again');
});

test(
  'identify with a proof joins the browser with the user on a first-party site, once',
  { skip },
  async (t) => {
    const { facts, origin, show } = await servePages(t);
    const { page } = await openTab(t, browser);
    show({ tag: firstParty });
    await page.goto(`${origin}/a`);
    await page.evaluate(`swa.identify('42', '${proof}'); swa.identify('42', '${proof}')`);
    const [view, edge] = await facts(2);
    assert.ok(view?.type === 'pageview' && edge?.type === 'equiv');
    assert.deepEqual([edge.a, edge.b], [view.visitor, 'user:42']);
    show({ tag: `${firstParty} data-user="42" data-proof="${proof}"` });
    await page.goto(`${origin}/b`);
    assert.deepEqual(urlsOf(await facts(1)), ['/b']);
  },
);

test('identify without a proof, or with a forged one, joins nobody', { skip }, async (t) => {
  const { facts, origin, show, swa } = await servePages(t);
  const { page } = await openTab(t, browser);
  for (const tag of [firstParty, 'data-key="cookieless-key"']) {
    show({ tag });
    await page.goto(`${origin}/a`);
    await page.evaluate(
      `swa.identify('42'); swa.identify('43', '${proof}'); history.pushState({}, '', '/b')`,
    );
    const sent = await facts(2);
    assert.deepEqual(urlsOf(sent), ['/a', '/b']);
    assert.equal(new Set(visitorsOf(sent)).size, 1);
    assert.match(visitorsOf(sent)[0] ?? '', /^(?:browser|day):/);
  }
  const none = { refused: 0, ignored: {} };
  assert.deepEqual(swa.wayIn.details(), {
    sites: {
      'first-party': { ...none, accepted: 2, rejected: 2, unproven: 2 },
      cookieless: { ...none, accepted: 2, rejected: 0, unproven: 1 },
    },
  });
});

test('on a cookieless site pages after identify are the user’s', { skip }, async (t) => {
  const { facts, origin, show } = await servePages(t);
  const { page } = await openTab(t, browser);
  show({});
  await page.goto(`${origin}/a`);
  await page.evaluate(`swa.identify('42', '${proof}'); history.pushState({}, '', '/b')`);
  const visitors = visitorsOf(await facts(2));
  assert.match(visitors[0] ?? '', /^day:/);
  assert.equal(visitors[1], 'user:42');
  assert.deepEqual(await page.evaluate(storage), nothing);
});
