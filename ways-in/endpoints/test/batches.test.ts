/** Batches that servers send: Umami's `/api/batch` and GoatCounter's `/api/v0/count`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { news, noon, shop } from '../../sites/test/serving.js';
import { hourMs, agent, shopPage, newsPage, serverWith, serve, pageview } from './wires.js';

const umamiEvent = (payload: object): object => ({
  type: 'event',
  payload: { website: 'shop-website', ...payload },
});

test('Umami: a batch is as many events of one website, and the reply names those that are refused', async (t) => {
  const { call, facts, counts } = await serve(t);
  const batch = [
    umamiEvent({ url: `${shopPage}/a` }),
    umamiEvent({ name: 'buy', url: '/a' }),
    umamiEvent({ website: 'news-website', url: `${newsPage}/a` }),
    7,
    umamiEvent({ url: 'https://evil.example/' }),
    umamiEvent({ hostname: 'www.shop.example', url: '/b' }),
  ];
  const { status, text } = await call('/api/batch', batch);
  assert.equal(status, 200);
  const reply = JSON.parse(text) as { details: { index: number }[] };
  assert.deepEqual(
    { ...reply, details: reply.details.map(({ index }) => index) },
    { size: 6, processed: 3, errors: 3, details: [2, 3, 4] },
  );
  assert.deepEqual(
    facts().map((fact) => pageview(fact).url),
    [`${shopPage}/a`, `${shopPage}/b`],
  );
  assert.deepEqual(counts('shop')?.['ignored'], { 'umami buy': 1 });
  assert.equal((await call('/api/batch', {})).status, 400);
  assert.equal((await call('/api/batch', [])).status, 401);
  assert.equal(
    (
      await call(
        '/api/batch',
        Array.from({ length: 2_501 }, () => 1),
      )
    ).status,
    413,
  );
  assert.equal((await call('/api/batch', batch, { origin: 'https://evil.example' })).status, 403);
});

test('GoatCounter: hits of a server count by the key of a site for which servers speak', async (t) => {
  const { call, facts, counts } = await serve(t);
  const count = (hits: unknown, key: string | undefined = news.key) =>
    call('/api/v0/count', { no_sessions: false, hits }, serverWith(`Bearer ${key}`));
  const who = { ip: '192.0.2.7', user_agent: agent };
  const at = new Date(noon - hourMs).toISOString();
  const { status, text } = await count([
    { ...who, path: '/a', query: '?utm_source=x', ref: 'https://search.example/', created_at: at },
    { ...who, path: 'b', title: 'B', event: false, bot: 0 },
    { path: '/nobody' },
    { ...who, path: 'click', event: true },
    { ...who, path: '/a', bot: 150 },
    { ...who },
    'x',
  ]);
  assert.equal(status, 202);
  assert.deepEqual(Object.keys((JSON.parse(text) as { errors: object }).errors), ['2', '5', '6']);
  const [a, b, ...more] = facts().map(pageview);
  assert.deepEqual(more, []);
  assert.deepEqual([a?.url, a?.referrer], [`${newsPage}/a?utm_source=x`, 'https://search.example/']);
  assert.deepEqual([a?.timestamp, b?.timestamp, b?.url], [noon - hourMs, noon, `${newsPage}/b`]);
  assert.equal(a?.visitor, b?.visitor);
  assert.deepEqual(counts('news')?.['ignored'], { 'goatcounter click': 1, 'goatcounter bot': 1 });
  assert.equal(
    (await count([{ ...who, path: '/a' }], shop.key)).status,
    403,
    'servers do not speak for this site',
  );
  assert.equal((await count([{ ...who, path: '/a' }], 'another-key')).status, 401);
  assert.equal(
    (await call('/api/v0/count', { hits: [] }, { origin: undefined, type: 'application/json' })).status,
    401,
  );
  assert.equal((await count({})).status, 400);
  assert.equal((await count(Array.from({ length: 501 }, () => ({})))).status, 413);
});
