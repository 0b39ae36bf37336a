/** Imports public logs of several servers, and unusual files, and checks the counts of their lines. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { BotRule } from '../../../facts/bots.js';
import type { Fact } from '../../../facts/fact.js';
import { UrlRules } from '../../../facts/url/normalize.js';
import { importFile } from '../../../ingest/import.js';
import type { ImportCounts } from '../../../ingest/import-state.js';
import { SwaError } from '../../../lib/errors/errors.js';
import { projectRoot } from '../../../lib/files/assets.js';
import { logFile, type LogOptions } from '../log-files.js';
import { pageviewDefaults } from '../pageviews.js';
import { readLog } from './reading.js';
import { tempDir } from '../../../test/temp-dir.js';

const shared = join(projectRoot, '../shared/data');
const skip = existsSync(shared) ? false : 'no ../shared/data';

interface Imported {
  readonly format: string;
  readonly counts: ImportCounts;
  readonly facts: readonly Fact[];
}

const site = { host: 'www.example.org' };

async function importLog(path: string, options: Partial<LogOptions> = site): Promise<Imported> {
  const facts: Fact[] = [];
  let format = '';
  const counts = await importFile({
    path,
    format: logFile({ name: 'auto', options: { ...pageviewDefaults, ...options } }),
    sink: { append: (batch) => Promise.resolve(void facts.push(...batch)) },
    urls: new UrlRules(),
    bots: new BotRule('exclude'),
    clock: () => Date.UTC(2026, 0, 1),
    onOpened: ({ about }) => (format = about['format'] ?? ''),
    onRejected: () => undefined,
  });
  assert.equal(counts.read, counts.accepted + counts.repeated + counts.filtered + counts.rejected);
  return { format, counts, facts };
}

const userAgent = 'the user agent is not in quotes, or its last quote is missing';

for (const [name, format, expected] of [
  [
    'elastic_apache_2015',
    'combined',
    { read: 10_000, accepted: 4_000, bots: 2_309, rejectedBy: { [userAgent]: 1 } },
  ],
  ['basjes_hackers_2015', 'combined', { read: 3_456, accepted: 2_335, bots: 0, rejectedBy: {} }],
  ['zanbil_shop_2019_head1000', 'combined', { read: 1_000, accepted: 853, bots: 308, rejectedBy: {} }],
  ['iis_w3c_2015', 'w3c', { read: 254, accepted: 8, bots: 3, rejectedBy: {} }],
] as const) {
  test(`${name}: each line is accounted for`, { skip }, async () => {
    const imported = await importLog(join(shared, `logs/${name}.log.gz`));
    assert.equal(imported.format, `${format} (detected)`);
    const { read, accepted, bots, rejectedBy } = imported.counts;
    assert.deepEqual({ read, accepted, bots, rejectedBy }, expected);
  });
}

test("README's own log: reasons for all that is no pageview", { skip }, async () => {
  const { counts } = await importLog(join(shared, 'logs/elastic_apache_2015.log.gz'));
  assert.deepEqual(counts.filteredBy, {
    'static file': 5_580,
    'status 4xx': 206,
    'status 3xx': 163,
    'method HEAD': 42,
    'method POST': 5,
    'status 5xx': 2,
    'method OPTIONS': 1,
  });
});

test('lines that were once taken for what they do not say', { skip }, async () => {
  const { counts, facts } = await importLog(join(shared, 'faults/lines.log'));
  assert.deepEqual([counts.read, counts.accepted, counts.waiting, counts.bots], [12, 8, 1, 1]);
  assert.deepEqual(counts.rejectedBy, {
    'the address is a list (set --client-ip to tell which address is the client)': 1,
    'the referrer is not in quotes, or its last quote is missing': 1,
    'the address is not an IP address': 2,
  });
  const rules = new UrlRules();
  assert.deepEqual(
    facts.map((fact) => {
      if (fact.type !== 'pageview') return assert.fail(fact.type);
      const page = rules.normalize(fact.url);
      return `${fact.visitor} ${page.ok ? page.url : page.reason}`;
    }),
    [
      'ip:203.0.113.7 http://www.example.org/a',
      'ip:203.0.113.8 https://www.example.org/jetty',
      'ip:203.0.113.9 https://www.example.org/t1',
      'ip:203.0.113.1 https://www.example.org/caf%C3%A9',
      'ip:203.0.113.11 https://www.example.org/xff',
      'ip:203.0.113.12 https://www.example.org/port',
      'ip:203.0.113.13 https://www.example.org/m',
      'ip:203.0.113.14 https://www.example.org/shop/cart',
    ],
  );
});

/** Format and counts of each unusual file, or the beginning of its error. */
const odd: Readonly<
  Record<string, readonly [format: string, accepted: number, filtered: number, rejected: number] | RegExp>
> = {
  'access_log.0': ['combined', 1, 2, 0],
  'access_log.1': ['combined', 0, 1, 0],
  'access_log_dupe.0': ['combined', 1, 2, 0],
  'bad_access_log.0': ['combined', 1, 1, 1],
  'bro_http.log.0': /seems to be a log of Zeek/,
  'caddy_log.0': ['caddy', 4, 35, 0],
  'caddy_log.1': ['caddy', 1, 3, 0],
  'cloudflare.json': /seems to be a log of Cloudflare Logpush/,
  'haproxy.0': /seems to be a log of HAProxy/,
  'regexp_access_log.0': ['vhost_combined', 2, 0, 0],
  'syslog_with_access_log.0': /cannot detect the format/,
  'w3c.0': /missing option --host/,
  'w3c.1': /missing option --host/,
  'w3c.2': ['w3c', 0, 22, 0],
  'w3c.3': /missing option --zone/,
  'w3c.4': ['w3c', 0, 6, 0],
  'w3c.5': /cannot detect the format/,
  'w3c.6': ['w3c', 0, 5, 0],
  'w3c_big.0': ['w3c', 8, 246, 0],
};

test('odd and damaged logs are read as far as they can be, or refused by name', { skip }, async () => {
  const dir = tempDir('odd-logs');
  execFileSync('tar', ['xzf', join(shared, 'ugly/lnav_web_logs.tar.gz'), '-C', dir]);
  for (const [name, expected] of Object.entries(odd)) {
    const path = join(dir, `test/logfile_${name}`);
    const host = /^(?:access|bad_|w3c_big|w3c.6)/.test(name) ? site : {};
    const outcome = await importLog(path, host).catch((error: unknown) => {
      if (error instanceof SwaError) return error;
      throw error;
    });
    if (expected instanceof RegExp)
      assert.match(outcome instanceof SwaError ? outcome.message : JSON.stringify(outcome), expected, name);
    else if (outcome instanceof SwaError) assert.fail(`${name}: ${outcome.message}`);
    else {
      const { accepted, filtered, rejected } = outcome.counts;
      assert.deepEqual(
        [outcome.format.replace(' (detected)', ''), accepted, filtered, rejected],
        expected,
        name,
      );
    }
  }
});

test('messages of other programs are refused, and those of Apache are read', { skip }, () => {
  const { cases } = z
    .object({ cases: z.array(z.object({ spec: z.string(), context: z.string(), message: z.string() })) })
    .parse(JSON.parse(readFileSync(join(shared, 'ugly/logstash_grok_messages.json'), 'utf8')));
  const read = cases.map(({ message }) => readLog([message], 'combined', site).results[0]);
  assert.deepEqual(
    read.slice(0, 3).map((result) => (typeof result === 'string' ? result : 'pageview')),
    ['filtered: static file', 'filtered: status 4xx', 'filtered: method OPTIONS'],
  );
  for (const result of read.slice(3)) assert.match(JSON.stringify(result), /^"rejected: /);
});
