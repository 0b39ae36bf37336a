/** Compares with GoAccess: requests, statuses and clients of the same file, read by the same format. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { linesOfFormats, textOfLines } from '../../../bench/log-lines.js';
import { projectRoot } from '../../../lib/files/assets.js';
import { canonicalAddress } from '../fields/address.js';
import { formatOfString, goAccessDefaults } from '../format-string.js';
import { logFormats } from '../formats.js';
import type { LogFormat } from '../request.js';
import { tempDir } from '../../../test/temp-dir.js';

const logs = join(projectRoot, '../shared/data/logs');
const goaccess = spawnSync('goaccess', ['--version']).status === 0;
const skip = goaccess ? false : 'needs goaccess (Debian package of that name)';
const skipReal = skip === false && !existsSync(logs) ? 'no ../shared/data' : skip;

const reportSchema = z.object({
  general: z.object({ total_requests: z.number(), failed_requests: z.number() }),
  status_codes: z.object({
    data: z.array(z.object({ data: z.string(), hits: z.object({ count: z.number() }) })),
  }),
  hosts: z.object({
    metadata: z.object({ data: z.object({ total: z.object({ value: z.number() }) }) }),
    data: z.array(z.object({ data: z.string(), hits: z.object({ count: z.number() }) })),
  }),
});

interface Counts {
  readonly requests: number;
  /** By first digit. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly hosts: ReadonlyMap<string, number>;
}

/** @param name as GoAccess knows the format: a name or its notation */
function byGoAccess(
  text: string,
  name: string,
  more: readonly string[] = [],
): Counts & { readonly hostCount: number } {
  const dir = tempDir('goaccess');
  try {
    writeFileSync(join(dir, 'log'), text);
    const out = join(dir, 'out.json');
    execFileSync(
      'goaccess',
      [join(dir, 'log'), `--log-format=${name}`, ...more, '--no-global-config', '-o', out],
      { stdio: 'ignore', env: { PATH: process.env['PATH'], LC_ALL: 'C' } },
    );
    const { general, status_codes: codes, hosts } = reportSchema.parse(JSON.parse(readFileSync(out, 'utf8')));
    return {
      requests: general.total_requests - general.failed_requests,
      statuses: Object.fromEntries(codes.data.map(({ data, hits }) => [data.charAt(0), hits.count])),
      hosts: new Map(hosts.data.map(({ data, hits }) => [data, hits.count])),
      hostCount: hosts.metadata.data.total.value,
    };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function byUs(text: string, format: LogFormat): Counts & { readonly refused: readonly string[] } {
  const parse = format.start({ utcOf: (localMs) => localMs });
  const statuses: Record<string, number> = {};
  const hosts = new Map<string, number>();
  const refused: string[] = [];
  let requests = 0;
  for (const line of text.trimEnd().split(/\r?\n/)) {
    const parsed = parse(line);
    if (parsed.kind === 'refused') refused.push(line);
    if (parsed.kind !== 'request') continue;
    requests++;
    const status = parsed.status?.charAt(0) ?? '';
    statuses[status] = (statuses[status] ?? 0) + 1;
    const address = canonicalAddress(parsed.forwardedFor ?? parsed.address ?? '') ?? '';
    hosts.set(address, (hosts.get(address) ?? 0) + 1);
  }
  return { requests, statuses, hosts, refused };
}

function compare(
  text: string,
  format: LogFormat,
  theirs: ReturnType<typeof byGoAccess>,
  refused: readonly string[] = [],
): void {
  const ours = byUs(text, format);
  assert.deepEqual(ours.refused, refused);
  assert.equal(ours.requests + refused.length, theirs.requests);
  assert.deepEqual(ours.statuses, theirs.statuses);
  assert.equal(ours.hosts.size, theirs.hostCount);
  assert.ok(theirs.hosts.size > 0);
  for (const [host, count] of theirs.hosts) assert.equal(ours.hosts.get(host), count, host);
}

function formatNamed(name: string): LogFormat {
  return logFormats.find((format) => format.name === name) ?? assert.fail(name);
}

for (const [file, theirName, ourName] of [
  ['basjes_hackers_2015', 'COMBINED', 'combined'],
  ['zanbil_shop_2019_head1000', 'COMBINED', 'combined'],
] as const)
  test(`GoAccess counts ${file} alike`, { skip: skipReal }, () => {
    const text = gunzipSync(readFileSync(join(logs, `${file}.log.gz`))).toString('utf8');
    compare(text, formatNamed(ourName), byGoAccess(text, theirName));
  });

test(
  "GoAccess counts README's own log alike, but for the line that is cut off, which it takes",
  { skip: skipReal },
  () => {
    const text = gunzipSync(readFileSync(join(logs, 'elastic_apache_2015.log.gz'))).toString('utf8');
    const cut = text.split('\n').filter((line) => line.endsWith('bot.html'));
    assert.equal(cut.length, 1);
    const whole = text.replace(`${cut[0] ?? ''}\n`, '');
    compare(whole, formatNamed('combined'), byGoAccess(whole, 'COMBINED'));
    assert.equal(byGoAccess(text, 'COMBINED').requests, 10_000);
  },
);

test('GoAccess counts a log of IIS alike', { skip: skipReal }, () => {
  const text = gunzipSync(readFileSync(join(logs, 'iis_w3c_2015.log.gz'))).toString('utf8');
  const theirs = byGoAccess(text, 'W3C');
  const ours = byUs(text, formatNamed('w3c'));
  assert.deepEqual([ours.requests, ours.statuses, ours.refused], [theirs.requests, theirs.statuses, []]);
});

for (const [theirName, ourName] of [
  ['COMMON', 'common'],
  ['COMBINED', 'combined'],
  ['VCOMBINED', 'vhost_combined'],
  ['CADDY', 'caddy'],
  ['W3C', 'w3c'],
  ['CLOUDFRONT', 'cloudfront'],
  ['AWSALB', 'alb'],
] as const)
  test(`GoAccess counts lines of ${ourName} alike`, { skip }, () => {
    const lines = linesOfFormats.find(({ format }) => format === ourName) ?? assert.fail(ourName);
    const text = textOfLines(lines, 300);
    const theirs = byGoAccess(text, theirName);
    const ours = byUs(text, formatNamed(ourName));
    assert.deepEqual([ours.requests, ours.refused], [300, []]);
    assert.deepEqual([theirs.requests, theirs.statuses], [ours.requests, ours.statuses]);
  });

test("a format in GoAccess' notation means to both the same", { skip }, () => {
  const combined = linesOfFormats.find(({ format }) => format === 'forwarded') ?? assert.fail();
  const text = textOfLines(combined, 300);
  for (const notation of [
    '%h %^[%d:%t %^] "%r" %s %b "%R" "%u" "%^"',
    '%^ %^ %^ [%d:%t %^] "%r" %s %b "%R" "%u" "~h{, }"',
  ]) {
    const theirs = byGoAccess(text, notation, [
      `--date-format=${goAccessDefaults.dateFormat}`,
      `--time-format=${goAccessDefaults.timeFormat}`,
    ]);
    compare(text, formatOfString(notation, 'goaccess', goAccessDefaults), theirs);
  }
});
