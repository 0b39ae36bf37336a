/** Appends facts to the log of a data directory that no process uses, for tests of `swa recover`. */
import type { Config } from '../../lib/config/config.js';
import { systemClock } from '../../lib/time/clock.js';
import { encodeRecord } from '../../facts/record.js';
import { UrlRules } from '../../facts/url/normalize.js';
import { openLogWriter } from '../../log/open-log.js';

const urls = new UrlRules();

/** Pageviews number `from` to `from + count`, ten in each append. */
export async function append(config: Config, from: number, count: number): Promise<void> {
  const log = await openLogWriter(config, systemClock);
  for (let i = from; i < from + count; i += 10) {
    const facts = Array.from({ length: Math.min(10, from + count - i) }, (_, n) => ({
      type: 'pageview' as const,
      visitor: `cookie:${(i + n) % 50}`,
      url: `https://e.org/${(i + n) % 7}`,
      timestamp: 1_700_000_000_000 + i + n,
      eventId: `event-${i + n}`,
      receivedAt: 1_700_000_000_000,
    }));
    await log.append(facts.map((fact) => encodeRecord(fact, urls)));
  }
  await log.close();
}
