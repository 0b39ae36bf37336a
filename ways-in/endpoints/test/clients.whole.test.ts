/** Other trackers' own published clients against a public system: from pages in a real browser, and from servers. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Analytics } from '@segment/analytics-node';
import { Umami } from '@umami/node';
import type { Browser, Page } from 'playwright-core';
import { z } from 'zod';
import { setUp } from '../../../cli/test/swa-command.js';
import { browserMissing, launchBrowser } from '../../../test/browser.js';
import { openTab } from '../../tracker/test/pages.js';
import { proofOf } from '../../sites/visitors.js';
import { eventually } from '../../../test/eventually.js';
import { serveClientPages, startPublicSystem } from './client-pages.js';

const skip = browserMissing;
let browser: Browser;
before(async () => {
  if (skip === false) browser = await launchBrowser();
});
after(async () => {
  if (skip === false) await browser.close();
});

const secret = 'a secret of this site';
/** A browser's user agent: pageviews of bots are left out of the answers. */
const userAgent =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';
const pages = {
  name: 'pages',
  domains: ['localhost'],
  key: 'pages-key-1',
  trackers: { plausible: ['My site'], umami: ['website-1'], goatcounter: true, segment: ['write-key-1'] },
};
const shop = {
  name: 'shop',
  domains: ['shop.example'],
  key: 'shop-key-1',
  visitors: 'first-party',
  secret,
  trackers: { umami: ['website-2'], segment: ['write-key-2'] },
  fromServers: true,
};
const personSchema = z.object({ data: z.object({ ids: z.array(z.string()) }) });

/** Opens a page of the site, then the same page on another origin, whose request is refused and fails in the page. */
async function visit(page: Page, origins: { own: string; foreign: string }, path: string): Promise<string> {
  await page.goto(origins.own + path);
  const refused = page.waitForEvent('requestfailed');
  await page.goto(origins.foreign + path);
  return new URL((await refused).url()).pathname;
}

test('plausible-tracker: pageviews, routes, custom events', { skip }, async (t) => {
  const swa = await startPublicSystem(t, [pages]);
  const site = await serveClientPages(t);
  const { page } = await openTab(t, browser, '', { userAgent });
  site.run(`
    import Plausible from '/plausible-tracker/index.js';
    window.client = Plausible({ domain: 'My site', apiHost: '${swa.origin}', trackLocalhost: true });
    client.enableAutoPageviews();`);
  assert.equal(await visit(page, site, '/a'), '/api/event');
  await swa.answers('pageviews', `url=${site.own}/a`, 1);
  await page.goto(`${site.own}/b`);
  await page.evaluate(
    `client.trackEvent('Signup', { props: { plan: 'x' } }); history.pushState({}, '', '/c')`,
  );
  await swa.answers('pageviews', 'domain=localhost', 3);
  await swa.answers('uniques', 'domain=localhost', 1);
  await swa.ignored('pages', { 'plausible Signup': 1 });
});

test(
  '@plausible-analytics/tracker: pageviews, routes behind #, custom events, engagement',
  { skip },
  async (t) => {
    const swa = await startPublicSystem(t, [pages]);
    const site = await serveClientPages(t);
    const { page } = await openTab(t, browser, '', { userAgent });
    site.run(`
    import { init, track } from '/plausible/plausible.js';
    window.track = track;
    init({ domain: 'My site', endpoint: '${swa.origin}/api/event', captureOnLocalhost: true, hashBasedRouting: true });`);
    assert.equal(await visit(page, site, '/a'), '/api/event');
    await swa.answers('pageviews', `url=${site.own}/a`, 1);
    await page.goto(`${site.own}/app`);
    const status = await page.evaluate(
      `new Promise((done) => track('Signup', { props: { plan: 'x' }, callback: ({ status }) => done(status) }))`,
    );
    assert.equal(status, 202, 'the page may read the answer');
    await page.evaluate(`location.hash = '/orders'`);
    await swa.answers('pageviews', `url=${site.own}/app/orders`, 1);
    await page.goto('about:blank');
    await swa.answers('pageviews', 'domain=localhost', 3);
    await swa.answers('uniques', 'domain=localhost', 1);
    await swa.ignored('pages', { 'plausible Signup': 1, 'plausible engagement': 1 });
  },
);

test('GoatCounter: a pixel and a beacon', { skip }, async (t) => {
  const swa = await startPublicSystem(t, [pages]);
  const site = await serveClientPages(t);
  const { page: first } = await openTab(t, browser, '', { userAgent });
  site.run(`
    const image = document.createElement('img');
    image.src = '${swa.origin}/count?p=' + encodeURIComponent(location.pathname) + '&r=&t=page&s=800%2C600%2C1&b=0&q=&rnd=abc';
    image.onload = () => (document.title = image.naturalWidth + ' pixel');
    document.body.append(image);`);
  assert.equal(await visit(first, site, '/a'), '/count');
  const { page, complaints } = await openTab(t, browser, '', { userAgent });
  await page.goto(`${site.own}/b`);
  await page.waitForFunction(`document.title === '1 pixel'`);
  await page.evaluate(`navigator.sendBeacon('${swa.origin}/count?p=%2Fc&rnd=def')`);
  await page.evaluate(`navigator.sendBeacon('${swa.origin}/count?p=buy&e=true&rnd=ghi')`);
  await swa.answers('pageviews', `url=${site.own}/c`, 1);
  await swa.answers('pageviews', 'domain=localhost', 3);
  await swa.answers('uniques', 'domain=localhost', 1);
  await swa.ignored('pages', { 'goatcounter buy': 1 });
  assert.deepEqual(complaints, []);
});

test('Umami in a page, as its script sends: JSON by fetch without credentials', { skip }, async (t) => {
  const swa = await startPublicSystem(t, [{ ...pages, visitors: 'first-party', secret }]);
  const site = await serveClientPages(t);
  const { page: first } = await openTab(t, browser, '', { userAgent });
  site.run(`
    window.send = async (type, payload) => {
      const response = await fetch('${swa.origin}/api/send', {
        keepalive: true,
        method: 'POST',
        body: JSON.stringify({ type, payload: { website: 'website-1', hostname: location.hostname, ...payload } }),
        headers: { 'Content-Type': 'application/json' },
        credentials: 'omit',
      });
      return response.json();
    };
    send('event', { url: location.pathname, referrer: document.referrer, title: document.title, screen: '1x1' });`);
  assert.equal(await visit(first, site, '/a'), '/api/send', 'no preflight of another origin is answered');
  const { page, complaints } = await openTab(t, browser, '', { userAgent });
  await page.goto(`${site.own}/b`);
  await swa.answers('pageviews', `url=${site.own}/a`, 1);
  const proof = proofOf(secret, '42');
  assert.deepEqual(await page.evaluate(`send('identify', { id: '42', data: { proof: '${proof}' } })`), {});
  assert.deepEqual(await page.evaluate(`send('event', { name: 'buy', url: '/a', id: '42' })`), {});
  assert.deepEqual(complaints, []);
  const { data } = personSchema.parse(await joined(swa, 'user:42'));
  assert.match(data.ids.join(), /^day:[\w-]+,user:42$/);
  await swa.ignored('pages', { 'umami buy': 1 });
  const failed = page.waitForEvent('requestfailed');
  await page.goto(`${site.foreign}/a`);
  assert.equal(
    new URL((await failed).url()).pathname,
    '/api/send',
    'no preflight of another origin is answered',
  );
});

test('@umami/node: pageviews of named visitors, custom events, identify', async (t) => {
  const swa = await startPublicSystem(t, [pages, shop]);
  const umami = new Umami({ websiteId: 'website-2', hostUrl: swa.origin });
  const view = { hostname: 'shop.example', url: '/a' };
  const send = async (payload: object): Promise<number> => (await umami.track(payload)).status;
  assert.equal(await send({ ...view, ip: '192.0.2.1', userAgent }), 200);
  await swa.answers('pageviews', 'domain=shop.example', 1);
  assert.equal(await send({ ...view, ip: '192.0.2.2' }), 200);
  assert.equal(await send(view), 400, 'names nobody: address and user agent are the server’s');
  assert.equal(await send({ ...view, id: '42' }), 400, 'not proven');
  assert.equal(await send({ ...view, id: '42', data: { proof: proofOf(secret, '42') } }), 200);
  assert.equal((await umami.track('buy', { price: 7 })).status, 200);
  assert.equal((await umami.identify({ plan: 'x' })).status, 200);
  await swa.answers('uniques', 'domain=shop.example', 3);
  await swa.ignored('shop', { 'umami buy': 1, 'umami identify without id': 1 });
  const pagesOnly = new Umami({ websiteId: 'website-1', hostUrl: swa.origin });
  assert.equal((await pagesOnly.track({ hostname: 'localhost', url: '/a' })).status, 403);
});

test('@segment/analytics-node: page, track, identify, alias; one person after identify', async (t) => {
  const swa = await startPublicSystem(t, [pages, shop]);
  const statuses: unknown[] = [];
  const open = (writeKey: string): Analytics => {
    const client = new Analytics({ writeKey, host: swa.origin, flushInterval: 50, maxRetries: 0 });
    client.on('http_response', ({ status }) => void statuses.push(status));
    return client;
  };
  const client = open('write-key-2');
  const anonymousId = '0c2f1a55-4a4f-4a51-9a0e-6f6c6f0a1b2c';
  const properties = { url: 'https://shop.example/a', referrer: 'https://search.example/' };
  client.page({ anonymousId, properties });
  await swa.answers('pageviews', 'domain=shop.example', 1);
  const traits = { proof: proofOf(secret, '42') };
  client.page({ userId: '42', properties: { ...properties, ...traits } });
  client.page({ properties, anonymousId: 'another-anonymous-id' });
  client.track({ anonymousId, event: 'Order', properties: { price: 7 } });
  await swa.answers('uniques', 'domain=shop.example', 3);
  client.identify({ anonymousId, userId: '42', traits });
  client.alias({ previousId: 'x', userId: '42' });
  client.group({ userId: '42', groupId: 'g' });
  await swa.answers('uniques', 'domain=shop.example', 2);
  assert.deepEqual(personSchema.parse(await joined(swa, 'user:42')).data.ids, [
    `browser:${anonymousId}`,
    'user:42',
  ]);
  await client.closeAndFlush();
  await swa.ignored('shop', { 'segment Order': 1, 'segment alias': 1, 'segment group': 1 });
  const status = await setUp().swa(['status'], { SWA_DATA_DIR: swa.dataDir });
  assert.match(status.stdout, /^shop +4 +0 +0 +0 +segment Order=1, segment alias=1, segment group=1 *$/m);
  assert.deepEqual(new Set(statuses.splice(0)), new Set([200]));
  const pagesOnly = open('write-key-1');
  pagesOnly.on('error', () => undefined);
  pagesOnly.page({ anonymousId, properties });
  await pagesOnly.closeAndFlush();
  assert.deepEqual(statuses, [403]);
});

/** Waits until an edge has arrived, and returns the person of an id. */
async function joined(swa: Awaited<ReturnType<typeof startPublicSystem>>, id: string): Promise<unknown> {
  return eventually(
    `an edge of ${id}`,
    async () => {
      const response = await swa.get(`/v1/persons/${encodeURIComponent(id)}`);
      const body: unknown = await response.json();
      return personSchema.safeParse(body).data?.data.ids.length === 2 ? body : undefined;
    },
    15_000,
  );
}
