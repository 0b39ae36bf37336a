import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { newImportCounts, type ImportCounts } from '../import-state.js';
import { UrlRules } from '../../facts/url/normalize.js';
import { SwaError, hasCode } from '../../lib/errors/errors.js';
import type { Fact } from '../../facts/fact.js';
import { logFile, type LogOptions } from '../../ways-in/logs/log-files.js';
import { pageviewDefaults } from '../../ways-in/logs/pageviews.js';
import type { FactSink } from '../fact-sinks.js';
import { importFile, type RejectedLine } from '../import.js';
import type { FileFormat } from '../line-format.js';
import { ndjson } from '../ndjson.js';
import { tempDir } from '../../test/temp-dir.js';

const combinedWith = (more: Partial<LogOptions>): FileFormat =>
  logFile({ name: 'combined', options: { ...pageviewDefaults, host: 'www.example.org', ...more } });
const combined = combinedWith({});
const now = Date.UTC(2026, 0, 1);

const line = (target: string, second: number, status = 200): string =>
  `192.0.2.1 - - [17/May/2015:10:05:${String(second).padStart(2, '0')} +0000] "GET ${target} HTTP/1.1" ${status} 20 "-" "Mozilla/5.0"`;

const lineOf = (user: string): string => line('/a', 1).replace('- -', `- ${user}`);

const viewOf = (visitor: string): string =>
  JSON.stringify({ type: 'pageview', visitor, url: 'https://e.org/', timestamp: now });

interface Outcome {
  /** Without the reasons, whose sums are checked. */
  readonly counts: ImportCounts;
  readonly reasons: Pick<ImportCounts, 'filteredBy' | 'rejectedBy'>;
  readonly facts: readonly Fact[];
  readonly rejected: readonly RejectedLine[];
}

/** @param bytes a string is complete lines without the last line end, which is added */
async function importBytes(bytes: Buffer | string, format: FileFormat): Promise<Outcome> {
  const dir = tempDir('import');
  const path = join(dir, 'facts');
  const lacksEnd = typeof bytes === 'string' && bytes !== '' && !bytes.endsWith('\n');
  writeFileSync(path, lacksEnd ? `${bytes}\n` : bytes);
  const facts: Fact[] = [];
  const rejected: RejectedLine[] = [];
  const sink: FactSink = {
    name: 'memory',
    append: (batch) => Promise.resolve(void facts.push(...batch)),
    close: () => Promise.resolve(),
  };
  const counts = newImportCounts();
  try {
    await importFile(
      { path, format, sink, urls: new UrlRules(), clock: () => now, onRejected: (one) => rejected.push(one) },
      counts,
    );
  } catch (error) {
    throw Object.assign(error instanceof Error ? error : new Error(String(error)), { facts, counts });
  }
  const { read, accepted, repeated, filtered, rejected: refused, unconfirmed } = counts;
  assert.equal(read, accepted + repeated + filtered + refused + unconfirmed);
  assert.equal(counts.accepted, facts.length);
  const { filteredBy, rejectedBy, ...numbers } = counts;
  for (const [by, count] of [
    [filteredBy, filtered],
    [rejectedBy, refused],
  ] as const)
    assert.equal(
      Object.values(by).reduce((sum, one) => sum + one, 0),
      count,
    );
  return {
    counts: { ...newImportCounts(), ...numbers },
    reasons: { filteredBy, rejectedBy },
    facts,
    rejected,
  };
}

test('every line ends in exactly one count', async () => {
  const text = [
    line('/a', 1),
    line('/a', 1),
    line('/logo.png', 2),
    line('/gone', 3, 404),
    'nonsense',
    '',
  ].join('\n');
  const { counts, reasons, rejected } = await importBytes(`${text}\n`, combined);
  assert.deepEqual(reasons, {
    filteredBy: { 'static file': 1, 'status 4xx': 1, 'empty line': 1 },
    rejectedBy: { 'the line ends within the address': 1 },
  });
  assert.deepEqual(counts, {
    ...newImportCounts(),
    read: 6,
    accepted: 2,
    filtered: 3,
    rejected: 1,
  });
  assert.equal(rejected[0]?.line, 5);
  const events = [viewOf('a'), viewOf('a'), '', '[', viewOf('guest')].map((one) =>
    one.replace('}', ',"eventId":"e"}'),
  );
  const { counts: others } = await importBytes(events.join('\n'), ndjson);
  assert.deepEqual(others, {
    ...newImportCounts(),
    read: 5,
    accepted: 1,
    repeated: 1,
    filtered: 1,
    rejected: 2,
  });
});

test('a placeholder for the user of a line stands for nobody: the address is the visitor', async () => {
  const byUser = combinedWith({ visitor: 'user' });
  const lines = ['-', 'ann', 'Anonymous', '""', '0', 'null'].map(lineOf);
  const { facts } = await importBytes(lines.join('\n'), byUser);
  assert.deepEqual(
    facts.map((fact) => fact.type === 'pageview' && fact.visitor),
    ['ip:192.0.2.1', 'user:ann', ...Array.from({ length: 4 }, () => 'ip:192.0.2.1')],
  );
});

test('a referrer that is too long, or a page without a time, costs a warning and not the pageview', async () => {
  const long = `https://r.example/${'x'.repeat(2_082)}`;
  const { counts, facts } = await importBytes(line('/a', 1).replace('"-"', `"${long}"`), combined);
  assert.deepEqual([counts.accepted, counts.warnings], [1, 1]);
  const [fact] = facts;
  assert.ok(fact?.type === 'pageview' && fact.referrer === long.slice(0, 2_048));
  const timeless = '{"type":"pageview","visitor":"a","url":"https://e.org/","time":1}';
  const { counts: others, facts: now1 } = await importBytes(timeless, ndjson);
  assert.deepEqual([others.accepted, others.warnings, now1[0]?.timestamp], [1, 2, now]);
});

test('a gzip file gives what its plain text gives', async () => {
  const text = Array.from({ length: 5_000 }, (_, i) => line(`/page/${i}`, i % 60)).join('\r\n');
  const plain = await importBytes(text, combined);
  const zipped = await importBytes(gzipSync(`${text}\n`), combined);
  assert.equal(plain.counts.accepted, 5_000);
  assert.deepEqual(zipped.facts, plain.facts);
});

test('a line gives a pageview with the time in its own zone', async () => {
  const text =
    '2001:db8::1 - bob [01/Mar/2020:00:30:00 +0330] "GET /%D8%B3?x=1 HTTP/2" 304 - "https://r.example/" "A \\"b\\""';
  const { facts } = await importBytes(text, combined);
  const [fact] = facts;
  assert.ok(fact?.type === 'pageview');
  assert.equal(fact.visitor, 'ip:2001:db8::1');
  assert.equal(fact.url, 'https://www.example.org/%D8%B3?x=1');
  assert.equal(fact.timestamp, Date.UTC(2020, 1, 29, 21));
  assert.equal(fact.userAgent, 'A "b"');
  assert.equal(fact.referrer, 'https://r.example/');
});

test('a line of a time that does not exist is rejected, naming it', async () => {
  const times = [
    '30/Feb/2015:10:05:03 +0000',
    '31/Apr/2015:10:05:03 +0000',
    '29/Feb/2015:10:05:03 +0000',
    '17/May/2015:24:00:00 +0000',
    '17/May/2015:10:60:00 +0000',
    '17/May/2015:10:05:60 +0000',
    '17/May/2015:10:05:03 +2400',
    '17/May/0085:10:05:03 +0000',
  ];
  const lines = times.map((time) => line('/a', 3).replace('17/May/2015:10:05:03 +0000', time));
  const { counts, rejected } = await importBytes(lines.join('\n'), combined);
  assert.equal(counts.rejected, times.length);
  assert.deepEqual(
    rejected.map((one) => one.reason),
    times.map((time) => `cannot parse the time: '${time}'`),
  );
});

test('only what was asked of the host itself is a pageview', async () => {
  const pages = [
    '/a',
    '//b.example/',
    '/?u=http://b.example/',
    'http://www.example.org/a',
    'HTTPS://WWW.example.org?a',
  ];
  const others = [
    '.b.example/a',
    '@b.example/a',
    ':99/a',
    'a',
    '*',
    '?a',
    'http://b.example/a',
    'http://www.example.org.b.example/',
    'http://www.example.org@b.example/',
    'http://www.example.org:99/',
    'http://www.example.org\\@b.example/',
    'http:www.example.org/',
    'ftp://www.example.org/',
  ];
  const lines = [...pages, ...others].map((target) => line(target, 1));
  const { counts, facts } = await importBytes(lines.join('\n'), combined);
  assert.deepEqual([counts.accepted, counts.filtered], [pages.length, others.length]);
  for (const fact of facts)
    assert.equal(fact.type === 'pageview' && new URL(fact.url).host, 'www.example.org');
});

test('importing a file again gives the same eventIds', async () => {
  const text = [line('/a', 1), line('/b', 2)].join('\n');
  const [first, second] = [await importBytes(text, combined), await importBytes(text, combined)];
  assert.deepEqual(
    first.facts.map((fact) => fact.eventId),
    second.facts.map((fact) => fact.eventId),
  );
  assert.equal(new Set(first.facts.map((fact) => fact.eventId)).size, 2);
});

test('NDJSON takes all three types of facts, and refuses with field and value', async () => {
  const lines = [
    { type: 'pageview', visitor: 'cookie:1', url: 'https://e.org/', timestamp: '2025-12-31T23:59:00Z' },
    { type: 'equiv', a: 'cookie:1', b: 'user:2', timestamp: now },
    { type: 'retract', a: 'user:2', b: 'cookie:1', timestamp: now },
    { type: 'equiv', a: 'cookie:1', b: 'user:NULL', timestamp: now },
    { type: 'pageview', visitor: 'cookie:1', url: 'ftp://e.org/', timestamp: now },
    { type: 'pageview', visitor: 'cookie:1', url: 'https://e.org/', timestamp: now + 300_001 },
    { type: 'pageview', visitor: 'x'.repeat(257), url: 'https://e.org/', timestamp: now },
    { type: 'click' },
  ];
  const text = `${lines.map((fact) => JSON.stringify(fact)).join('\n')}\n{"type":\n`;
  const { counts, facts, rejected } = await importBytes(text, ndjson);
  assert.deepEqual(counts, {
    ...newImportCounts(),
    read: 9,
    accepted: 3,
    rejected: 6,
  });
  assert.deepEqual(
    facts.map((fact) => fact.type),
    ['pageview', 'equiv', 'retract'],
  );
  const reasons = rejected.map((one) => one.reason);
  assert.match(reasons[0] ?? '', /^b is a placeholder.*user:NULL/);
  assert.match(reasons[1] ?? '', /^url must be http or https.*ftp:/);
  assert.match(reasons[2] ?? '', /^timestamp is more than 5 minutes after/);
  assert.match(reasons[3] ?? '', /^visitor must be at most 256 bytes/);
  assert.match(reasons[4] ?? '', /^type must be .*"click"/);
  assert.match(reasons[5] ?? '', /is not JSON/);
});

test('a truncated gzip keeps the lines before its end and says where it broke', async () => {
  const text = Array.from({ length: 50_000 }, (_, i) => line(`/page/${(i * 7919) % 50_000}`, i % 60)).join(
    '\n',
  );
  const zipped = gzipSync(text);
  const broken = importBytes(zipped.subarray(0, zipped.length - 5_000), combined);
  await assert.rejects(broken, (error: unknown) => {
    assert.ok(hasCode(error, 'import.failed'));
    assert.match(error.message, /truncated after line \d+/);
    assert.ok('facts' in error && Array.isArray(error.facts) && error.facts.length > 1_000);
    return true;
  });
});

test('nothing of a binary file is accepted', async () => {
  const bytes = Buffer.from('7f454c4602010100000000000000000003003e000a', 'hex');
  const { counts } = await importBytes(bytes, combined);
  assert.deepEqual([counts.accepted, counts.rejected, counts.nulBytes], [0, 1, 11]);
});

test('a log that was truncated under its writer is read behind the NUL bytes', async () => {
  const text = `${'\0'.repeat(200_000)}${line('/a', 1)}\n${line('/b', 2).slice(0, 40)}${'\0'.repeat(9)}${line('/c', 3)}\n`;
  const { counts, facts, rejected } = await importBytes(text, combined);
  assert.deepEqual(
    facts.map((fact) => (fact.type === 'pageview' ? fact.url : '')),
    ['https://www.example.org/a', 'https://www.example.org/c'],
  );
  assert.deepEqual(counts, { ...newImportCounts(), read: 3, accepted: 2, rejected: 1, nulBytes: 200_009 });
  assert.deepEqual(
    rejected.map(({ line: number, reason }) => [number, reason]),
    [[2, 'the line is cut off by NUL bytes']],
  );
});

test('a last line without its line end waits for it, and counts once', async () => {
  const whole = `${line('/a', 1)}\n${line('/b', 2)}\n`;
  const ids: (string | undefined)[][] = [];
  for (const cut of [whole.length - 1, whole.length - 10, whole.length - 30, whole.length]) {
    const { counts, facts } = await importBytes(Buffer.from(whole.slice(0, cut)), combined);
    const isWhole = cut === whole.length;
    assert.deepEqual([counts.read, counts.accepted, counts.waiting], isWhole ? [2, 2, 0] : [1, 1, 1]);
    ids.push(facts.map(({ eventId }) => eventId));
  }
  assert.equal(new Set(ids.flat()).size, 2, 'two views, however often the file was imported');
});

test('a last NDJSON line without its line end is taken when it is whole', async () => {
  const text = `${viewOf('a')}\n${viewOf('b')}`;
  assert.deepEqual((await importBytes(Buffer.from(text), ndjson)).counts, {
    ...newImportCounts(),
    read: 2,
    accepted: 2,
  });
  assert.deepEqual((await importBytes(Buffer.from(text.slice(0, -3)), ndjson)).counts, {
    ...newImportCounts(),
    read: 1,
    accepted: 1,
    waiting: 1,
  });
});

test('a line that is not UTF-8 is rejected, in every format', async () => {
  const combinedByUser = combinedWith({ visitor: 'user' });
  for (const [format, write] of [
    [ndjson, viewOf],
    [combinedByUser, lineOf],
  ] as const) {
    // A U+FFFD in the file is a character like any other.
    const good = ['ann', 'J\u00fcrgen', '\ufffd'].map((user) => Buffer.from(write(user)).toString('latin1'));
    const bad = ['J\u00fcrgen', 'J\u00f6rgen'].map(write);
    const bytes = Buffer.from([good[0], bad[0], good[1], bad[1], good[2], ''].join('\n'), 'latin1');
    const { counts, facts, rejected } = await importBytes(bytes, format);
    assert.deepEqual(counts, {
      ...newImportCounts(),
      read: 5,
      accepted: 3,
      rejected: 2,
    });
    assert.deepEqual(
      rejected.map((one) => [one.line, one.reason]),
      [2, 4].map((number) => [number, 'the line is not UTF-8']),
    );
    const visitors = facts.map((one) => one.type === 'pageview' && one.visitor.replace('user:', ''));
    assert.deepEqual(visitors, ['ann', 'J\u00fcrgen', '\ufffd']);
  }
});

test('a character cut by the end of a chunk stays whole; a byte order mark before the first line is no part of it', async () => {
  // Chunks end at multiples of a power of two: one of three paddings puts the middle of a character there.
  for (const padding of ['', ' ', '  ']) {
    const lines = Array.from({ length: 100 }, (_, id) => `${viewOf(`\ufeff\u20ac${id}`)}${' '.repeat(9)}`);
    const long = JSON.stringify({ note: '\u20ac'.repeat(20_000) });
    const text = `\ufeff${padding}${lines.join(`\n${long}\n`)}`;
    const { counts, facts } = await importBytes(text, ndjson);
    assert.deepEqual(counts, {
      ...newImportCounts(),
      read: 199,
      accepted: 100,
      rejected: 99,
    });
    const visitors = facts.map((one) => one.type === 'pageview' && one.visitor);
    assert.deepEqual(
      visitors,
      lines.map((_, id) => `\ufeff\u20ac${id}`),
    );
  }
});

test('an empty file reads nothing', async () => {
  const { counts } = await importBytes('', combined);
  assert.deepEqual(counts, {
    ...newImportCounts(),
  });
});

test('a log in another format is rejected by field', async () => {
  const { counts, rejected } = await importBytes(
    '2015-01-13 00:32:17 100.79.192.81 GET /robots.txt - 80 - 157.55.39.146',
    combined,
  );
  assert.equal(counts.rejected, 1);
  assert.match(rejected[0]?.reason ?? '', /^the user contains a space|the line ends within the user/);
});

test('an endless line is rejected without being kept', async () => {
  const { counts } = await importBytes(`${'x'.repeat(3_000_000)}\n${line('/a', 1)}\n`, combined);
  assert.deepEqual(counts, {
    ...newImportCounts(),
    read: 2,
    accepted: 1,
    rejected: 1,
  });
});

test('a sink that fails ends the import with its error, and nothing it refused counts as accepted', async () => {
  const dir = tempDir('import');
  const path = join(dir, 'facts');
  writeFileSync(path, Array.from({ length: 30_000 }, (_, i) => line(`/page/${i}`, i % 60)).join('\n'));
  const counts = newImportCounts();
  let appends = 0;
  const sink: FactSink = {
    name: 'broken',
    append: () =>
      ++appends > 3 ? Promise.reject(new SwaError('log.unavailable', 'no more')) : Promise.resolve(),
    close: () => Promise.resolve(),
  };
  const urls = new UrlRules();
  const importing = importFile(
    { path, format: combined, sink, urls, clock: () => now, onRejected: () => undefined },
    counts,
  );
  await assert.rejects(importing, /no more/);
  assert.equal(counts.accepted, 6_000);
  assert.ok(counts.unconfirmed > 0);
  assert.equal(counts.read, counts.accepted + counts.unconfirmed);
});
