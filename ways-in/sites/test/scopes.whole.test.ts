/** Answers about cookieless sites say that visitors are only identified within a day. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { eventually } from '../../../test/eventually.js';
import { startTestSystem } from '../../../test/running-system.js';
import { news, shop } from './serving.js';
import { tempDir } from '../../../test/temp-dir.js';

test('the whole system: a page sends, and the answers name the scope', async (t) => {
  const sites = join(tempDir('scopes'), 'sites.json');
  writeFileSync(sites, JSON.stringify({ sites: [shop, news] }));
  const swa = await startTestSystem(t, { sites });
  const hourMs = 3_600_000;
  const from = Math.floor(Date.now() / hourMs) * hourMs;
  const range = `from=${from}&to=${from + 2 * hourMs}`;
  for (const [site, url] of [
    [shop, 'https://www.shop.example/a'],
    [news, 'https://news.example/a'],
  ] as const) {
    const response = await fetch(`${swa.system.origin}/v1/events`, {
      method: 'POST',
      headers: {
        Origin: new URL(url).origin,
        'Content-Type': 'text/plain',
        'User-Agent': 'Mozilla/5.0 Firefox/140.0',
      },
      body: JSON.stringify({ key: site.key, type: 'pageview', url, visitor: 'b'.repeat(32) }),
    });
    assert.equal(response.status, 202, await response.text());
  }
  const scopeOf = async (path: string): Promise<unknown> => {
    const body: unknown = await (await swa.get(path)).json();
    return z.object({ accuracy: z.looseObject({}) }).parse(body).accuracy['visitorScope'];
  };
  await eventually('the pageviews are counted', async () => {
    const { data } = await swa.ask(`/v1/uniques?domain=shop.example&${range}`);
    const { data: other } = await swa.ask(`/v1/uniques?domain=news.example&${range}`);
    return (data.visitors === 1 && other.visitors === 1) || undefined;
  });
  for (const path of ['uniques?', 'pages?', 'breakdown?by=browser&']) {
    assert.equal(await scopeOf(`/v1/${path}domain=shop.example&${range}`), 'day', path);
    assert.equal(await scopeOf(`/v1/${path}domain=news.example&${range}`), undefined, path);
  }
  assert.equal(
    await scopeOf(`/v1/uniques?url=https://news.example/a&url=https://shop.example/b&${range}`),
    'day',
  );
  assert.equal((await swa.get('/t.js')).status, 200);
});
