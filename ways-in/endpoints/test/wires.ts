/** Sites whose pages and servers use other trackers' clients, and requests of these clients. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { TestContext } from 'node:test';
import { proofOf } from '../../sites/visitors.js';
import { news, serveSites, shop } from '../../sites/test/serving.js';

export const hourMs = 3_600_000;
export const apiKeys = [`owner:write:${createHash('sha256').update('owner-key').digest('hex')}`];
export const trackers = {
  plausible: ['Shop'],
  umami: ['shop-website'],
  goatcounter: true,
  segment: ['shop-write'],
};
/** A cookieless site for pages only, and a first-party site for which servers may send, too. */
export const sites = [
  { ...shop, trackers },
  {
    ...news,
    trackers: { plausible: ['News'], umami: ['news-website'], goatcounter: true, segment: ['news-write'] },
    fromServers: true,
  },
];
export const agent = 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0';
export const shopPage = 'https://www.shop.example';
export const newsPage = 'https://news.example';
export const anonymous = '0c2f1a55-4a4f-4a51-9a0e-6f6c6f0a1b2c';
export const proof = proofOf(news.secret, '42');

export interface Ask {
  readonly origin?: string | undefined;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
}

export const serverWith = (authorization: string): Ask => ({
  origin: undefined,
  type: 'application/json',
  headers: { Authorization: authorization },
});

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export async function serve(
  t: TestContext,
  change: Parameters<typeof serveSites>[2] = { apiKeys },
  of = sites,
) {
  const swa = await serveSites(t, of, change);
  const call = async (path: string, body: unknown, ask: Ask = {}): Promise<Reply> => {
    const origin = 'origin' in ask ? ask.origin : shopPage;
    const method = ask.method ?? 'POST';
    const response = await fetch(swa.origin + path, {
      method,
      headers: {
        'User-Agent': agent,
        ...(method === 'POST' ? { 'Content-Type': ask.type ?? 'text/plain' } : {}),
        ...(origin === undefined ? {} : { Origin: origin }),
        ...ask.headers,
      },
      ...(method === 'POST' && body !== undefined
        ? { body: typeof body === 'string' ? body : JSON.stringify(body) }
        : {}),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  const plausible = (event: object | string, ask?: Ask) => call('/api/event', event, ask);
  const umami = (type: string, payload: object, ask?: Ask) =>
    call('/api/send', { type, payload: { website: 'shop-website', ...payload } }, ask);
  const batch = (events: readonly unknown[], more: object = {}, ask?: Ask) =>
    call('/v1/batch', { batch: events, writeKey: 'news-write', ...more }, { origin: undefined, ...ask });
  const counts = (site: string) =>
    (swa.wayIn.details()['sites'] as Record<string, Record<string, unknown>>)[site];
  return { ...swa, call, plausible, umami, batch, counts, swa };
}

type Fact = ReturnType<Awaited<ReturnType<typeof serveSites>>['facts']>[number] | undefined;
export function pageview(fact: Fact) {
  assert.ok(fact?.type === 'pageview', JSON.stringify(fact));
  return fact;
}
