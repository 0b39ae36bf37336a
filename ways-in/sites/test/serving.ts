/** An endpoint with sites over a log in memory, for tests. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pino } from 'pino';
import { z } from 'zod';
import { decodeRecord } from '../../../facts/record.js';
import { UrlRules } from '../../../facts/url/normalize.js';
import { collectorRoutes } from '../../../ingest/collector.js';
import { Intake, newCounters } from '../../../ingest/intake.js';
import { configWith, type Config } from '../../../lib/config/config.js';
import { HttpEndpoint } from '../../../lib/http/endpoint.js';
import type { NewRecord } from '../../../log/log.js';
import { openSites } from '../way-in.js';
import { tempDir } from '../../../test/temp-dir.js';

/** 2026-03-10T12:00:00Z */
export const noon = Date.UTC(2026, 2, 10, 12);

export const shop = {
  name: 'shop',
  domains: ['shop.example'],
  key: 'shop-key-1',
  secret: 'the secret of the shop',
};
export const news = {
  name: 'news',
  domains: ['news.example', 'localhost'],
  key: 'news-key-1',
  visitors: 'first-party',
  secret: 'the secret of the news',
};

const answerSchema = z.object({
  accepted: z.number().optional(),
  rejected: z.array(z.object({ index: z.number(), reason: z.string() })).optional(),
  warnings: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  type: z.string().optional(),
  detail: z.string().optional(),
});

export interface Sent {
  readonly status: number;
  readonly headers: Headers;
  readonly body: z.infer<typeof answerSchema>;
}

export interface SendOptions {
  readonly path?: string;
  readonly origin?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export async function serveSites(
  t: TestContext,
  sites: readonly object[] = [shop, news],
  change: Partial<Config> = {},
) {
  const dir = tempDir('sites');
  const file = join(dir, 'sites.json');
  writeFileSync(file, JSON.stringify({ sites }));
  const config = configWith({ dataDir: join(dir, 'data'), sites: file, ...change });
  const time = { now: noon };
  const clock = (): number => time.now;
  const logger = pino({ level: 'silent' });
  const records: NewRecord[] = [];
  const append = (batch: readonly NewRecord[]): Promise<void> => {
    records.push(...batch);
    return Promise.resolve();
  };
  const intake = new Intake({ log: { append }, urls: new UrlRules(), clock, counters: newCounters() });
  const open = async () => {
    const wayIn = await openSites({ config, clock, logger }, intake);
    const endpoint = new HttpEndpoint({ config, clock, logger, drainGraceMs: 0 });
    endpoint.mount([...collectorRoutes({ intake, browserEvents: wayIn.browserEvents }), ...wayIn.routes]);
    const { origin } = await endpoint.listen(0);
    const close = async (): Promise<void> => {
      await endpoint.close();
      wayIn.close();
    };
    return { wayIn, origin, close };
  };
  let opened = await open();
  t.after(() => opened.close());
  return {
    dir,
    config,
    time,
    /** The current one, which changes with a restart. */
    get origin() {
      return opened.origin;
    },
    get wayIn() {
      return opened.wayIn;
    },
    restart: async () => {
      await opened.close();
      opened = await open();
    },
    /** Facts appended to the log since the last call. */
    facts: () =>
      records.splice(0).map((record) => {
        const fact = decodeRecord(record.value, record.topic);
        assert.ok(fact.type !== 'invalid', 'a record that is a fact');
        return fact;
      }),
    send: async (body: unknown, options: SendOptions = {}): Promise<Sent> => {
      const origin = 'origin' in options ? options.origin : 'https://www.shop.example';
      const response = await fetch(opened.origin + (options.path ?? '/v1/events'), {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers: {
          'Content-Type': 'text/plain;charset=UTF-8',
          'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0',
          ...(origin === undefined ? {} : { Origin: origin }),
          ...options.headers,
        },
      });
      const body2: unknown = await response.json();
      return { status: response.status, headers: response.headers, body: answerSchema.parse(body2) };
    },
  };
}
