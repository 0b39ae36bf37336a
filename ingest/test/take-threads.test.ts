/** Several threads give the same result for a file as one: the same records in the same order, the same counts, rejects and warnings. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { linesOfFormats, textOfLines } from '../../bench/log-lines.js';
import { BotRule } from '../../facts/bots.js';
import { encodeRecord, recordText } from '../../facts/record.js';
import { UrlRules } from '../../facts/url/normalize.js';
import type { NewRecord } from '../../log/log.js';
import { tempDir } from '../../test/temp-dir.js';
import { formatOf } from '../../ways-in/logs/log-files.js';
import { pageviewDefaults } from '../../ways-in/logs/pageviews.js';
import { importFile, type ImportOptions, type RejectedLine, type TakenLines } from '../import.js';
import type { ImportCounts } from '../import-state.js';
import type { LineReader } from '../line-format.js';

const now = Date.UTC(2026, 0, 1);
const urls = new UrlRules();

interface Outcome {
  readonly records: readonly (readonly [topic: string, key: string, value: string])[];
  readonly counts: ImportCounts;
  readonly rejected: readonly RejectedLine[];
  readonly warned: readonly string[];
  readonly taken: TakenLines | undefined;
  readonly about: LineReader['about'] | undefined;
}

async function importWith(path: string, stored: unknown, more: Partial<ImportOptions>): Promise<Outcome> {
  const records: NewRecord[] = [];
  const rejected: RejectedLine[] = [];
  const warned: string[] = [];
  let taken: TakenLines | undefined;
  let reader: LineReader | undefined;
  const keep = (more_: readonly NewRecord[]): Promise<void> => Promise.resolve(void records.push(...more_));
  const counts = await importFile({
    path,
    format: await formatOf(stored, () => 'the key of a data directory'),
    sink: { append: (facts) => keep(facts.map((fact) => encodeRecord(fact, urls))), appendRecords: keep },
    urls,
    bots: new BotRule('exclude'),
    importId: 'import-1',
    trailKey: 'key',
    clock: () => now,
    onRejected: (line) => rejected.push(line),
    onWarning: ({ message }, line) => warned.push(`${line}: ${message}`),
    onTaken: (lines) => (taken = lines),
    onOpened: (opened) => (reader = opened),
    ...more,
  });
  const texts = records.map(({ topic, key, value }) => [topic, key, Buffer.from(value).toString()] as const);
  return { records: texts, counts, rejected, warned, taken, about: reader?.about };
}

/** @param lines the rest of lines around the middle of them */
function fileOf(bytes: Buffer | string): string {
  const path = join(tempDir('take-threads'), 'lines');
  writeFileSync(path, bytes);
  return path;
}

const inThreads = { threads: 2, blocksBeforeThreads: 0 };

async function assertSame(
  path: string,
  stored: unknown,
  more: Partial<ImportOptions> = {},
): Promise<Outcome> {
  const alone = await importWith(path, stored, more);
  assert.deepEqual(await importWith(path, stored, { ...more, ...inThreads }), alone);
  return alone;
}

const options = { ...pageviewDefaults, host: 'www.example.org' };

test('files of all formats one after the other, their lines twice, give the same in threads', async () => {
  const parts = linesOfFormats.map((of) => textOfLines(of, 700));
  const ugly = [
    'garbage',
    '',
    '\ufeff',
    'caf\u00e9 '.repeat(20_000),
    '192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /\u00e9 HTTP/1.1" 200 5 "-" "Googlebot/2.1"\r',
    '192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a.png HTTP/1.1" 200 5 "-" "x"',
    `192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "${'x'.repeat(3_000)}"`,
    '',
  ].join('\n');
  const bytes = Buffer.concat([
    Buffer.from(ugly),
    ...parts.map((part) => Buffer.from(part)),
    Buffer.from([0xff, 0x0a, 0, 0, 0x61, 0, 0x0a]),
    ...parts.map((part) => Buffer.from(part)),
    Buffer.from(`${ugly}192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /last HTTP/1.1" 200 5 "-" "x"`),
  ]);
  const path = fileOf(bytes);
  for (const visitor of ['ip', 'ip-agent-hash'] as const) {
    const { counts, about, records } = await assertSame(path, {
      name: 'auto',
      options: { ...options, visitor },
    });
    assert.match(about?.['format'] ?? '', /lines are caddy/);
    assert.ok(counts.accepted > 10_000 && counts.bots > 0 && counts.warnings > 0 && counts.waiting === 1);
    assert.ok(
      records.some(([, , value]) => value.includes(':2","receivedAt"')),
      'a line that came twice',
    );
  }
});

test('a directive far before its lines holds for them, whichever thread has them', async () => {
  const w3c = linesOfFormats.find(({ format }) => format === 'w3c');
  assert.ok(w3c);
  const text = textOfLines(w3c, 6_000); // some 1.5 MB: six blocks
  const other = '#Fields: time c-ip cs-method cs-uri-stem sc-status\n#Date: 2015-05-18\n';
  const later = Array.from(
    { length: 8_000 },
    (_, i) => `10:05:03 192.0.2.7 GET /${'later'.repeat(12)}/${i} 200\n`,
  );
  const { counts } = await assertSame(fileOf(`${text}${other}${later.join('')}`), { name: 'w3c', options });
  assert.deepEqual([counts.accepted, counts.rejected], [14_000, 0]);
});

test('a file that has grown goes on behind its known lines, and starts again where they differ', async () => {
  const lines = Array.from(
    { length: 9_000 },
    (_, i) => `192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /${i % 4_000} HTTP/1.1" 200 5 "-" "Firefox"\n`,
  );
  const stored = { name: 'combined', options };
  const { taken, records } = await assertSame(fileOf(lines.slice(0, 5_000).join('')), stored);
  const known = { lines: 5_000, hash: taken?.linesHash ?? '', by: ['import-0'] };
  const grown = await assertSame(fileOf(lines.join('')), stored, { known });
  assert.deepEqual([grown.counts.known, grown.counts.accepted], [5_000, 4_000]);
  const whole = await assertSame(fileOf(lines.join('')), stored, { known: { ...known, hash: 'other' } });
  assert.deepEqual([...records, ...grown.records], whole.records);
});

test('facts of every type as NDJSON give the same in threads', async () => {
  const facts = Array.from({ length: 3_000 }, (_, i) => [
    {
      type: 'pageview',
      visitor: `cookie:${i % 70}`,
      url: `https://e.org/\u00fc/${i % 9}?"`,
      ...(i % 3 === 0 ? { eventId: `e${i % 40}` } : {}),
    },
    { type: 'equiv', a: `cookie:${i}`, b: `user:${i % 10}`, timestamp: now - 1, source: 'login' },
  ]).flat();
  const { counts } = await assertSame(fileOf(facts.map((fact) => `${JSON.stringify(fact)}\n`).join('')), {
    name: 'ndjson',
  });
  assert.ok(counts.repeated > 0);
});

test('the text of a record is its JSON', () => {
  const text = fc.string({ unit: 'binary' });
  const optional = fc.option(text, { nil: undefined });
  const views = fc.record({
    visitor: text,
    url: text,
    eventId: text,
    userAgent: optional,
    referrer: optional,
    country: optional,
    importId: optional,
  });
  fc.assert(
    fc.property(
      views,
      fc.nat(),
      ({ visitor, url, eventId, userAgent, referrer, country, importId }, time) => {
        const fact = JSON.parse(
          JSON.stringify({
            type: 'pageview',
            visitor,
            url,
            timestamp: time,
            eventId,
            receivedAt: now,
            userAgent,
            referrer,
            country,
            importId,
          }),
        );
        assert.equal(recordText(fact), JSON.stringify(fact));
      },
    ),
  );
});
